"""What the values of a column show of its type, gathered over the whole of a table, and what follows from it.

A type is taken only where no value changes by it: everything else is text. So a number keeps neither leading zeros nor
a plus nor more digits than it can hold; a column where one value has them is text.
"""

from collections.abc import Callable, Mapping
from decimal import Context, Decimal, InvalidOperation
from enum import IntFlag
from functools import reduce
from typing import TYPE_CHECKING

from fanout.tables.values.types import INT64_MAX, INT64_MIN, ColumnType, Kind

if TYPE_CHECKING:
    import pyarrow as pa

TRUE_WORDS = ("true", "True", "TRUE")
FALSE_WORDS = ("false", "False", "FALSE")
_NO_NUMBERS = tuple(
    sign + word
    for word in ("nan", "NaN", "NAN", "inf", "Inf", "INF", "infinity", "Infinity")
    for sign in ("", "-")
    if not (sign and word.lower() == "nan")
)
_WHOLE = r"^[ \t]*(0|-?[1-9][0-9]{0,17})[ \t]*$"
_LONG_WHOLE = r"^[ \t]*-?[1-9][0-9]{18}[ \t]*$"
_WIDE = r"[0-9]{16}"
# An exponent has a sign, or digits behind a point: 12E4 is a code more often than it is a number.
_FRACTION = (
    r"^[ \t]*-?(0|[1-9][0-9]*)?(\.[0-9]*([eE][+-][0-9]{1,3})?|[eE][+-][0-9]{1,3})[ \t]*$",
    r"^[ \t]*-?(0|[1-9][0-9]*)?\.[0-9]+([eE][+-]?[0-9]{1,3})?[ \t]*$",
    r"^[ \t]*-0[ \t]*$",
)
_SHORT_FRACTION = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_A_DIGIT = r"^[ \t]*-?\.?[0-9]"
_SURE = 16
"""Characters of a fraction that certainly has no more than 15 digits, which any float keeps, and a small exponent."""
SUSPECT = (
    r'(^|[{0}"\n])[ \t]*(\+|-?0[0-9xX]|-0([{0}"\r\n \t]|$))'  # what numbers lose: a plus, leading zeros, the sign of 0
    r"|[0-9][0-9.]{{15}}"  # more digits than are certain to fit
    r"|[0-9]\.?[eE]([0-9]|[+-][0-9]{{3}})"  # exponents that may be none, or too large
    r"|[iI][nN][fF]|[nN][aA][nN]"
)
"""Where in a block of text a value may be that pyarrow reads as a number and that is another one, or none, to us.

Filled in with the delimiter. It may find more than there is, never less.
"""


class Seen(IntFlag):
    """What values of a column were seen."""

    GAP = 1
    INT = 2
    WIDE = 4  # a whole number with more digits than a float is certain to hold
    FLOAT = 8
    BOOL = 16
    TEXT = 32
    OTHER = 64  # of JSON: lists and objects, and whole numbers of more than 64 bits


NOTHING = Seen(0)


def type_of(seen: Seen) -> Kind:
    """The type that holds all that was seen of a column of text.

    Whole numbers with gaps are fractions, as in pandas, and everywhere in the table alike.
    """
    values = seen & ~Seen.GAP
    if values == Seen.BOOL:
        return Kind.BOOLEAN
    if values == NOTHING or values & ~(Seen.INT | Seen.WIDE | Seen.FLOAT):
        return Kind.STRING
    if values & Seen.FLOAT or seen & Seen.GAP:
        return Kind.STRING if seen & Seen.WIDE else Kind.FLOAT
    return Kind.INT


def json_type_of(seen: Seen) -> Kind:
    """The type that holds all that was seen of a column of JSON; where there is none, values stay what they are."""
    values = seen & ~Seen.GAP
    if not values or values == Seen.TEXT:
        return Kind.STRING
    return Kind.OBJECT if (found := type_of(seen)) is Kind.STRING else found


def expected_type(seen: Seen) -> Kind:
    """As what a column is read first: as what was seen so far."""
    return type_of(seen & ~(Seen.GAP | Seen.WIDE))


def seen_as(kind: Kind) -> Seen:
    """What a block shows that could be read with this type."""
    return {Kind.INT: Seen.INT, Kind.FLOAT: Seen.FLOAT, Kind.BOOLEAN: Seen.BOOL}.get(kind, Seen.TEXT)


