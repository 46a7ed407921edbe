"""A block of plain delimited text to columns, exactly: a value or row that does not fit is an error, or null if asked.

The same function checks a block when it is planned and reads it on a node.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.errors import InputError
from fanout.files import uris
from fanout.records.value_changes import LONGEST, Change, How, located
from fanout.tables.formats.delimited import by_pyarrow, may_be_hexadecimal
from fanout.tables.formats.delimited_records import record_at, split_line
from fanout.tables.formats.readers import Delimited
from fanout.tables.recipe import Column
from fanout.tables.values.conversion import arrow_type, convert_column
from fanout.tables.values.null_hints import fit_float64
from fanout.tables.values.types import INT64_MAX, INT64_MIN, Kind

if TYPE_CHECKING:
    import pyarrow as pa

    Record = list[str | None]

MISSING = "fields missing in short rows"
BEYOND = "fields behind the last column"
_EXPECTED = {
    Kind.INT: "a whole number",
    Kind.FLOAT: "a number",
    Kind.BOOLEAN: "true or false",
    Kind.DATETIME: "a time in this format",
}
_NO_TIME = -(2**63)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a block comes from: its first line is line `line` behind byte `start` of the file."""

    uri: str
    start: int = 0
    line: int = 1

    def at(self, lines: int) -> str:
        """The place `lines` line ends into the block, for people: `/data/rows.csv:251`."""
        found = located(Change("", How.NULL, 1, "", self.uri, self.start, self.line + lines))
        behind = f" (line {found.line} behind byte {found.start})" if found.start else f":{found.line}"
        return uris.display(self.uri) + behind


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a block: as they are written (columns that fit at once as their values), and as values."""

    written: "pa.Table"
    values: "pa.Table"
    changes: tuple[Change, ...] = ()


def read_exactly(body: bytes, reader: Delimited, columns: Sequence[Column], origin: Origin) -> Rows:
    """The rows of a block without its header line, UTF-8.

    InputError, with file and line, for a row of another width and a value that does not fit its column, unless the
    reader takes misfits as null: then they are counted. UnicodeDecodeError when the text is not UTF-8.
    """
    # A column may be missing that nothing looks at; here all are read, as all are checked.
    written = _as_types(body, reader, columns)
    changes: tuple[Change, ...] = ()
    if written is None:
        written, changes = read_as_texts(body, reader, [column.name for column in columns], origin)
    values, found = _converted(written, reader, columns, body, origin)
    return Rows(written, values, changes + found)


def _as_types(body: bytes, reader: Delimited, columns: Sequence[Column]) -> "pa.Table | None":
    import pyarrow as pa

    if any(column.type.kind is Kind.INT for column in columns) and may_be_hexadecimal(body):
        return None  # pyarrow takes such for numbers
    types = {
        column.name: pa.string()
        if column.type.kind is Kind.DATETIME or (column.given and column.type.kind is Kind.BOOLEAN)
        else arrow_type(column.type)
        for column in columns
    }
    return by_pyarrow(body, reader, types)


def read_as_texts(
    body: bytes, reader: Delimited, names: Sequence[str], origin: Origin
) -> "tuple[pa.Table, tuple[Change, ...]]":
    """The rows with every column as text, and what was done to rows of another width."""
    import pyarrow as pa

    table = by_pyarrow(body, reader, dict.fromkeys(names, pa.string()))
    if table is not None:
        return table, ()
    rows, changes = _of_width(records(body.decode(), reader), len(names), reader, body, origin)
    by_column = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table([pa.array(column, type=pa.string()) for column in by_column], names=list(names)), changes


def records(text: str, reader: Delimited) -> "Iterator[Record]":
    """The fields of each row, None where there is nothing at all; a line without anything is no row."""
    if not reader.support_multi_line:
        for line in text.split("\n"):
            if line := line.removesuffix("\r"):
                yield (
                    split_line(line, reader.delimiter)
                    if '"' in line
                    else [field or None for field in line.split(reader.delimiter)]
                )
        return
    at = 0
    while at < len(text):
        if text.startswith(("\n", "\r\n"), at):
            at = text.index("\n", at) + 1
            continue
        fields, at = record_at(text, at, reader.delimiter, None)
        yield fields


def _of_width(
    found: "Iterator[Record]", width: int, reader: Delimited, body: bytes, origin: Origin
) -> "tuple[list[Record], tuple[Change, ...]]":
    """Rows of this width, others filled up or cut where misfits are null."""
    rows: list[Record] = []
    counts = {MISSING: [0, 0], BEYOND: [0, 0]}  # how many, and the first row
    for number, fields in enumerate(found):
        if len(fields) != width:
            if reader.misfits != "null":
                raise _wrong_width(fields, width, origin.at(_line_of(body, number, reader)))
            count = counts[MISSING if len(fields) < width else BEYOND]
            count[:] = [count[0] + 1, count[1] if count[0] else number]
            fields = (fields + [None] * (width - len(fields)))[:width]
        rows.append(fields)
    changes = (_change(n, c, "a row", origin, _line_of(body, row, reader)) for n, (c, row) in counts.items() if c)
    return rows, tuple(changes)


def _wrong_width(fields: "Record", width: int, where: str) -> InputError:
    shown = (fields[0] or "")[:40]
    return InputError(
        f"{where}: a row of {len(fields)} fields, beginning with {shown!r}, in a table of {width} columns; mend the "
        "file, or set read.misfits: 'null' to fill short rows and cut long ones, counted"
    )


def _change(name: str, count: int, text: str, origin: Origin, line: int) -> Change:
    return Change(name[:LONGEST], How.MISFIT, count, text[:LONGEST], origin.uri, origin.start, origin.line + line)


def _converted(
    written: "pa.Table", reader: Delimited, columns: Sequence[Column], body: bytes, origin: Origin
) -> "tuple[pa.Table, tuple[Change, ...]]":
    import pyarrow as pa
    import pyarrow.compute as pc

    values, changes = written, list[Change]()
    for index, column in enumerate(columns):
        texts = written.column(index)
        if column.type.kind in (Kind.STRING, Kind.STREAM_INFO) or not pa.types.is_string(texts.type):
            continue
        filled = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
        found = _fitted(filled, column)
        values = values.set_column(index, column.name, found)
        lost = pc.and_(pc.is_valid(filled), pc.is_null(found))
        if count := pc.sum(lost).as_py() or 0:
            row = pc.index(lost, True).as_py()
            line, text = _line_of(body, row, reader), texts[row].as_py()
            if reader.misfits != "null":
                raise _misfit(column, text, origin.at(line))
            changes.append(_change(column.name, count, text, origin, line))
        if column.type.kind is Kind.INT and found.null_count and not fit_float64(found):
            raise InputError(
                f"{origin.at(0)}: column {column.name} has gaps, which make fractions of whole numbers, and some of "
                f"its numbers are too long for that; set read.types to {{{column.name}: string}}"
            )
    return values, tuple(changes)


def _misfit(column: Column, text: str, where: str) -> InputError:
    return InputError(
        f"{where}: column {column.name}: {text[:LONGEST]!r} is not {_EXPECTED[column.type.kind]}; mend the file, set "
        f"read.types to {{{column.name}: string}}, or read.misfits: 'null' to have null for such values, counted"
    )


def _fitted(texts: "pa.ChunkedArray", column: Column) -> "pa.ChunkedArray":
    """Texts as values; null where they do not fit, times out of range included."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.type.kind is Kind.INT:
        return _wholes(texts)
    found = convert_column(texts, column.type)
    if pa.types.is_timestamp(found.type):
        found = pc.if_else(pc.equal(found.cast(pa.int64()), _NO_TIME), pa.scalar(None, found.type), found)
    return found


