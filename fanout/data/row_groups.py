"""The row groups of a parquet file, read from its footer alone."""

from typing import TYPE_CHECKING

from fanout.data import uris
from fanout.data.ranges import ByteSource, open_bytes
from fanout.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from fanout.store.access import Access

_TAIL = 64 * 1024  # mostly the whole footer
_LENGTH_AND_MAGIC = 8  # what ends a file: the footer's length, four bytes little endian, and "PAR1"


def row_groups(uri: str, size: int, access: "Access") -> tuple[int, ...]:
    """The number of rows in each row group, in order; InputError when the file is not parquet."""
    try:
        from pyarrow import ArrowException, BufferReader
        from pyarrow.parquet import read_metadata
    except ImportError:
        raise MissingExtraError("Reading parquet", "tables") from None
    with open_bytes(uri, size, access) as source:
        tail = _footer(source)
    try:
        footer = read_metadata(BufferReader(tail))
    except (ArrowException, OSError) as exc:
        raise InputError(f"{uris.display(uri)}: not a parquet file: {exc}") from exc
    return tuple(footer.row_group(group).num_rows for group in range(footer.num_row_groups))


def _footer(source: ByteSource) -> bytes:
    """The end of the file, long enough to hold the footer."""
    if not source.size:
        return b""
    tail = source.read(max(0, source.size - _TAIL), source.size)
    wanted = int.from_bytes(tail[-_LENGTH_AND_MAGIC:-4], "little") + _LENGTH_AND_MAGIC
    if len(tail) >= wanted or source.size < wanted or not tail.endswith(b"PAR1"):
        return tail
    return source.read(source.size - wanted, source.size)
