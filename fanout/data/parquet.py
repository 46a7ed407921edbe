"""Parts of a local parquet file: whole, by row groups, or by rows; only what is needed is read."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fanout.data import uris
from fanout.data.transformations import Transformation, unneeded_columns
from fanout.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet as pq


def read_row_groups(path: str, start: int, stop: int, steps: Sequence[Transformation] = ()) -> "pa.Table":
    """The row groups `[start, stop)`; InputError when the file is no parquet or has fewer."""
    with _open(path) as file:
        if not 0 <= start <= stop <= file.num_row_groups:
            raise InputError(f"{uris.display(path)}: has {file.num_row_groups} row groups, asked for [{start}, {stop})")
        return file.read_row_groups(range(start, stop), columns=_columns(file, steps), use_threads=False)


def read_rows(path: str, start: int, stop: int, steps: Sequence[Transformation] = ()) -> "pa.Table":
    """The rows `[start, stop)`, fewer when the file ends before; reads only the row groups that hold them."""
    with _open(path) as file:
        groups = list(_groups_with(_group_sizes(file), start, stop))
        first = sum(_group_sizes(file)[: groups[0]]) if groups else 0
        table = file.read_row_groups(groups, columns=_columns(file, steps), use_threads=False)
        return table.slice(start - first, stop - start)


def read_all(path: str, steps: Sequence[Transformation] = ()) -> "pa.Table":
    """The whole file."""
    with _open(path) as file:
        return file.read(columns=_columns(file, steps), use_threads=False)


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
def _open(path: str) -> Iterator["pq.ParquetFile"]:
    """The file, open; whatever is wrong with it, found at once or in one of its pages, is an InputError."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    try:
        with open(os.fsencode(path), "rb") as found, pq.ParquetFile(found) as file:  # noqa: PTH123 - any name
            yield file
    except FileNotFoundError as exc:
        raise InputError(f"{uris.display(path)}: not found") from exc
    except (pa.ArrowException, OSError, MemoryError) as exc:
        raise InputError(f"{uris.display(path)}: cannot be read as parquet: {exc}") from exc
