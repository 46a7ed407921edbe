"""Types of columns: what text means as a value, and what type the first rows show (reference, section 12).

Standard library only. `parser` is the one definition of each type: inference, the reading of irregular blocks and the
conversions of a table all follow it, and the fast reader accepts no more than it does.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from fanout.errors import InputError
from fanout.tables.values.datetimes import compile_moment, parse_moment, recognize, settled

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
TRUE_WORDS = ("1", "true", "True", "TRUE", "t", "T", "Y", "Yes", "YES")
FALSE_WORDS = ("0", "false", "False", "FALSE", "f", "F", "N", "No", "NO")
_BOOLEANS = dict.fromkeys(TRUE_WORDS, True) | dict.fromkeys(FALSE_WORDS, False)
_INT = re.compile(r"[+-]?[0-9]{1,400}")
_FLOAT = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE | re.ASCII
)


class Kind(StrEnum):
    """The types of a table's columns, in the words of `convert_column_types`."""

    INT = "int"
    FLOAT = "float"
    STRING = "string"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    STREAM_INFO = "stream_info"  # a path to a file; here it stays text
    OBJECT = "object"  # values of JSON as they are; ours, of plain files alone


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type with its details; text that does not fit becomes null, unless `mismatch_as` says otherwise."""

    kind: Kind
    formats: tuple[str, ...] | None = None  # of a datetime, in strptime's letters (moments.py); None: ISO 8601
    true_values: tuple[str, ...] = ()  # of a boolean; both empty: TRUE_WORDS and FALSE_WORDS
    false_values: tuple[str, ...] = ()
    mismatch_as: Literal["null", "error", "true", "false"] = "null"  # of a boolean
    date_constant: str = ""  # of a datetime: put in front of texts that hold a time alone

    @property
    def is_plain(self) -> bool:
        """Whether the kind alone says how text is read."""
        return self == ColumnType(self.kind)


STRING = ColumnType(Kind.STRING)
Value = int | float | bool | str | None
Parser = Callable[[str], Value]


ISO_FORMATS = tuple(f"%Y-%m-%d{time}" for time in ("", *(f"{t}%H:%M:%S%.f{z}" for t in "T " for z in ("", "%z"))))
"""What `datetime` without formats means. Ours: the original wants formats."""


def parse_int(text: str) -> int | None:
    """A whole number of 64 bits; None when it is no number.

    A fraction is cut off, and what is too large is the largest there is: so the original fits what it finds behind the
    rows that showed the type.
    """
    word = text.strip()
    if _INT.fullmatch(word):
        return min(max(int(word), INT64_MIN), INT64_MAX)
    number = parse_float(word)
    return None if number is None else whole_number(number)


def whole_number(number: float) -> int:
    """A number as one of 64 bits: cut off towards 0, kept within range, 0 for NaN."""
    if number != number:
        return 0
    return int(number) if abs(number) < 2.0**63 else INT64_MAX if number > 0 else INT64_MIN


def as_text(value: float) -> str:
    """A number or boolean as text, as the original writes it: without an exponent, and without `.0`."""
    if not isinstance(value, float) or not math.isfinite(value):
        return "NaN" if value != value else str(value)
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def parse_float(text: str) -> float | None:
    """A decimal number, also with an exponent, or infinity, or NaN; None when it is not one."""
    word = text.strip()
    return float(word) if _FLOAT.fullmatch(word) else None


def parse_boolean(text: str) -> bool | None:
    """True for TRUE_WORDS, False for FALSE_WORDS; None when it is none of them."""
    return _BOOLEANS.get(text.strip())


def parse_formatted(text: str, formats: Sequence[str]) -> str | None:
    """A time in the first of `formats` that fits, as ISO text, or OUT_OF_RANGE; None when none does."""
    return parse_moment(text.strip(), formats)


def wrong_format(form: str) -> str | None:
    """What is wrong with a format of times; None when it is fine."""
    try:
        compile_moment(form)
    except ValueError as exc:
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
        case Kind.DATETIME:
            return _moment_parser(column)
        case _:
            return str


def _moment_parser(column: ColumnType) -> Parser:
    formats = settled(ISO_FORMATS if column.formats is None else column.formats)

    def parse(text: str) -> str | None:
        found = parse_formatted(text, formats)
        if found is None and column.date_constant:
            return parse_formatted(f"{column.date_constant} {text.strip()}", formats)
        return found

    return parse


def _boolean_parser(column: ColumnType) -> Parser:
    words = dict.fromkeys(column.true_values, True) | dict.fromkeys(column.false_values, False)

    def parse(text: str) -> bool | None:
        known = (words or _BOOLEANS).get(text.strip())
        return known if known is not None else _mismatch(text, column)

    return parse


def _mismatch(text: str, column: ColumnType) -> bool | None:
    if column.mismatch_as == "error":
        allowed = ", ".join(map(repr, (column.true_values or ("true",)) + (column.false_values or ("false",))))
        raise InputError(f"{text[:60]!r} is no boolean; expected one of {allowed}, or set mismatch_as to true or false")
    return None if column.mismatch_as == "null" else column.mismatch_as == "true"


def infer(texts: Sequence[str | None]) -> ColumnType:
    """The type that every one of `texts` fits; None stands for a missing value and fits them all.

    A column of nothing but booleans and whole numbers that are 0 or 1 is boolean. With nothing to go by it is text.
    """
    present = [text for text in texts if text is not None]
    if not present:
        return STRING
    kinds = {_kind(text) for text in dict.fromkeys(present)}
    if kinds <= {Kind.BOOLEAN, _BIT}:
        return ColumnType(Kind.BOOLEAN)
    if kinds <= {_BIT, Kind.INT}:
        return ColumnType(Kind.INT)
    if kinds <= {_BIT, Kind.INT, Kind.FLOAT}:
        return ColumnType(Kind.FLOAT)
    formats = recognize(present) if kinds == {Kind.STRING} else None
    return STRING if formats is None else ColumnType(Kind.DATETIME, formats=formats)


def are_bits(texts: Sequence[str | None]) -> bool:
    """Whether all of `texts`, as far as there are any, are whole numbers that are 0 or 1."""
    return {_kind(text) for text in dict.fromkeys(texts) if text is not None} == {_BIT}


_BIT = "bit"  # a whole number that is 0 or 1, however it is written


def _kind(text: str) -> str:
    word = text.strip()
    if _INT.fullmatch(word):
        number = int(word)
        return _BIT if number in (0, 1) else Kind.INT if INT64_MIN <= number <= INT64_MAX else Kind.FLOAT
    if word in _BOOLEANS:
        return Kind.BOOLEAN
    return Kind.FLOAT if _FLOAT.fullmatch(word) else Kind.STRING