def _wholes(texts: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Whole numbers of 64 bits; a fraction is none."""
    import pyarrow as pa

    encoded = texts.combine_chunks().dictionary_encode()
    known = pa.array(map(_whole, encoded.dictionary.to_pylist()), type=pa.int64())
    return pa.chunked_array([known.take(encoded.indices)])


def _whole(text: str | None) -> int | None:
    word = (text or "").strip(" \t")
    digits = word[1:] if word[:1] in ("+", "-") else word
    number = int(word) if digits.isascii() and digits.isdigit() and len(digits) < 400 else None
    return number if number is not None and INT64_MIN <= number <= INT64_MAX else None


def row_starts(body: bytes, *, multi_line: bool) -> "list[int]":
    """Where each row of a block starts; a line without anything is none, nor is one that goes on inside quotes."""
    import numpy as np

    letters = np.frombuffer(body, np.uint8)
    ends = np.flatnonzero(letters == 10)
    if multi_line:
        quotes = np.cumsum(letters == 34)
        ends = ends[quotes[ends] % 2 == 0]
    starts = [0, *(ends + 1).tolist()]
    return [s for s in starts if s < len(body) and not body.startswith((b"\n", b"\r\n"), s)]


def _line_of(body: bytes, row: int, reader: Delimited) -> int:
    """How many line ends are before a row of the block."""
    starts = row_starts(body, multi_line=reader.support_multi_line)
    return body.count(b"\n", 0, starts[row]) if row < len(starts) else body.count(b"\n")
