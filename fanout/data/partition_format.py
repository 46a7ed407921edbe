"""Columns from paths: `extract_columns_from_partition_format` (reference, section 12).

`{name}` is a part of the path without a slash, `{name:yyyy/MM/dd}` a time. The format is looked for in the path, and
the first place that it fits counts; so a format that names the file, `/{k}/{file}.csv`, is found at the path's end.
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

PartitionValue = str | datetime | None  # None: a time that does not exist


@dataclass(frozen=True, slots=True)
class PartitionFormat:
    """A compiled format: which columns it makes, and their values for a path."""

    text: str
    path: re.Pattern[str]
    names: tuple[str, ...]  # text columns first, then times: the order in which they are added
    times: Mapping[str, tuple[str, ...]]  # of each time column, what its groups are, in order

    def extract(self, path: str) -> dict[str, PartitionValue] | None:
        """The value of each column, in the order of `names`; None when the path does not fit."""
        found = self.path.search(path)
        if found is None:
            return None
        groups = found.groupdict()
        return {name: self._value(i, name, groups) for i, name in enumerate(self.names)}

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
    columns = [_column(found, text) for found in _TOKEN.finditer(text)]
    names = [name for name, form in columns if not form] + [name for name, form in columns if form]
    _check_names(names, text)
    if "}{" in text:
        raise _wrong(text, "two columns need something between them, such as '/' or '.'")
    forms = dict(columns)
    times = {name: tuple(_DIGITS[t] for t in _TIME_LETTERS.findall(form)) for name, form in columns if form}
    body = "".join(_regex(piece, names, forms) for piece in re.split(r"(\{[^{}]*\})", text))
    return PartitionFormat(text, re.compile(body, re.DOTALL), tuple(names), times)


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