def seen_in(texts: "pa.ChunkedArray", expected: Kind = Kind.INT) -> Seen:
    """What is in a column of text; a value that is empty counts as a gap as well, as numbers take it for one.

    It is found faster where it is what is `expected`.
    """
    import pyarrow.compute as pc

    seen, filled = NOTHING, texts.drop_null() if texts.null_count else texts
    if pc.any(pc.equal(filled, "")).as_py():
        filled = filled.filter(pc.not_equal(filled, ""))
    if len(filled) < len(texts):
        seen |= Seen.GAP
    if not len(filled):
        return seen
    are_short = expected is Kind.FLOAT and pc.max(pc.binary_length(filled)).as_py() < _SURE
    if are_short and pc.all(pc.match_substring_regex(filled, _SHORT_FRACTION)).as_py():
        return seen | Seen.FLOAT
    whole = pc.match_substring_regex(filled, _WHOLE)
    if pc.all(whole).as_py():
        return seen | _wholes(filled)
    if pc.any(whole).as_py():
        seen |= _wholes(filled.filter(whole))
    return seen | _others(filled.filter(pc.invert(whole)))


def _wholes(texts: "pa.ChunkedArray") -> Seen:
    import pyarrow.compute as pc

    wide = pc.max(pc.binary_length(texts)).as_py() >= _SURE and pc.any(pc.match_substring_regex(texts, _WIDE)).as_py()
    return Seen.INT | Seen.WIDE if wide else Seen.INT


def _others(texts: "pa.ChunkedArray") -> Seen:
    """What texts are that are no short whole numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = pc.is_in(texts, value_set=pa.array([*TRUE_WORDS, *FALSE_WORDS]))
    if pc.any(words).as_py():
        return Seen.BOOL if pc.all(words).as_py() else Seen.TEXT
    written = reduce(pc.or_, (pc.match_substring_regex(texts, each) for each in _FRACTION))
    fraction = pc.and_(written, pc.match_substring_regex(texts, _A_DIGIT))
    fraction = pc.or_(fraction, pc.is_in(texts, value_set=pa.array(_NO_NUMBERS)))
    long = texts.filter(pc.invert(fraction))
    if len(long):
        whole = pc.match_substring_regex(long, _LONG_WHOLE)
        if not pc.all(whole).as_py() or not all(INT64_MIN <= int(t) <= INT64_MAX for t in long.to_pylist()):
            return Seen.TEXT
    fractions = texts.filter(fraction)
    found = Seen.INT | Seen.WIDE if len(long) else NOTHING
    if len(fractions):
        found |= Seen.FLOAT if _are_kept(fractions) else Seen.TEXT
    return found


def _are_kept(fractions: "pa.ChunkedArray") -> bool:
    """Whether each of these numbers is the same one as a float."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.ascii_trim_whitespace(fractions)
    exponent = pc.match_substring_regex(trimmed, "[eE]")
    unsure = trimmed.filter(pc.or_(pc.greater(pc.binary_length(trimmed), _SURE), exponent))
    if not len(unsure):
        return True
    try:
        shortest = unsure.cast(pa.float64()).cast(pa.string())
    except pa.ArrowInvalid:
        return all(map(_is_kept, unsure.unique().to_pylist()))
    # What programs write is the shortest text of a float; only others are compared as what they say.
    odd = unsure.filter(pc.not_equal(unsure, shortest)).unique()
    return all(map(_is_kept, odd.to_pylist()))


def _is_kept(text: str) -> bool:
    """Whether the float of a number, rounded to the digits that are written, is that number again."""
    number = float(text)
    mantissa, exponent, _ = text.partition("e")
    digits = len(mantissa.partition(".")[2])
    if f"{number:.{digits}{exponent or 'f'}}" == text:
        return True  # as most programs write it; the rest takes twice as long
    try:
        written, kept = Decimal(text), Decimal(number)
        shown = Context(prec=max(1, len(written.as_tuple().digits))).plus(kept)
        return kept.is_finite() and shown == written
    except (InvalidOperation, ValueError, OverflowError):
        return False


def joined(*found: Mapping[str, Seen]) -> dict[str, Seen]:
    """What several parts of a table show together."""
    whole: dict[str, Seen] = {}
    for part in found:
        for name, seen in part.items():
            whole[name] = whole.get(name, NOTHING) | seen
    return whole


def columns_by(
    seen: Mapping[str, Seen], given: Mapping[str, ColumnType], decide: Callable[[Seen], Kind]
) -> dict[str, ColumnType]:
    """The type of each column: as given, else as it was seen."""
    return {name: given.get(name) or ColumnType(decide(what)) for name, what in seen.items()}
