"""Columns from paths: `extract_columns_from_partition_format` (reference, section 12).

`{name}` is a part of the path without a slash, `{name:yyyy/MM/dd}` a time. The format is looked for in the path, and
the first place that it fits counts; so a format that names the file, `/{k}/{file}.csv`, is found at the path's end.
In that place each column, from left to right, is as long as what follows allows.

A regular expression says the same, but one that may have to try every way to divide a path between the columns:
`{a}_{b}_{c}_{d}` took hours for a path of 250 underscores. So where each column can end is found from the right first.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from fanout.errors import InputError

_TOKEN = re.compile(r"\{([^{}]*)\}|([{}])")
_DIGITS = {"yyyy": "year", "MM": "month", "dd": "day", "HH": "hour", "mm": "minute", "ss": "second"}
_TIME_LETTERS = re.compile("|".join(_DIGITS))
_ANY_LETTERS = re.compile(r"[A-Za-z]+")
LONGEST_FORMAT, LONGEST_PATH, MOST_COLUMNS = 2000, 8192, 100
"""Characters of a format and of a path (file systems and S3 stop earlier), and columns of a format."""
_EASY = 30_000
"""Steps that a regular expression may take for a path at the worst: a third of a millisecond."""

_TEXT_COLUMN = re.compile(r"\(\?P<(c[0-9]+)>\[\^/\]\+\)")

PartitionValue = str | datetime | None  # None: a time that does not exist


@dataclass(frozen=True, slots=True)
class PartitionFormat:
    """A compiled format: which columns it makes, and their values for a path."""

    text: str
    path: re.Pattern[str]
    pieces: tuple[re.Pattern[str] | str, ...]  # what is looked for, or the group of a column, in order
    loose: int  # columns that do not end at a slash: the search may try any end of them
    names: tuple[str, ...]  # text columns first, then times: the order in which they are added
    times: Mapping[str, tuple[str, ...]]  # of each time column, what its groups are, in order

    def extract(self, path: str) -> dict[str, PartitionValue] | None:
        """The value of each column, in the order of `names`; None when the path does not fit."""
        if len(path) > LONGEST_PATH:
            raise InputError(f"{path[:60]!r}…: longer than {LONGEST_PATH} characters, too long for a partition_format")
        groups = self._searched(path) if self._is_easy(path) else self._divided(path)
        return None if groups is None else {name: self._value(i, name, groups) for i, name in enumerate(self.names)}

    def _is_easy(self, path: str) -> bool:
        """Whether a search cannot take long, however often it has to try again."""
        steps = max(map(len, path.split("/"))) ** self.loose
        if len(path) * steps <= _EASY:
            return True
        first = self.pieces[0]
        starts = len(path) if isinstance(first, str) else sum(1 for _ in first.finditer(path))
        return bool(starts * steps <= _EASY)

    def _searched(self, path: str) -> Mapping[str, str] | None:
        found = self.path.search(path)
        return None if found is None else found.groupdict()

    def _divided(self, path: str) -> Mapping[str, str] | None:
        """The same as `_searched`, in time that grows with the length of the path, whatever is in it."""
        fits = [bytearray(b"\1") * (len(path) + 1)]  # where what follows a piece can begin, of the last piece first
        for piece in reversed(self.pieces):
            fits.append(_begins(piece, path, fits[-1]))
        at = fits.pop().find(1)
        if at < 0:
            return None
        groups: dict[str, str] = {}
        for piece in self.pieces:
            behind = fits.pop()
            if isinstance(piece, str):
                end = path.find("/", at)
                at, start = behind.rfind(1, at + 1, (len(path) if end < 0 else end) + 1), at
                groups[piece] = path[start:at]
            elif (found := piece.match(path, at)) is not None:
                groups |= found.groupdict()
                at = found.end()
        return groups

    def _value(self, index: int, name: str, groups: Mapping[str, str]) -> PartitionValue:
        parts = self.times.get(name)
        if parts is None:
            return groups[f"c{index}"]
        numbers = {part: int(groups[f"c{index}_{part}"]) for part in parts}
        try:
            return datetime(**{"year": 1, "month": 1, "day": 1, **numbers})  # type: ignore[arg-type] # noqa: DTZ001
        except ValueError:  # a month 13
            return None


@lru_cache(maxsize=64)
def compile_format(text: str) -> PartitionFormat:
    """The format, ready to match; InputError when it is none."""
    if len(text) > LONGEST_FORMAT or text.count("{") > MOST_COLUMNS:
        raise _wrong(text, f"longer than {LONGEST_FORMAT} characters, or more than {MOST_COLUMNS} columns")
    columns = [_column(found, text) for found in _TOKEN.finditer(text)]
    names = [name for name, form in columns if not form] + [name for name, form in columns if form]
    _check_names(names, text)
    if "}{" in text:
        raise _wrong(text, "two columns need something between them, such as '/' or '.'")
    forms = dict(columns)
    times = {name: tuple(_DIGITS[t] for t in _TIME_LETTERS.findall(form)) for name, form in columns if form}
    parts = [_regex(piece, names, forms) for piece in re.split(r"(\{[^{}]*\})", text) if piece]
    pieces = tuple(found[1] if (found := _TEXT_COLUMN.fullmatch(part)) else re.compile(part) for part in parts)
    ends = [
        isinstance(p, str) and following.startswith("/") for p, following in zip(pieces, [*parts[1:], "/"], strict=True)
    ]
    body = "".join(part.replace("+)", "++)") if end else part for part, end in zip(parts, ends, strict=True))
    loose = sum(isinstance(piece, str) for piece in pieces) - sum(ends)
    return PartitionFormat(text, re.compile(body, re.DOTALL), pieces, loose, tuple(names), times)


def _begins(piece: re.Pattern[str] | str, path: str, behind: bytearray) -> bytearray:
    """Where `piece` can begin, so that what is behind it can begin where it ends."""
    found = bytearray(len(path) + 1)
    if isinstance(piece, str):
        for at in range(len(path) - 1, -1, -1):
            found[at] = path[at] != "/" and (behind[at + 1] or found[at + 1])
        return found
    at = 0
    while (match := piece.search(path, at)) is not None:
        found[match.start()] = behind[match.end()]
        at = match.start() + 1
    return found


def _column(found: re.Match[str], text: str) -> tuple[str, str]:
    if found[2]:
        raise _wrong(text, f"the {found[2]!r} has no partner; write columns as {{name}}")
    name, _, form = found[1].partition(":")
    if not name or (not form and ":" in found[1]):
        raise _wrong(text, f"{found[0]!r} is no column; write {{name}} or {{name:yyyy/MM/dd}}")
    return name, form


def _check_names(names: list[str], text: str) -> None:
    if not names:
        raise _wrong(text, "it names no column; write at least one {name}")
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise _wrong(text, f"the column {twice[0]!r} is named twice")


def _regex(piece: str, names: list[str], forms: Mapping[str, str]) -> str:
    """One piece of the format, literal text or a column, as a regular expression."""
    if not piece.startswith("{"):
        return re.escape(piece)
    name = piece[1:-1].partition(":")[0]
    index = names.index(name)
    return _time_regex(forms[name], index, piece) if forms[name] else f"(?P<c{index}>[^/]+)"


def _time_regex(form: str, index: int, piece: str) -> str:
    parts = _TIME_LETTERS.findall(form)
    if "yyyy" not in parts or len(set(parts)) < len(parts) or _ANY_LETTERS.search(_TIME_LETTERS.sub("", form)):
        raise _wrong(piece, "a time is written with yyyy, MM, dd, HH, mm and ss, each at most once, yyyy always")
    return _TIME_LETTERS.sub(
        lambda found: f"(?P<c{index}_{_DIGITS[found[0]]}>[0-9]{{{len(found[0])}}})",
        re.sub(r"([^A-Za-z])", r"\\\1", form),
    )


def _wrong(text: str, why: str) -> InputError:
    return InputError(f"partition_format {text[:200]!r}: {why}")
