"""Tables of which only reading shows the wanted rows: a sample, or `take` and `skip` behind a filter.

They count rows of the whole table in its order (reference, section 5.2), so the planner reads the table once, block by
block, and names the rows that are left in the pieces of the mini-batches.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fanout.files.listing import FileEntry
from fanout.planning.division import DEFAULT_BLOCK_BYTES, ByBytes, ByRows
from fanout.planning.tables.layout import TableLayout
from fanout.planning.tables.row_cuts import TableAccess, blocks, number
from fanout.planning.tables.rows import RowFile, RowWindow, Share, fill
from fanout.records.mini_batch import Cut, MiniBatch, Piece
from fanout.tables.file_parts import Section
from fanout.tables.formats.row_counter import RowReader
from fanout.tables.recipe import TableRecipe

if TYPE_CHECKING:
    from fanout.tables.blocks import GlobalRows

NOTHING = (Piece("", 0, 0, Cut.ROWS), 0)


def split_filtered(
    entries: Iterable[FileEntry],
    recipe: TableRecipe,
    layout: TableLayout,
    division: ByBytes | ByRows,
    reader: TableAccess,
) -> Iterator[MiniBatch]:
    """One mini-batch for each block with rows left, or for so many rows that are left."""
    size = division.block_bytes if isinstance(division, ByBytes) else DEFAULT_BLOCK_BYTES
    found = _Table(recipe, layout, size, reader).surviving(entries)
    # What is left has passed the filters, so each of its rows is one of the frame.
    exact = replace(layout, keeps_rows=True)
    if isinstance(division, ByBytes):
        return number(_shares(found), exact)
    return number(fill(map(nullcontext, found), division.rows, RowWindow()), exact)


def _shares(found: Iterable[RowFile]) -> Iterator[Share]:
    """One share for each block that has rows left."""
    first_row = 0
    for block in found:
        taken = list(iter(lambda: block.take(sys.maxsize), NOTHING))  # noqa: B023 - used up before the next block
        rows = sum(rows for _, rows in taken)
        if rows:
            yield Share(tuple(piece for piece, _ in taken), rows, first_row)
        first_row += rows


@dataclass(slots=True)
class Runs:
    """Rows of a block that are left, numbered within it from 0, as runs of neighbours."""

    runs: list[tuple[int, int]]  # [start, stop), the next one last

    def take(self, count: int) -> tuple[int, int]:
        """Up to `count` neighbouring rows, `[start, stop)`; the same number twice when there are no more."""
        if not self.runs:
            return 0, 0
        start, stop = self.runs.pop()
        end = min(start + count, stop)
        if end < stop:
            self.runs.append((end, stop))
        return start, end


@dataclass(slots=True)
class LinesLeft:
    """The rows left of a block of lines, as byte ranges, found by walking over it once."""

    uri: str
    walk: RowReader
    runs: Runs
    at: int = 0

    def take(self, count: int) -> tuple[Piece, int]:
        start, stop = self.runs.take(count)
        if start == stop:
            return NOTHING
        self.walk.take(start - self.at)
        extent, rows = self.walk.take(stop - start)
        self.at = stop
        return Piece(self.uri, extent.start, extent.stop, Cut.BYTES), rows


@dataclass(slots=True)
class GroupLeft:
    """The rows left of a row group, as rows of its file."""

    uri: str
    first: int
    runs: Runs

    def take(self, count: int) -> tuple[Piece, int]:
        start, stop = self.runs.take(count)
        if start == stop:
            return NOTHING
        return Piece(self.uri, self.first + start, self.first + stop, Cut.ROWS), stop - start


@dataclass(frozen=True, slots=True)
class _Table:
    """What finding the rows that are left takes, besides the files."""

    recipe: TableRecipe
    layout: TableLayout
    block_bytes: int
    reader: TableAccess

    def surviving(self, entries: Iterable[FileEntry]) -> Iterator[RowFile]:
        """What is left of each block, in order; each good until the next is asked for."""
        from fanout.tables.blocks import GlobalRows

        rows = GlobalRows(self.recipe.steps)
        for entry in entries:
            found = self._of_row_groups(entry, rows) if self.layout.parquet else self._of_lines(entry, rows)
            for block in found:
                yield block
                if rows.exhausted:
                    return

    def _of_lines(self, entry: FileEntry, rows: "GlobalRows") -> Iterator[RowFile]:
        header = self.reader.has_header(entry.uri)
        with self.reader.open(entry) as source:
            for extent in blocks(entry, source, self.layout, self.block_bytes, self.reader):
                left = self._left_of(Section(entry.uri, extent.start, extent.stop, "bytes"), rows)
                yield LinesLeft(entry.uri, RowReader(source, header, self.layout.multi_line, extent), left)

    def _of_row_groups(self, entry: FileEntry, rows: "GlobalRows") -> Iterator[RowFile]:
        first = 0
        for group, count in enumerate(self.reader.row_groups(entry)):
            left = self._left_of(Section(entry.uri, group, group + 1, "row_groups"), rows)
            yield GroupLeft(entry.uri, first, left)
            first += count

    def _left_of(self, section: Section, rows: "GlobalRows") -> Runs:
        with self.reader.bring(section) as here:
            return _rows_left(here, self.recipe, rows)


def _rows_left(section: Section, recipe: TableRecipe, rows: "GlobalRows") -> Runs:
    """The rows of a block that all transformations leave, given what they did to the blocks before."""
    import numpy as np

    from fanout.tables.block_reader import read_block
    from fanout.tables.blocks import Block
    from fanout.tables.table_parts import transform_rows

    raw = read_block(recipe, (section,))
    left = transform_rows(Block(raw.frame, raw.uris, np.arange(len(raw.frame))), recipe, rows)
    runs = np.split(left, np.flatnonzero(np.diff(left) != 1) + 1)
    return Runs([(int(run[0]), int(run[-1]) + 1) for run in reversed(runs) if len(run)])
