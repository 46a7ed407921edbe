"""Parts of a table as DataFrames, by its recipe.

The planner decides which parts; here they are read. Files that were not local have been fetched by then. Slots import
this module, so what only planning needs stays out of it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fanout.tables.block_reader import read_block
from fanout.tables.blocks import Block, GlobalRows, transform
from fanout.tables.file_parts import FilePart, Section
from fanout.tables.recipe import TableRecipe
from fanout.tables.values.conversion import finish

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fanout.records.value_changes import Change

    Array = np.ndarray[Any, Any]

__all__ = ["Section", "read_block", "read_pieces", "transform_rows"]


def read_pieces(recipe: TableRecipe, pieces: Sequence[FilePart]) -> "pd.DataFrame":
    """The rows of `pieces`, in their order, after the transformations; rows are numbered from 0.

    Take, skip and sample are not applied: they are the planner's (see `TableRecipe.global_rows`). InputError when a
    piece cannot be read, naming its file.
    """
    return read_counted(recipe, pieces)[0]


def read_counted(recipe: TableRecipe, pieces: Sequence[FilePart]) -> "tuple[pd.DataFrame, tuple[Change, ...]]":
    """As `read_pieces`, and what the types of the columns have changed in all rows of the pieces."""
    block = transform(read_block(recipe, pieces), recipe.steps)
    return finish(block.frame, block.marks), block.changes


def transform_rows(block: Block, recipe: TableRecipe, rows: GlobalRows) -> "Array":
    """Of a block whose sources are row numbers, the numbers of the rows that all transformations leave.

    `rows` remembers, from block to block in the table's order, what take, skip and sample have seen.
    """
    import numpy as np

    origins = np.zeros(len(block.frame), dtype=np.intp)
    marked = Block(block.frame.set_axis(block.sources, axis=0), block.uris, origins)
    return transform(marked, recipe.steps, rows).frame.index.to_numpy()
