"""A table's files into mini-batches, by bytes, by row group or by rows (reference, section 5.2).

`skip` and `take` of an MLTable hold for the whole table, so they are applied here, before anything is cut. Where only
reading shows which rows are wanted, survivors.py does it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from fanout.files.byte_ranges import ByteSource
from fanout.files.listing import FileEntry
from fanout.planning.tables.layout import TableLayout, check_countable
from fanout.planning.tables.rows import LineRows, ParquetRows, RowFile, RowFiles, RowWindow, Share, fill
from fanout.records.mini_batch import Cut, MiniBatch, Piece
from fanout.tables.file_parts import Section
from fanout.tables.formats.line_cuts import Extent, cut_by_bytes
from fanout.tables.formats.row_counter import RowReader


@dataclass(frozen=True, slots=True)
class TableAccess:
    """Functions that open files and read their structure, given by the planner."""

    open: Callable[[FileEntry], AbstractContextManager[ByteSource]]
    row_groups: Callable[[FileEntry], tuple[int, ...]]
    has_header: Callable[[str], bool]
    bring: Callable[[Section], AbstractContextManager[Section]] = nullcontext  # the same part, readable here


def split_blocks(
    entries: Iterable[FileEntry], layout: TableLayout, block_bytes: int, reader: TableAccess
) -> Iterator[MiniBatch]:
    """One mini-batch a block of `block_bytes`, or a row group of parquet; blocks never cross files."""
    window = RowWindow.of(layout)
    if layout.parquet:
        return number(_row_group_shares(entries, window, reader), layout)
    return number(_byte_shares(entries, layout, window, block_bytes, reader), layout)


def split_rows(
    entries: Iterable[FileEntry], layout: TableLayout, rows: int, reader: TableAccess
) -> Iterator[MiniBatch]:
    """`rows` rows of the table a mini-batch, from one file or several; the last one has what is left."""
    check_countable(layout, "mini_batch_rows")
    return number(fill(_row_files(entries, layout, reader), rows, RowWindow.of(layout)), layout)


def number(shares: Iterable[Share], layout: TableLayout) -> Iterator[MiniBatch]:
    """The shares as mini-batches, with dense indexes."""
    for index, share in enumerate(shares):
        items = share.rows if layout.keeps_rows else None
        yield MiniBatch(index, pieces=share.pieces, items=items, first_row=share.first_row)


def _byte_shares(
    entries: Iterable[FileEntry], layout: TableLayout, window: RowWindow, block_bytes: int, reader: TableAccess
) -> Iterator[Share]:
    for entry in entries:
        with reader.open(entry) as source:
            lines = None if window.passes_all else _wanted_lines(entry, source, layout, window, reader)
            for extent in blocks(entry, source, layout, block_bytes, reader, lines):
                yield Share((Piece(entry.uri, extent.start, extent.stop, Cut.BYTES),))
        if not window.open:
            return


def blocks(
    entry: FileEntry,
    source: ByteSource,
    layout: TableLayout,
    block_bytes: int,
    reader: TableAccess,
    lines: Extent | None = None,
) -> Iterator[Extent]:
    """The blocks of one file, or the whole of it in one when it must not be split; only those with data."""
    block = block_bytes if layout.splittable else max(block_bytes, source.size)
    return cut_by_bytes(source, block, header=reader.has_header(entry.uri), lines=lines)


def _wanted_lines(
    entry: FileEntry, source: ByteSource, layout: TableLayout, window: RowWindow, reader: TableAccess
) -> Extent:
    """The part of a file that `skip` and `take` leave of it."""
    rows = RowReader(source, reader.has_header(entry.uri), layout.multi_line)
    window.skip -= rows.take(window.skip)[1]
    start = rows.position
    if window.take is None:
        return Extent(start, source.size)
    window.took(rows.take(window.take)[1])
    return Extent(start, rows.position)


def _row_group_shares(entries: Iterable[FileEntry], window: RowWindow, reader: TableAccess) -> Iterator[Share]:
    first_row = 0
    for entry in entries:
        start = 0
        for group, rows in enumerate(reader.row_groups(entry)):
            skipped = min(window.skip, rows)
            taken = window.allow(rows - skipped)
            window.skip -= skipped
            window.took(taken)
            if taken:
                piece = _group_piece(entry, group, start + skipped, taken, whole=taken == rows)
                yield Share((piece,), taken, first_row)
            start, first_row = start + rows, first_row + taken
        if not window.open:
            return


def _group_piece(entry: FileEntry, group: int, start: int, rows: int, *, whole: bool) -> Piece:
    if whole:
        return Piece(entry.uri, group, group + 1, Cut.ROW_GROUPS)
    return Piece(entry.uri, start, start + rows, Cut.ROWS)


def _row_files(entries: Iterable[FileEntry], layout: TableLayout, reader: TableAccess) -> RowFiles:
    if layout.parquet:
        return (nullcontext(ParquetRows(entry.uri, sum(reader.row_groups(entry)))) for entry in entries)
    return (_line_rows(entry, layout, reader) for entry in entries)


@contextmanager
def _line_rows(entry: FileEntry, layout: TableLayout, reader: TableAccess) -> Iterator[RowFile]:
    with reader.open(entry) as source:
        yield LineRows(entry.uri, RowReader(source, reader.has_header(entry.uri), layout.multi_line))
