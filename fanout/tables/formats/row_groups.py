"""The row groups of a parquet file, read from its footer alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.errors import InputError, MissingExtraError
from fanout.files import uris
from fanout.files.byte_ranges import ByteSource, open_bytes

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData, RowGroupMetaData

    from fanout.storage.access import Access

_TAIL = 64 * 1024  # mostly the whole footer
_LENGTH_AND_MAGIC = 8  # what ends a file: the footer's length, four bytes little endian, and "PAR1"


def row_groups(uri: str, size: int, access: "Access") -> tuple[int, ...]:
    """The number of rows in each row group, in order; InputError when the file is not parquet."""
    return group_sizes(footer(uri, size, access))


def group_sizes(metadata: "FileMetaData") -> tuple[int, ...]:
    """The number of rows in each row group, in order."""
    return tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))


def footer(uri: str, size: int, access: "Access") -> "FileMetaData":
    """What the end of the file says of it; InputError when the file is not parquet."""
    with open_bytes(uri, size, access) as source:
        return _parsed(_footer(source), uri)


def parquet_columns(uri: str, size: int, access: "Access") -> tuple[str, ...]:
    """The names of the file's columns, in order; InputError when the file is not parquet."""
    return tuple(footer(uri, size, access).schema.to_arrow_schema().names)


@dataclass(frozen=True, slots=True)
class Needed:
    """What of a parquet file is needed to read some of its row groups: its end, and byte ranges before that."""

    tail: bytes
    ranges: tuple[tuple[int, int], ...]  # [start, stop), in their order


def needed_for_groups(source: ByteSource, start: int, stop: int) -> Needed:
    """What reading the row groups `[start, stop)` takes; InputError when the file is not parquet."""
    tail = _footer(source)
    metadata = _parsed(tail, source.name)
    groups = range(max(start, 0), min(stop, metadata.num_row_groups))
    return Needed(tail, tuple(_span(metadata.row_group(group)) for group in groups))


def needed_for_rows(source: ByteSource, start: int, stop: int) -> Needed:
    """What reading the rows `[start, stop)` takes: the row groups that hold any of them."""
    tail = _footer(source)
    metadata = _parsed(tail, source.name)
    return Needed(tail, tuple(_spans_of_rows(metadata, start, stop)))


def _spans_of_rows(metadata: "FileMetaData", start: int, stop: int) -> Iterator[tuple[int, int]]:
    first = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        if first < stop and first + group.num_rows > start:
            yield _span(group)
        first += group.num_rows


def _span(group: "RowGroupMetaData") -> tuple[int, int]:
    """The bytes of a row group: from the first page of any of its columns to the end of the last one."""
    columns = [group.column(column) for column in range(group.num_columns)]
    starts = [min(c.data_page_offset, c.dictionary_page_offset or c.data_page_offset) for c in columns]
    ends = [start + column.total_compressed_size for start, column in zip(starts, columns, strict=True)]
    return min(starts, default=0), max(ends, default=0)


def _parsed(tail: bytes, uri: str) -> "FileMetaData":
    try:
        from pyarrow import ArrowException, BufferReader
        from pyarrow.parquet import read_metadata
    except ImportError:
        raise MissingExtraError("Reading parquet", "tables") from None
    try:
        return read_metadata(BufferReader(tail))
    except (ArrowException, OSError) as exc:
        raise InputError(f"{uris.display(uri)}: not a parquet file: {exc}") from exc


def _footer(source: ByteSource) -> bytes:
    """The end of the file, long enough to hold the footer."""
    if not source.size:
        return b""
    tail = source.read(max(0, source.size - _TAIL), source.size)
    wanted = int.from_bytes(tail[-_LENGTH_AND_MAGIC:-4], "little") + _LENGTH_AND_MAGIC
    if len(tail) >= wanted or source.size < wanted or not tail.endswith(b"PAR1"):
        return tail
    return source.read(source.size - wanted, source.size)
