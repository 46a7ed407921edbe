"""The row groups of a parquet file, read from its footer alone."""

from typing import TYPE_CHECKING

from fanout.data import uris
from fanout.data.ranges import reading
from fanout.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from fanout.store.access import Access


def row_groups(uri: str, size: int, access: "Access") -> tuple[int, ...]:
    """The number of rows in each row group, in order; InputError when the file is not parquet."""
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import read_metadata
    except ImportError:
        raise MissingExtraError("Reading parquet", "tables") from None
    try:
        with reading(uri):
            footer = read_metadata(_readable(uri, size, access))
    except ArrowInvalid as exc:
        raise InputError(f"{uris.display(uri)}: not a parquet file: {exc}") from exc
    return tuple(footer.row_group(group).num_rows for group in range(footer.num_row_groups))


def _readable(uri: str, size: int, access: "Access") -> object:
    if uris.is_local(uri):
        return uris.to_path(uri)
    from obstore import open_reader

    from fanout.store.open import locate

    store, key = locate(uri, access)
    return open_reader(store, key, size=size, buffer_size=64 * 1024)
