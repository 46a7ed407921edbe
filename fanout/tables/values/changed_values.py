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
_ZERO, _TEN, _LINE_END, _QUOTE, _MINUS, _PLUS, _BLANK, _TAB = 48, 10, 10, 34, 45, 43, 32, 9
"""Characters as bytes; `_TEN` is how many digits there are."""
_AT_ONCE = 32 * 1024
"""Bytes that are looked at together: few enough to stay in the cache, which is five times as fast."""
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
    """Whether a field of `body` begins with a 0 and another digit: then some number may lose it."""
    import numpy as np

    letters, quoted = np.frombuffer(body, np.uint8), b'"' in body
    for start in range(0, len(letters) - 2, _AT_ONCE):
        some = letters[start : start + _AT_ONCE + 2]
        begins = some[:-2] == ord(delimiter)
        begins |= some[:-2] == _LINE_END
        if quoted:
            begins |= some[:-2] == _QUOTE
        begins &= some[1:-1] == _ZERO
        if begins.any() and (begins & (some[2:] - _ZERO < _TEN)).any():
            return True
    return body[:1] == b"0" and body[1:2].isdigit()


def zeros_of(
    body: bytes, delimiter: str, wanted: Mapping[str, int], rows: int, width: int
) -> "list[tuple[str, int, str, int]] | None":
    """The numbers with leading zeros in these columns, by their places in a row: name, count, the first and its row.

    Found in the bytes, without making texts of them; None where fields do not simply follow each other in them.
    """
    import numpy as np

    if b'"' in body:
        return None
    # A line end in front of all, so that each field begins behind one of the places that are found.
    whole = b"\n%b\n\0\0" % body.removesuffix(b"\n")
    letters = np.frombuffer(whole, np.uint8)
    ends = np.flatnonzero((letters == ord(delimiter)) | (letters == _LINE_END))
    if len(ends) != rows * width + 1:
        return None
    before = ends[:-1].reshape(rows, width)
    found: list[tuple[str, int, str, int]] = []
    for name, place in wanted.items():
        at = before[:, place]
        first = letters[1:][at]
        some = np.flatnonzero(first <= _ZERO)  # few: signs and blanks are below, too
        at, first = at[some] + 1, first[some]
        if ((first == _BLANK) | (first == _TAB)).any():
            return None
        at += (first == _MINUS) | (first == _PLUS)
        lost = some[(letters[at] == _ZERO) & (letters[at + 1] - _ZERO < _TEN)]
        if len(lost):
            row = int(lost[0])
            text = whole[before[row, place] + 1 : ends[row * width + place + 1]].decode(errors="replace")
            found.append((name, len(lost), text.strip(), row))
    return found


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
