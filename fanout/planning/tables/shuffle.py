"""Tables regrouped by columns that are not in their paths: one scan, the rows spilled into the store.

Each block of the table is read, transformed, sorted by the keys and written as a parquet file; a mini-batch is the rows
of its keys in each of these files. So memory holds one block, and for each key and block a few numbers. A file's name
says what it holds: planning the same input again writes the same files, and another input writes others.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fanout.errors import InputError
from fanout.files.listing import FileEntry
from fanout.pipeline.yaml.diagnostics import suggest
from fanout.planning.tables.layout import TableLayout
from fanout.planning.tables.row_cuts import TableAccess, blocks
from fanout.planning.tables.shuffle_store import ShuffleStore
from fanout.records.mini_batch import Cut, MiniBatch, Piece
from fanout.tables.file_parts import Section
from fanout.tables.formats.delta import NULL
from fanout.tables.formats.readers import Delimited, HeaderMode, JsonLines, Parquet
from fanout.tables.recipe import TableRecipe
from fanout.tables.values.null_hints import NullHint
from fanout.tables.values.types import as_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from fanout.tables.blocks import Block, GlobalRows

BLOCK_BYTES = 16 * 1024 * 1024
RECIPE = TableRecipe(Parquet())
"""How spilled rows are read: they have been transformed before."""

Keys = tuple[str, ...]
_Rows = tuple["Block", "pa.Table | None"]
"""Rows as keys are taken from them, and the same with the types of their parquet file where the table keeps these."""


def split_by_columns(
    entries: Iterable[FileEntry],
    recipe: TableRecipe,
    layout: TableLayout,
    keys: Keys,
    reader: TableAccess,
    spill: ShuffleStore,
) -> Iterator[MiniBatch]:
    """One mini-batch for each distinct tuple of values of `keys`, sorted by them as text, with all its rows.

    InputError when a key is no column of the table.
    """
    found: dict[Keys, list[Piece]] = {}
    seen: set[str] = set()
    for number, (block, own) in enumerate(_blocks(entries, recipe, layout, reader)):
        seen.update(block.frame.columns)
        if not _columns_vary(recipe):
            _check(keys, seen)
        groups = _groups(block, keys)
        uri = spill.put(number, _arrow(block, own, groups.order))
        for values, start, stop in groups.spans():
            found.setdefault(values, []).append(Piece(uri, start, stop, Cut.ROWS))
    if found:
        _check(keys, seen)
    for index, values in enumerate(sorted(found)):
        pieces = tuple(found.pop(values))
        items = sum(piece.stop - piece.start for piece in pieces)
        yield MiniBatch(index, pieces=pieces, items=items, partition=dict(zip(keys, values, strict=True)))


def _columns_vary(recipe: TableRecipe) -> bool:
    """Whether a block may lack columns that others have."""
    reader = recipe.reader
    differing = isinstance(reader, Delimited) and reader.header is HeaderMode.ALL_FILES_DIFFERENT_HEADERS
    return differing or isinstance(reader, JsonLines)


def _check(keys: Keys, names: Iterable[str]) -> None:
    known = sorted(names)
    for key in keys:
        if key not in known:
            hint = suggest(key, known) or f"; it has {', '.join(known)}"
            raise InputError(f"partition_keys: {key}: no such column of the input{hint}")


def _blocks(
    entries: Iterable[FileEntry], recipe: TableRecipe, layout: TableLayout, reader: TableAccess
) -> Iterator["_Rows"]:
    """The blocks of the table in its order, transformed; those without rows left out."""
    from fanout.tables.blocks import GlobalRows

    rows = GlobalRows(recipe.steps)
    for entry in entries:
        for section in _sections(entry, layout, reader):
            block, own = _transformed(section, recipe, reader, rows)
            if len(block.frame):
                yield block, own
            if rows.exhausted:
                return


def _sections(entry: FileEntry, layout: TableLayout, reader: TableAccess) -> Iterator[Section]:
    if layout.parquet:
        for group in range(len(reader.row_groups(entry))):
            yield Section(entry.uri, group, group + 1, "row_groups")
        return
    with reader.open(entry) as source:
        for extent in blocks(entry, source, layout, BLOCK_BYTES, reader):
            yield Section(entry.uri, extent.start, extent.stop, "bytes")


def _transformed(section: Section, recipe: TableRecipe, reader: TableAccess, rows: "GlobalRows") -> "_Rows":
    from fanout.tables.block_reader import read_block, read_own_types
    from fanout.tables.blocks import transform

    with reader.bring(section) as here:
        # Keys are compared by the same texts, whatever the steps.
        block = transform(read_block(replace(recipe, keeps_types=False), (here,)), recipe.steps, rows)
        return block, read_own_types(recipe, here) if recipe.keeps_types else None


@dataclass(frozen=True, slots=True)
class _Groups:
    """The rows of a block by their keys: in which order they are written, and how many of each there are."""

    values: Sequence[Keys]  # distinct, sorted
    counts: Sequence[int]
    order: Any  # an array of row numbers

    def spans(self) -> Iterator[tuple[Keys, int, int]]:
        """Each tuple of values, and its rows `[start, stop)` in the written order."""
        start = 0
        for values, count in zip(self.values, self.counts, strict=True):
            yield values, start, start + count
            start += count


def _groups(block: "Block", keys: Keys) -> _Groups:
    import numpy as np

    texts = list(zip(*(_texts(block, key) for key in keys), strict=True))
    values = sorted(set(texts))
    places = {value: place for place, value in enumerate(values)}
    codes = np.fromiter((places[text] for text in texts), dtype=np.intp, count=len(texts))
    return _Groups(values, np.bincount(codes, minlength=len(values)).tolist(), np.argsort(codes, kind="stable"))


def _texts(block: "Block", key: str) -> list[str]:
    """The values of a column as texts, by which they are compared."""
    if key not in block.frame.columns:
        return [NULL] * len(block.frame)
    column = block.frame[key]
    known = {value: _text(value) for value in column.unique().tolist()} if column.dtype != object else {}
    if known and column.dtype.kind != "M":
        return [known[value] if value == value else NULL for value in column.tolist()]
    return [_text(value) for value in column.tolist()]


def _text(value: Any) -> str:
    import pandas as pd

    match value:
        case str():
            return value
        case None:
            return NULL
        case bool() | int() | float():
            return as_text(value) if value == value else NULL
        case _:
            return NULL if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def _arrow(block: "Block", own: "pa.Table | None", order: Any) -> "pa.Table":
    """The rows in this order, as columns that are read back as they are: those of `own` as these are."""
    import pyarrow as pa

    frame, kept = block.frame, () if own is None else own.column_names
    return pa.table(
        {
            str(name): own[name].take(pa.array(order))
            if own is not None and name in kept
            else _column(frame[name].iloc[order], block.marks.get(name))
            for name in frame.columns
        }
    )


def _column(series: "pd.Series[Any]", mark: NullHint | None) -> "pa.Array":
    import pyarrow as pa

    if series.dtype == object:
        try:
            return pa.array(series.tolist(), from_pandas=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as exc:
            raise InputError(
                f"partition_keys: the values of column {series.name!r} are of several types: {exc}"
            ) from exc
    values = pa.array(series.to_numpy(), from_pandas=mark is not NullHint.REAL)
    return values.cast(pa.int64()) if mark is NullHint.WHOLE else values
