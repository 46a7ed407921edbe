"""Tables as DataFrames: parts of one by its recipe, or a whole one by its MLTable.

The planner decides which parts; here they are read. Files that were not local have been fetched by then.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fanout.data.blocks import Block, GlobalRows, transform
from fanout.data.columns import finish
from fanout.data.mltable import MLTable, list_files, load_mltable
from fanout.data.ranges import read_head
from fanout.data.reading import read_block
from fanout.data.recipe import TableRecipe
from fanout.data.resolve import resolve_recipe
from fanout.data.sections import Part, Section

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fanout.store.access import Access

    Array = np.ndarray[Any, Any]

__all__ = ["Section", "load_table", "read_block", "read_pieces", "read_whole", "transform_rows"]


def load_table(table: str | MLTable, access: "Access") -> "pd.DataFrame":
    """The whole of a table, given by its MLTable or the folder that holds it; its files must be local.

    InputError when it cannot be read, saying which file, and where in it.
    """
    mltable = load_mltable(table, access) if isinstance(table, str) else table
    files = [entry.uri for entry in list_files(mltable, access)]
    recipe = resolve_recipe(mltable, files, lambda uri, size: read_head(uri, size, access))
    return read_whole(recipe, [Section(uri) for uri in files])


def read_pieces(recipe: TableRecipe, pieces: Sequence[Part]) -> "pd.DataFrame":
    """The rows of `pieces`, in their order, after the transformations; rows are numbered from 0.

    Take, skip and sample are not applied: they are the planner's (see `TableRecipe.global_rows`). InputError when a
    piece cannot be read, naming its file.
    """
    return finish(transform(read_block(recipe, pieces), recipe.steps).frame)


def read_whole(recipe: TableRecipe, pieces: Sequence[Part]) -> "pd.DataFrame":
    """As `read_pieces`, for all pieces of a table: take, skip and sample are applied too."""
    return finish(transform(read_block(recipe, pieces), recipe.steps, GlobalRows(recipe.steps)).frame)


def transform_rows(block: Block, recipe: TableRecipe, rows: GlobalRows) -> "Array":
    """Of a block whose sources are row numbers, the numbers of the rows that all transformations leave.

    `rows` remembers, from block to block in the table's order, what take, skip and sample have seen.
    """
    import numpy as np

    origins = np.zeros(len(block.frame), dtype=np.intp)
    marked = Block(block.frame.set_axis(block.sources, axis=0), block.uris, origins)
    return transform(marked, recipe.steps, rows).frame.index.to_numpy()
