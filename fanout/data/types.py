"""Types of columns: what text means as a value, and what type the first rows show (reference, section 12).

Standard library only. `parser` is the one definition of each type: inference, the reading of irregular blocks and the
conversions of a table all follow it, and the fast reader accepts no more than it does.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from fanout.errors import InputError

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
# What datetime64[ns] can hold, as ISO text.
_FIRST_MOMENT, _LAST_MOMENT = "1677-09-21T00:12:43.145224194", "2262-04-11T23:47:16.854775807"

TRUE_WORDS = frozenset({"true", "t", "1"})
FALSE_WORDS = frozenset({"false", "f", "0"})
_BLANKS = " \t"
_INT = re.compile(r"[+-]?[0-9]{1,400}")
_HEX = re.compile(r"0[xX][0-9a-fA-F]{1,16}")
_FLOAT = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity)", re.IGNORECASE)
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(\.[0-9]{1,9})?)?)?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_SLASHED = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/[0-9]{4}(?: [0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)?")
_TIMES = ("", " %H:%M", " %H:%M:%S")


class Kind(StrEnum):
    """The types of a table's columns, in the words of `convert_column_types`."""

    INT = "int"
    FLOAT = "float"
    STRING = "string"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    STREAM_INFO = "stream_info"  # a path to a file; here it stays text


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type with its details; text that does not fit becomes null, unless `mismatch_as` says otherwise."""

    kind: Kind
    formats: tuple[str, ...] = ()  # of a datetime, in strptime's letters; none: ISO 8601
    true_values: tuple[str, ...] = ()  # of a boolean; both empty: true/t/1 and false/f/0 in any case
    false_values: tuple[str, ...] = ()
    mismatch_as: Literal["null", "error", "true", "false"] = "null"  # of a boolean

    @property
    def is_plain(self) -> bool:
        """Whether the kind alone says how text is read."""
        return self == ColumnType(self.kind)


STRING = ColumnType(Kind.STRING)
Value = int | float | bool | str | None
Parser = Callable[[str], Value]


def parse_int(text: str) -> int | None:
    """A whole number of 64 bits; None when it is not one. Blanks around it, leading zeros and 0x1F are fine."""
    word = text.strip(_BLANKS)
    number = int(word) if _INT.fullmatch(word) else _from_hex(word) if _HEX.fullmatch(word) else None
    return number if number is not None and INT64_MIN <= number <= INT64_MAX else None


def _from_hex(word: str) -> int:
    # Sixteen digits are the bits of the number, sign included.
    number = int(word, 16)
    return number if number <= INT64_MAX else number - 2**64


def _parse_decimal(text: str) -> int | None:
    # Hexadecimal text is more often an identifier: it makes no column of numbers, but fits one.
    return parse_int(text) if "x" not in text.lower() else None


def parse_float(text: str) -> float | None:
    """A decimal number, also with an exponent, or infinity; None when it is not one. `nan` is not one."""
    word = text.strip(_BLANKS)
    return float(word) if _FLOAT.fullmatch(word) else None


def parse_boolean(text: str) -> bool | None:
    """true, t, 1, false, f or 0 in any case; None when it is none of them."""
    word = text.lower()
    return word in TRUE_WORDS if word in TRUE_WORDS or word in FALSE_WORDS else None


def parse_iso(text: str) -> str | None:
    """An ISO 8601 date or time as `YYYY-MM-DDTHH:MM:SS[.fff]`; None when it is not one, or out of range.

    An offset or `Z` is dropped without shifting the time (reference, section 12).
    """
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    numbers = [int(group or 0) for group in found.groups()[:6]]
    try:
        moment = datetime(*numbers).isoformat() + (found[7] or "")  # type: ignore[arg-type] # noqa: DTZ001
    except ValueError:
        return None
    return moment if _FIRST_MOMENT <= moment <= _LAST_MOMENT else None


def parse_formatted(text: str, formats: Sequence[str]) -> str | None:
    """A time in the first of `formats` that fits, as ISO text; None when none does."""
    for form in formats:
        try:
            moment = datetime.strptime(text, form).replace(tzinfo=None).isoformat()  # noqa: DTZ007 - columns have no zone
        except ValueError:
            continue
        return moment if _FIRST_MOMENT <= moment <= _LAST_MOMENT else None
    return None


def wrong_format(form: str) -> str | None:
    """What is wrong with a format in strptime's letters; None when it is fine."""
    try:
        datetime.strptime("", form)  # noqa: DTZ007 - only to see whether the letters are known
    except ValueError as exc:
        if "does not match" not in str(exc):
            return str(exc)
    return None if "%" in form else "it has no letters such as %Y-%m-%d"


def parser(column: ColumnType) -> Parser:
    """The function from text to value; a datetime becomes ISO text, what does not fit becomes None."""
    match column.kind:
        case Kind.INT:
            return parse_int
        case Kind.FLOAT:
            return parse_float
        case Kind.BOOLEAN:
            return parse_boolean if column.is_plain else _boolean_parser(column)
        case Kind.DATETIME if column.formats:
            return lambda text: parse_formatted(text, column.formats)
        case Kind.DATETIME:
            return parse_iso
        case _:
            return str


def _boolean_parser(column: ColumnType) -> Parser:
    def parse(text: str) -> bool | None:
        if not column.true_values and not column.false_values:
            known = parse_boolean(text)
        else:
            known = True if text in column.true_values else False if text in column.false_values else None
        return known if known is not None else _mismatch(text, column)

    return parse


def _mismatch(text: str, column: ColumnType) -> bool | None:
    if column.mismatch_as == "error":
        allowed = ", ".join(map(repr, (column.true_values or ("true",)) + (column.false_values or ("false",))))
        raise InputError(f"{text[:60]!r} is no boolean; expected one of {allowed}, or set mismatch_as to true or false")
    return None if column.mismatch_as == "null" else column.mismatch_as == "true"


def infer(texts: Sequence[str | None]) -> ColumnType:
    """The type that every one of `texts` fits; None stands for a missing value and fits them all.

    Booleans come before numbers: a column of nothing but 0 and 1 is boolean. With nothing to go by it is text.
    """
    present = [text for text in texts if text is not None]
    if not present:
        return STRING
    for kind, parse in _LADDER:
        if all(parse(text) is not None for text in present):
            return ColumnType(kind)
    return _infer_slashed(present) or STRING


_LADDER: tuple[tuple[Kind, Parser], ...] = (
    (Kind.BOOLEAN, parse_boolean),
    (Kind.INT, _parse_decimal),
    (Kind.FLOAT, parse_float),
    (Kind.DATETIME, parse_iso),
)


def _infer_slashed(present: Sequence[str]) -> ColumnType | None:
    """Dates as 13/02/2020 or 02/13/2020: a number above 12 shows which is the day; without one, the month is first."""
    found = [_SLASHED.fullmatch(text) for text in present]
    day_first = any(match is not None and int(match[1]) > 12 for match in found)
    formats = tuple(("%d/%m/%Y" if day_first else "%m/%d/%Y") + time for time in _TIMES)
    fits = all(found) and all(parse_formatted(text, formats) is not None for text in present)
    return ColumnType(Kind.DATETIME, formats=formats) if fits else None
