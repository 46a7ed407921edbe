"""A whole table as one DataFrame, from its MLTable."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fanout.data.blocks import GlobalRows, transform
from fanout.data.columns import finish
from fanout.data.mltable import MLTable, list_files, load_mltable
from fanout.data.ranges import read_head
from fanout.data.reading import read_block
from fanout.data.recipe import TableRecipe
from fanout.data.resolve import resolve_recipe
from fanout.data.sections import Part, Section

if TYPE_CHECKING:
    import pandas as pd

    from fanout.store.access import Access


def load_table(table: str | MLTable, access: "Access") -> "pd.DataFrame":
    """The whole of a table, given by its MLTable or the folder that holds it; its files must be local.

    InputError when it cannot be read, saying which file, and where in it.
    """
    mltable = load_mltable(table, access) if isinstance(table, str) else table
    files = [entry.uri for entry in list_files(mltable, access)]
    recipe = resolve_recipe(mltable, files, lambda uri, size: read_head(uri, size, access))
    return read_whole(recipe, [Section(uri) for uri in files])


def read_whole(recipe: TableRecipe, pieces: Sequence[Part]) -> "pd.DataFrame":
    """As `table.read_pieces`, for all pieces of a table: take, skip and sample are applied too."""
    return finish(transform(read_block(recipe, pieces), recipe.steps, GlobalRows(recipe.steps)).frame)
