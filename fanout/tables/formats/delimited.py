"""A block of delimited text to a table (pyarrow).

Three ways, each only where the one before gives up: pyarrow with the types of the columns; pyarrow with everything as
text, when some value does not fit its type; record by record, when lines are too short or too long, or have odd quotes.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from fanout.tables.formats.delimited_records import column_names, ends_inside_quotes, split_records
from fanout.tables.formats.readers import Delimited
from fanout.tables.plain import evidence
from fanout.tables.values.conversion import arrow_type, convert_texts
from fanout.tables.values.types import FALSE_WORDS, TRUE_WORDS, ColumnType, Kind

if TYPE_CHECKING:
    import pyarrow as pa

# What pyarrow parses at a time: more costs fresh memory, less is too little for a long record.
_BLOCK_LIMIT = 2 * 1024 * 1024
_DAYS = "%Y-%m-%d"
_NOTHING = re.compile(rb"\n*\Z")


def read_both(
    body: bytes, reader: Delimited, types: Mapping[str, ColumnType], leave_out: frozenset[str] = frozenset()
) -> "tuple[pa.Table, pa.Table]":
    """The records as they were read, columns that did not fit their type as texts, and their values.

    The values are the records of `body`, UTF-8 without its header line, as columns with these names and types.

    A short record is filled up with nulls, a long one adds columns of text called ColumnK; a value that does not fit
    its type is null. UnicodeDecodeError when the text is not UTF-8. Columns in `leave_out` may be missing.
    """
    table = _read_typed(body, reader, types, leave_out)
    if table is None:
        table = read_texts(body, reader, tuple(types))
    return table, convert_texts(table, types)


def read_texts(body: bytes, reader: Delimited, names: Sequence[str], only: Sequence[str] = ()) -> "pa.Table":
    """The records of `body` with every column as text; `only` these, or more."""
    import pyarrow as pa

    table = by_pyarrow(body, reader, dict.fromkeys(names, pa.string()), only)
    return _by_record(body, reader, names) if table is None else table


def _read_typed(
    body: bytes, reader: Delimited, types: Mapping[str, ColumnType], leave_out: frozenset[str]
) -> "pa.Table | None":

    if any(t.kind is Kind.INT for t in types.values()) and may_be_hexadecimal(body):
        return None  # pyarrow takes such for numbers
    fast = {name: _fast_type(t) for name, t in types.items()}
    return by_pyarrow(body, reader, fast, [name for name in types if name not in leave_out])


def may_be_hexadecimal(body: bytes) -> bool:
    # One letter is found much faster than two.
    return (b"x" in body and b"0x" in body) or (b"X" in body and b"0X" in body)


def _fast_type(column: ColumnType) -> "pa.DataType":
    """The type as which pyarrow reads a column without taking more than it should: of most times and words, text."""
    import pyarrow as pa

    if column.formats == (_DAYS,):
        return pa.date32()
    return arrow_type(column) if column.is_plain and column.kind is not Kind.DATETIME else pa.string()


def by_pyarrow(
    body: bytes, reader: Delimited, types: "Mapping[str, pa.DataType]", only: Sequence[str] = ()
) -> "pa.Table | None":
    """The table; None when pyarrow cannot read the block, or reads it otherwise than line by line."""
    import pyarrow as pa
    from pyarrow import csv

    if not types or not reader.delimiter.isascii() or not _is_regular(body, multi_line=reader.support_multi_line):
        return None
    try:
        table = csv.read_csv(pa.BufferReader(body), **_options(reader, types, only, len(body)))
    except pa.ArrowInvalid:
        return None
    return table if reader.support_multi_line or _is_line_by_line(table, body, reader) else None


def _is_regular(body: bytes, *, multi_line: bool) -> bool:
    """Whether pyarrow sees the lines of `body` where they are: it takes a carriage return for a line end, too."""
    if _NOTHING.match(body) or body.startswith(BOM_UTF8):
        return False
    if multi_line and (body.startswith(b"\n") or b"\n\n" in body or body.count(b'"') % 2):
        return False
    if b"\r" not in body:
        return True
    blank = not multi_line and (body.startswith(b"\r\n") or b"\n\r\n" in body)
    return not blank and not body.endswith(b"\r") and body.count(b"\r") == body.count(b"\r\n")


def _options(reader: Delimited, types: "Mapping[str, pa.DataType]", only: Sequence[str], size: int) -> dict[str, Any]:
    from pyarrow import csv

    nullable = not reader.empty_as_string
    return {
        # One thread: the node runs a slot on every core already.
        "read_options": csv.ReadOptions(
            use_threads=False, block_size=min(size + 1, _BLOCK_LIMIT), column_names=list(types)
        ),
        "parse_options": csv.ParseOptions(
            delimiter=reader.delimiter, newlines_in_values=reader.support_multi_line, ignore_empty_lines=True
        ),
        "convert_options": csv.ConvertOptions(
            column_types=dict(types),
            include_columns=list(only) or None,
            null_values=[""] if nullable else [],
            strings_can_be_null=nullable,
            quoted_strings_can_be_null=False,
            true_values=list(evidence.TRUE_WORDS if reader.misfits else TRUE_WORDS),
            false_values=list(evidence.FALSE_WORDS if reader.misfits else FALSE_WORDS),
        ),
    }


def _is_line_by_line(table: "pa.Table", body: bytes, reader: Delimited) -> bool:
    """Whether every line became one record: an unclosed quote swallows the line ends behind it."""
    if b'"' not in body:
        return True
    lines = [line for line in body.split(b"\n") if line]
    return table.num_rows == len(lines) and not ends_inside_quotes(lines[-1].decode(), reader.delimiter)


def _by_record(body: bytes, reader: Delimited, names: Sequence[str]) -> "pa.Table":
    """The records as columns of text; names that no record reaches make no column, as in the original."""
    import pyarrow as pa

    empty = "" if reader.empty_as_string else None
    records = list(split_records(body.decode(), reader.delimiter, multi_line=reader.support_multi_line, empty=empty))
    arrays = [pa.array(column, type=pa.string()) for column in zip_longest(*records)]
    return pa.table(arrays, names=list(column_names(names, len(arrays))[: len(arrays)]))
