"""Parts of a local parquet file: whole, by row groups, or by rows; only what is needed is read.

A column of few different texts comes as a dictionary, as it is stored: so no text is made a thousand times.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fanout.errors import InputError
from fanout.files import uris
from fanout.tables.transformations import Transformation, unneeded_columns

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet as pq

FEW = 4
"""Values, at least, for each byte of a dictionary as it is stored: then it is worth keeping."""


def read_row_groups(path: str, start: int, stop: int, steps: Sequence[Transformation] = ()) -> "pa.Table":
    """The row groups `[start, stop)`; InputError when the file is no parquet or has fewer."""
    with _open(path) as file:
        if not 0 <= start <= stop <= file.num_row_groups:
            raise InputError(f"{uris.display(path)}: has {file.num_row_groups} row groups, asked for [{start}, {stop})")
        return _read(path, file, range(start, stop), steps)


def read_rows(path: str, start: int, stop: int, steps: Sequence[Transformation] = ()) -> "pa.Table":
    """The rows `[start, stop)`, fewer when the file ends before; reads only the row groups that hold them."""
    with _open(path) as file:
        groups = list(_groups_with(_group_sizes(file), start, stop))
        first = sum(_group_sizes(file)[: groups[0]]) if groups else 0
        return _read(path, file, groups, steps).slice(start - first, stop - start)


def read_all(path: str, steps: Sequence[Transformation] = ()) -> "pa.Table":
    """The whole file."""
    with _open(path) as file:
        return _read(path, file, range(file.num_row_groups), steps)


class SameColumns:
    """Whether files have the same columns in the same order, of those that the steps read; empty files have no say."""

    def __init__(self, steps: Sequence[Transformation] = ()) -> None:
        self._steps = steps
        self._first: list[tuple[str, pa.DataType]] | None = None
        self.holds = True

    def see(self, schema: "pa.Schema", rows: int) -> None:
        """Takes in a file."""
        if not rows or not self.holds:
            return
        unneeded = unneeded_columns(self._steps, schema.names)
        columns = [(field.name, _plain_type(field.type)) for field in schema if field.name not in unneeded]
        self._first = columns if self._first is None else self._first
        self.holds = columns == self._first

    def difference(self, schema: "pa.Schema") -> str:
        """In which column a file differs from the first one, for people."""
        first = dict(self._first or ())
        here = {field.name: _plain_type(field.type) for field in schema}
        for name in [*first, *here]:
            if first.get(name) != here.get(name):
                had, has = first.get(name, "is not there"), here.get(name, "is not there")
                return f"its columns are not those of the first file: {name}: {has}, there {had}; give it its own input"
        return "its columns are those of the first file in another order; give it its own input"


def have_same_columns(tables: "Iterable[pa.Table]") -> bool:
    """Whether what was read of several files has the same columns in the same order."""
    columns = SameColumns()
    for table in tables:
        columns.see(table.schema, table.num_rows)
    return columns.holds


def _plain_type(kind: "pa.DataType") -> "pa.DataType":
    """A type without the dictionary in which texts may be stored."""
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type) else kind


def with_plain_texts(table: "pa.Table") -> "pa.Table":
    """The table with the texts themselves in place of dictionaries."""
    import pyarrow as pa

    return table.cast(pa.schema([field.with_type(_plain_type(field.type)) for field in table.schema]))


def _read(path: str, file: "pq.ParquetFile", groups: Sequence[int], steps: Sequence[Transformation]) -> "pa.Table":
    columns, few = _columns(file, steps), _of_few_texts(file, groups)
    if not few:
        return file.read_row_groups(groups, columns=columns, use_threads=False)
    with _open(path, file.metadata, few) as again:
        return again.read_row_groups(groups, columns=columns, use_threads=False)


def _of_few_texts(file: "pq.ParquetFile", groups: Sequence[int]) -> list[str]:
    """The columns of text whose dictionaries are small in all of these row groups."""
    import pyarrow as pa

    texts = {f.name for f in file.schema_arrow if pa.types.is_string(f.type) and "." not in f.name}
    places = [k for k in range(file.metadata.num_columns) if file.schema.column(k).path in texts]
    chunks = {k: [file.metadata.row_group(group).column(k) for group in groups] for k in places}
    return [file.schema.column(k).path for k in places if chunks[k] and all(map(_has_few, chunks[k]))]


def _has_few(chunk: "pq.ColumnChunkMetaData") -> bool:
    start = chunk.dictionary_page_offset
    return start is not None and 0 < FEW * (chunk.data_page_offset - start) <= chunk.num_values


def _group_sizes(file: "pq.ParquetFile") -> list[int]:
    return [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]


def _groups_with(sizes: Sequence[int], start: int, stop: int) -> Iterator[int]:
    """The indexes of the row groups that hold any of the rows `[start, stop)`."""
    first = 0
    for index, size in enumerate(sizes):
        if first < stop and first + size > start:
            yield index
        first += size


def _columns(file: "pq.ParquetFile", steps: Sequence[Transformation]) -> list[str] | None:
    """What the steps do not drop unseen; None for all."""
    names = file.schema_arrow.names
    unneeded = unneeded_columns(steps, names)
    return [name for name in names if name not in unneeded] if len(unneeded) < len(names) else None


@contextmanager
def _open(
    path: str, metadata: "pq.FileMetaData | None" = None, dictionaries: Sequence[str] = ()
) -> Iterator["pq.ParquetFile"]:
    """The file, open; whatever is wrong with it, found at once or in one of its pages, is an InputError."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    options = {"metadata": metadata, "read_dictionary": list(dictionaries) or None}
    try:
        with open(os.fsencode(path), "rb") as found, pq.ParquetFile(found, **options) as file:  # noqa: PTH123 - any name
            yield file
    except FileNotFoundError as exc:
        raise InputError(f"{uris.display(path)}: not found") from exc
    except (pa.ArrowException, OSError, MemoryError) as exc:
        raise InputError(f"{uris.display(path)}: cannot be read as parquet: {exc}") from exc
