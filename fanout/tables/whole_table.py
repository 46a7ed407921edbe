"""A whole table as one DataFrame, from its MLTable; of a table of which only the first rows are wanted, just those."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from fanout.files.byte_ranges import open_bytes, read_head
from fanout.files.listing import FileEntry
from fanout.tables.block_reader import read_block
from fanout.tables.blocks import GlobalRows, transform
from fanout.tables.file_parts import FilePart, Section
from fanout.tables.formats.readers import Delimited, JsonLines
from fanout.tables.formats.row_counter import RowReader
from fanout.tables.formats.row_groups import row_groups
from fanout.tables.localize import localized
from fanout.tables.mltable_file import MLTableFile, list_files, load_mltable, pinned
from fanout.tables.recipe import TableRecipe
from fanout.tables.resolution import resolve_recipe
from fanout.tables.row_limits import rows_wanted
from fanout.tables.values.conversion import finish

if TYPE_CHECKING:
    import pandas as pd

    from fanout.storage.access import Access


def load_table(table: str | MLTableFile, access: "Access") -> "pd.DataFrame":
    """The whole of a table, given by its MLTable or the folder that holds it.

    InputError when it cannot be read, saying which file, and where in it.
    """
    mltable = pinned(load_mltable(table, access) if isinstance(table, str) else table, access)
    entries = list(list_files(mltable, access))
    files = [entry.uri for entry in entries]
    recipe = resolve_recipe(mltable, files, lambda uri, size: read_head(uri, size, access))
    if recipe.reader is None:
        return read_whole(recipe, [Section(uri) for uri in files])
    with localized(list(needed(recipe, entries, access)), access, parquet=recipe.is_parquet) as sections:
        return read_whole(recipe, sections)


def read_whole(recipe: TableRecipe, pieces: Sequence[FilePart]) -> "pd.DataFrame":
    """As `table.read_pieces`, for all pieces of a table: take, skip and sample are applied too."""
    block = transform(read_block(recipe, pieces), recipe.steps, GlobalRows(recipe.steps))
    return finish(block.frame, block.marks)


def needed(recipe: TableRecipe, entries: Iterable[FileEntry], access: "Access") -> Iterator[Section]:
    """The parts of the files, from the start of the table, that hold every row its steps may leave."""
    # Lines of JSON may be blank or dropped, so counting them does not count rows.
    countable = recipe.countable and not isinstance(recipe.reader, JsonLines)
    left = rows_wanted(recipe.steps) if countable else None
    for entry in entries:
        if left is None:
            yield Section(entry.uri)
        elif left == 0:
            return
        elif entry.size:
            section, rows = _first_rows(recipe, entry, left, access)
            yield section
            left -= rows


def _first_rows(recipe: TableRecipe, entry: FileEntry, count: int, access: "Access") -> tuple[Section, int]:
    """The part of a file that holds its first `count` rows, and how many it holds: fewer when the file has no more."""
    if recipe.is_parquet:
        rows = min(count, sum(row_groups(entry.uri, entry.size, access)))
        return Section(entry.uri, 0, rows, "rows"), rows
    multi_line = isinstance(recipe.reader, Delimited) and recipe.reader.support_multi_line
    with open_bytes(entry.uri, entry.size, access) as source:
        extent, rows = RowReader(source, recipe.has_header(entry.uri), multi_line).take(count)
        return Section(entry.uri, extent.start, extent.stop, "bytes"), rows
