"""Which values of a block of text its types have changed (pyarrow).

What pyarrow could read with the types as they are is only looked at for leading zeros, in the bytes, as they are all
that it gives up silently; texts are compared only where some value did not fit, and the block was read as text.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fanout.records.value_changes import LONGEST, MOST_COLUMNS, Change, How
from fanout.tables.recipe import Column
from fanout.tables.values.types import Kind

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = (Kind.INT, Kind.FLOAT)
LOOKED_AT = 128 * 1024
"""Bytes of a block in which leading zeros are looked for: a column of codes shows them there."""
_FIELD = 0x00F0FFFF
"""Of four bytes in a number, two as they are, and whether the third is a digit (or one of `:;<=>?`)."""
_NO_TIME = -(2**63)
_WITH_ZEROS = r"^\s*[+-]?0[0-9]"
_PLAIN = r"^\s*[+-]?(0|[1-9][0-9]{0,17})\s*$"


def changes_in(
    written: "pa.Table", values: "pa.Table", columns: Sequence[Column], uri: str, start: int, line: int | None
) -> tuple[Change, ...]:
    """What differs between the texts and the values of a block; columns of `written` that are no texts are left out.

    `line` is that of the first row, counted behind byte `start`; None where lines do not tell rows apart.
    """
    found: list[Change] = []
    types = {column.name: column for column in columns}
    for name in written.column_names:
        if name in types and name in values.column_names and len(found) < MOST_COLUMNS:
            for how, count, text, row in _in_column(types[name], written[name], values[name]):
                at = 0 if line is None else line + row
                found.append(Change(name[:LONGEST], how, count, text, uri, start, at))
    return tuple(found)


def has_leading_zeros(body: bytes, delimiter: str) -> bool:
    """Whether a field in the beginning of `body` begins with a 0 and another digit: then some number may lose it."""
    import numpy as np

    marks = [delimiter.encode(), b"\n"] + ([b'"'] if b'"' in body else [])
    # Four bytes at a time: a look at each takes several times as long, and would be felt in reading the table.
    wanted = [int.from_bytes(mark + b"00", "little") for mark in marks]
    body = body[:LOOKED_AT] + b"\n\n\n"
    for first in range(4):
        fields = np.frombuffer(body, "<u4", (len(body) - first) // 4, first) & _FIELD
        if any((fields == value).any() for value in wanted):
            return True
    return body[:1] == b"0" and body[1:2].isdigit()


def numbers_of(columns: Sequence[Column], without: frozenset[str]) -> list[str]:
    """The columns of numbers whose type was shown by the data, not given."""
    return [c.name for c in columns if c.type.kind in _NUMBERS and not c.given and c.name not in without]


def _in_column(
    column: Column, texts: "pa.ChunkedArray", values: "pa.ChunkedArray"
) -> Iterator[tuple[How, int, str, int]]:
    """How values were changed, how many, the first of them and its row."""
    import pyarrow as pa

    if column.bits and pa.types.is_boolean(texts.type):
        if count := len(texts) - texts.null_count:
            row = next(row for row, value in enumerate(texts) if value.is_valid)
            yield How.FLAG, count, str(int(texts[row].as_py())), row
        return
    for how, mask, shown in _changed(column, texts, values):
        if (change := _first(mask, shown)) is not None:
            yield how, *change


_Found = tuple[How, "pa.ChunkedArray", "pa.ChunkedArray"]


def _changed(column: Column, texts: "pa.ChunkedArray", values: "pa.ChunkedArray") -> Iterator[_Found]:
    """Each way in which values were changed: which, and the texts to show."""
    import pyarrow as pa

    if pa.types.is_string(texts.type) and not pa.types.is_string(values.type):
        yield from _compared(column, texts, values)


def _compared(column: Column, texts: "pa.ChunkedArray", values: "pa.ChunkedArray") -> Iterator[_Found]:
    import pyarrow.compute as pc

    lost = _lost(texts, values)
    if lost is not None:
        yield How.NULL, lost, texts
    if column.given:
        return  # the type is what the MLTable asks for
    match column.type.kind:
        case Kind.BOOLEAN if column.bits:
            yield How.FLAG, pc.and_(pc.is_valid(values), pc.match_substring_regex(texts, r"^\s*[01]\s*$")), texts
        case Kind.FLOAT | Kind.INT as kind:
            zeros = pc.and_(pc.is_valid(values), pc.match_substring_regex(texts, _WITH_ZEROS))
            yield How.ZEROS, zeros, texts
            if kind is Kind.INT:
                same = pc.or_(pc.match_substring_regex(texts, _PLAIN), pc.equal(values.cast(texts.type), texts))
                yield How.CUT, pc.and_(pc.is_valid(values), pc.invert(pc.or_(same, zeros))), texts
        case _:
            pass


def _lost(texts: "pa.ChunkedArray", values: "pa.ChunkedArray") -> "pa.ChunkedArray | None":
    """Which texts became null, or a time that is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    times = values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else None
    has_none = times is not None and pc.min(times).as_py() == _NO_TIME
    if values.null_count == texts.null_count and not has_none:
        return None
    gone = pc.is_null(values)
    if times is not None:
        gone = pc.or_(gone, pc.fill_null(pc.equal(times, _NO_TIME), False))
    return pc.and_(pc.is_valid(texts), gone)


def _first(mask: "pa.ChunkedArray", texts: "pa.ChunkedArray") -> tuple[int, str, int] | None:
    """How many, the first of them, and its row; None when there is none."""
    import pyarrow.compute as pc

    count = pc.sum(mask).as_py() or 0
    if not count:
        return None
    row = pc.index(mask, True).as_py()
    return count, str(texts[row].as_py())[:LONGEST], row


def lost_in_json(rows: Sequence[Mapping[str, Any]], columns: "Mapping[str, pa.Array]", uri: str) -> tuple[Change, ...]:
    """The values of JSON lines that are null in their column, since the first one in it is of another type."""
    found: list[Change] = []
    for name, column in columns.items():
        if not column.null_count or len(found) >= MOST_COLUMNS:
            continue
        given = [row.get(name) for row in rows]
        if column.null_count > given.count(None):
            lost = [k for k, value in enumerate(given) if value is not None and not column[k].is_valid]
            text = str(given[lost[0]])[:LONGEST]
            found.append(Change(name[:LONGEST], How.NULL, len(lost), text, uri))
    return tuple(found)
