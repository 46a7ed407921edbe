"""Dates and times in text: formats in strptime's letters, and which of them the first rows of a column show.

Measured with the original (reference, section 12), whose letters are those of the library chrono: numbers may be short
and have blanks in front, a blank in a format stands for any number of blanks, `%.f` for a fraction that may be missing,
`%z` for an offset or `Z`. What has an offset is turned into UTC. Standard library only.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

FIRST, LAST = datetime(1677, 9, 21, 0, 12, 44, tzinfo=UTC), datetime(2262, 4, 11, 23, 47, 16, tzinfo=UTC)
"""What datetime64[ns] holds, as far as the original goes: `[FIRST, LAST)`."""
OUT_OF_RANGE = "out of range"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = ("uary", "ruary", "ch", "il", "", "e", "y", "ust", "tember", "ober", "ember", "ember")
_DAYS = "mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
_MONTH = "|".join(f"{short}(?:{rest})?" if rest else short for short, rest in zip(_MONTHS, _LONG_MONTHS, strict=True))
_OFFSET = r"\s*(?i:z|utc|[+-][0-9]{2}:?[0-5][0-9])"
_LENGTH_LIMIT = 80  # of a text that may be a moment
_NUMBER = r"\s*[0-9]{1,2}"
_LETTERS: Mapping[str, tuple[str, str]] = {  # letter: the name of its group, and what it stands for
    "Y": ("year", r"\s*(?:[+-][0-9]{1,6}|[0-9]{1,4})"),
    "y": ("short_year", _NUMBER),
    "m": ("month", _NUMBER),
    "d": ("day", _NUMBER),
    "e": ("day", _NUMBER),
    "H": ("hour", _NUMBER),
    "k": ("hour", _NUMBER),
    "I": ("half_hour", _NUMBER),
    "l": ("half_hour", _NUMBER),
    "M": ("minute", _NUMBER),
    "S": ("second", _NUMBER),
    "p": ("half", "(?i:am|pm)"),
    "P": ("half", "(?i:am|pm)"),
    "b": ("month_name", f"(?i:{'|'.join(_MONTHS)})"),
    "h": ("month_name", f"(?i:{'|'.join(_MONTHS)})"),
    "B": ("month_name", f"(?i:{_MONTH})"),
    "a": ("", f"(?i:{_DAYS})"),
    "A": ("", f"(?i:{_DAYS})"),
    "f": ("fraction", r"[0-9]+"),
    "z": ("offset", _OFFSET),
    "Z": ("", r"\S*"),
    "j": ("day_of_year", r"\s*[0-9]{1,3}"),
    "n": ("", r"\s*"),
    "t": ("", r"\s*"),
    "%": ("", "%"),
}
_SHORT = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "X": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "x": "%m/%d/%y"}
_SHORT |= {"+": "%Y-%m-%dT%H:%M:%S%.f%z", "c": "%a %b %e %H:%M:%S %Y"}
_TOKEN = re.compile(r"\.%f|%\.[369]?f|\.%[369]f|%[369]f|%[-_0]?:{0,2}#?(.)|(\s+)|([^%\s.]+|[.%])", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MomentFormat:
    """A format that is ready to match."""

    pattern: re.Pattern[str]

    def parse(self, text: str) -> str | None:
        """The moment in UTC as `YYYY-MM-DDTHH:MM:SS[.fffffffff]`; OUT_OF_RANGE; or None when it does not fit."""
        found = self.pattern.fullmatch(text) if len(text) <= _LENGTH_LIMIT else None
        return None if found is None else _moment({k: v for k, v in found.groupdict().items() if v is not None})


@lru_cache(maxsize=256)
def compile_moment(form: str) -> MomentFormat:
    """The format, ready to match; ValueError, saying why, when it is none."""
    letters = "".join(_pieces(form, set()))
    return MomentFormat(re.compile(letters))


def _pieces(form: str, seen: set[str]) -> Iterator[str]:
    for token in _TOKEN.finditer(form):
        text, (letter, blank, literal) = token[0], token.groups()
        if text.endswith("f") and not literal and not blank and text != "%f":
            yield _fraction(text, seen)
        elif letter in _SHORT:
            yield from _pieces(_SHORT[letter], seen)
        elif letter is not None:
            yield _letter(letter, seen)
        elif literal == "%":
            raise ValueError("a letter is missing behind the last %")
        else:
            yield r"\s*" if blank else re.escape(literal)


def _letter(letter: str, seen: set[str]) -> str:
    if letter not in _LETTERS:
        raise ValueError(f"%{letter} is no letter of a format; %Y, %m, %d, %H, %M, %S and %z are some")
    name, what = _LETTERS[letter]
    return f"(?:{what})" if not name else _group(name, what, seen)


def _fraction(text: str, seen: set[str]) -> str:
    digits = next((char for char in text if char.isdigit()), None)
    exact = f"[0-9]{{{digits}}}" if digits else "[0-9]+"
    if text.startswith(".") and digits:
        return r"\." + _group("fraction", exact, seen)
    return (
        _group("fraction", exact, seen)
        if text[1] != "." and digits
        else rf"(?:\.{_group('fraction', '[0-9]+', seen)})?"
    )


def _group(name: str, what: str, seen: set[str]) -> str:
    if name in seen:
        raise ValueError(f"it names the {name.replace('_', ' ')} twice")
    seen.add(name)
    return f"(?P<{name}>{what})"


def _moment(parts: Mapping[str, str]) -> str | None:
    year, hour = _year(parts), _hour(parts)
    if year is None or hour is None:
        return None
    month = _MONTHS.index(parts["month_name"][:3].lower()) + 1 if "month_name" in parts else int(parts.get("month", 1))
    second = int(parts.get("second", 0))
    try:
        if second > 60:
            return None
        day = int(parts.get("day", 1))
        # A year that Python cannot hold is out of range anyway, if only the day exists: 2000 is a leap year.
        held = datetime(year if 1 <= year <= 9999 else 2000, month, day, hour, int(parts.get("minute", 0)), tzinfo=UTC)
        if "day_of_year" in parts and "month" not in parts:
            held = held.replace(month=1, day=1) + timedelta(days=int(parts["day_of_year"]) - 1)
        offset = _offset(parts["offset"]) if "offset" in parts else UTC
        if not FIRST.year <= year <= LAST.year:
            return OUT_OF_RANGE
        moment = held.replace(tzinfo=offset).astimezone(UTC) + timedelta(seconds=second)
    except (ValueError, OverflowError):
        return None
    if not FIRST <= moment < LAST:
        return OUT_OF_RANGE
    fraction = parts.get("fraction", "")[:9].rstrip("0")
    return moment.replace(tzinfo=None).isoformat() + (f".{fraction}" if fraction else "")


def _year(parts: Mapping[str, str]) -> int | None:
    """The year; None when the format does not name a day of a year."""
    days = "day_of_year" in parts or ("day" in parts and ("month" in parts or "month_name" in parts))
    if not days:
        return None
    if "year" in parts:
        return int(parts["year"])
    if "short_year" not in parts:
        return None
    short = int(parts["short_year"])
    return short + (2000 if short < 70 else 1900)


def _hour(parts: Mapping[str, str]) -> int | None:
    if "half_hour" not in parts:
        return int(parts.get("hour", 0))
    hour = int(parts["half_hour"])
    return hour % 12 + (12 if parts.get("half", "am").lower() == "pm" else 0) if 1 <= hour <= 12 else None


def _offset(text: str) -> timezone:
    word = text.strip().lower()
    if word in ("z", "utc"):
        return UTC
    digits = [char for char in word if char.isdigit()]
    ahead = timedelta(hours=int("".join(digits[:2])), minutes=int("".join(digits[2:])))
    return timezone(-ahead if word[0] == "-" else ahead)  # ValueError from 24 hours on


def parse_moment(text: str, formats: Sequence[str]) -> str | None:
    """As `MomentFormat.parse`, by the first of `formats` that fits."""
    for form in formats:
        found = compile_moment(form).parse(text)
        if found is not None:
            return found
    return None


@dataclass(slots=True)
class _Pair:
    """A format that is read with the day first or with the month first; which, some value above 12 shows."""

    day_first: str
    month_first: str
    chosen: str | None = None

    def fits(self, text: str) -> bool:
        """Whether the text is one of these; ConflictError when others before have shown the other order."""
        fitting = [form for form in (self.day_first, self.month_first) if compile_moment(form).parse(text) is not None]
        if self.chosen is None and len(fitting) == 1:
            self.chosen = fitting[0]
        if fitting and self.chosen not in (None, *fitting):
            raise _ConflictError
        return bool(fitting)


class _ConflictError(Exception):
    """Some values have the day first and some the month."""


_Entry = str | _Pair


def _fits(entry: _Entry, text: str) -> bool:
    return entry.fits(text) if isinstance(entry, _Pair) else compile_moment(entry).parse(text) is not None


def _catalogue() -> Iterator[Callable[[], _Entry]]:
    """The formats that are recognized, in the order in which they are tried."""
    iso = [f"%Y{s}%m{s}%d{t}" for s in "-/" for t in ("", *_ISO_TIMES)]
    named = [f"%d{s}%b{s}{y}{t}" for y in ("%y", "%Y") for s in "-/" for t in _NAMED_TIMES]
    for form in [*iso, *named]:
        yield lambda form=form: form  # type: ignore[misc]
    for year in ("%y", "%Y"):
        for s in "/-":
            for t in _TIMES:
                yield lambda year=year, s=s, t=t: _Pair(f"%d{s}%m{s}{year}{t}", f"%m{s}%d{s}{year}{t}")  # type: ignore[misc]


_ISO_TIMES = tuple(f"{t}%H:%M:%S{f}{z}" for t in ("T", " ") for z in ("", "%z") for f in ("", "%.f"))
_NAMED_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S%.f")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_CATALOGUE = tuple(_catalogue())


@dataclass(slots=True)
class Recognizer:
    """Gathers the formats of a column, value by value."""

    _entries: list[_Entry] = field(default_factory=list)

    def takes(self, text: str) -> bool:
        """Whether the column may still be one of times, this value included."""
        try:
            if any(_fits(entry, text) for entry in self._entries):
                return True
        except _ConflictError:
            return False
        found = next((entry for entry in (make() for make in _CATALOGUE) if _fits(entry, text)), None)
        if found is not None:
            self._entries.append(found)
        return found is not None

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats found; none of those whose order of day and month no value has shown."""
        chosen = (entry.chosen if isinstance(entry, _Pair) else entry for entry in self._entries)
        return tuple(form for form in chosen if form is not None)


def recognize(texts: Sequence[str]) -> tuple[str, ...] | None:
    """The formats of a column of times; None when it is none. `()`: times whose format is ambiguous."""
    recognizer = Recognizer()
    return recognizer.formats if all(map(recognizer.takes, texts)) else None


def settled(formats: Sequence[str]) -> tuple[str, ...]:
    """Of given formats that differ only in the order of day and month, the first: no value is read both ways."""
    kept: list[str] = []
    for form in formats:
        swapped = form.translate(str.maketrans("dm", "md")) if "%d" in form and "%m" in form else None
        if swapped not in kept:
            kept.append(form)
    return tuple(kept)
