"""Parquet output: the Arrow streams of mini-batches joined under one schema."""

import base64
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
import pyarrow as pa
import pyarrow.parquet as pq

from fanout.output.row_windows import RowSource
from fanout.storage.disk_space import room_in
from fanout.storage.folder import synced

if TYPE_CHECKING:
    from obstore.store import ObjectStore


ROW_GROUP_BYTES = 64 * 1024 * 1024


async def write_parquet(source: RowSource, store: "ObjectStore", key: str) -> int:
    """The object at `key` is one parquet file of all rows; returns its bytes.

    It is composed in a temporary file: a parquet file ends with its index, and its parts are known only afterwards.
    """
    schema = common_schema([_schema(header) for header in source.headers()])
    with tempfile.TemporaryDirectory(prefix="fanout-reduce-") as folder:
        path = Path(folder, "output.parquet")
        with room_in(path.parent), pq.ParquetWriter(path, schema) as writer:
            waiting: list[Any] = []
            pending = bytearray()
            async for rows in source.rows():
                pending += rows.payload
                if len(pending) < rows.winner.length:
                    continue  # a mini-batch larger than the window comes in chunks
                waiting += _tables(bytes(pending), schema)
                pending.clear()
                if sum(table.nbytes for table in waiting) > ROW_GROUP_BYTES:
                    writer.write_table(pa.concat_tables(waiting))
                    waiting = []
            if waiting:
                writer.write_table(pa.concat_tables(waiting))
        async with synced(store, key):
            await obstore.put_async(store, key, path)
        return path.stat().st_size


def common_schema(schemas: Sequence[Any]) -> Any:
    """One schema that holds the columns of all; a column whose types cannot be joined becomes text."""
    if not schemas:
        return pa.schema([])
    try:
        return pa.unify_schemas(list(schemas), promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        names = list(dict.fromkeys(name for schema in schemas for name in schema.names))
        return pa.schema([_common_field(name, schemas) for name in names])


def _common_field(name: str, schemas: Sequence[Any]) -> Any:
    mine = [pa.schema([schema.field(name)]) for schema in schemas if name in schema.names]
    try:
        return pa.unify_schemas(mine, promote_options="permissive").field(0)
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.field(name, pa.string())


def _schema(header: str) -> Any:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(header)))


def _tables(stream: bytes, schema: Any) -> Iterator[Any]:
    table = pa.ipc.open_stream(stream).read_all()
    columns = [_column(table, field) for field in schema]
    yield pa.Table.from_arrays(columns, schema=schema)


def _column(table: Any, field: Any) -> Any:
    if field.name not in table.column_names:
        return pa.nulls(table.num_rows, field.type)
    column = table.column(field.name)
    if pa.types.is_string(field.type) and pa.types.is_nested(column.type):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    # Whole numbers are fractions in mini-batches with gaps, so they are in all of them, as exactly as fractions can be.
    exact = not (pa.types.is_integer(column.type) and pa.types.is_floating(field.type))
    return column.cast(field.type, safe=exact)
