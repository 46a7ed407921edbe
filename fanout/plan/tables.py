"""A table's files into mini-batches, by bytes, by row group or by rows (reference, section 5.2).

`skip` and `take` of an MLTable hold for the whole table, so they are applied here, before anything is cut. Where only
reading shows which rows are wanted, survivors.py does it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from fanout.data.cuts import Extent, cut_by_bytes
from fanout.data.listing import FileEntry
from fanout.data.ranges import ByteSource
from fanout.data.row_reader import RowReader
from fanout.plan.layout import RowLimits, TableLayout, check_countable
from fanout.plan.minibatch import Cut, MiniBatch, Piece


@dataclass(frozen=True, slots=True)
class TableReader:
    """How files are looked into: given by whoever knows where they are and how they are read."""

    open: Callable[[FileEntry], AbstractContextManager[ByteSource]]
    row_groups: Callable[[FileEntry], tuple[int, ...]]
    has_header: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Share:
    """What becomes one mini-batch: pieces, and how many rows they hold and follow, where that is known."""

    pieces: tuple[Piece, ...]
    rows: int | None = None
    first_row: int | None = None


class RowFile(Protocol):
    """Rows of one file of a table, taken in order."""

    def take(self, count: int) -> tuple[Piece, int]:
        """A piece with up to `count` of the next rows, and how many they are: 0 only when there are no more."""
        ...


RowFiles = Iterator[AbstractContextManager[RowFile]]


def split_blocks(
    entries: Iterable[FileEntry], layout: TableLayout, block_bytes: int, reader: TableReader
) -> Iterator[MiniBatch]:
    """One mini-batch a block of `block_bytes`, or a row group of parquet; blocks never cross files."""
    window = RowWindow.of(layout)
    if layout.parquet:
        return number(_row_group_shares(entries, window, reader), layout)
    return number(_byte_shares(entries, layout, window, block_bytes, reader), layout)


def split_rows(
    entries: Iterable[FileEntry], layout: TableLayout, rows: int, reader: TableReader
) -> Iterator[MiniBatch]:
    """`rows` rows of the table a mini-batch, from one file or several; the last one has what is left."""
    check_countable(layout, "mini_batch_rows")
    return number(fill(_row_files(entries, layout, reader), rows, RowWindow.of(layout)), layout)


def number(shares: Iterable[Share], layout: TableLayout) -> Iterator[MiniBatch]:
    """The shares as mini-batches, with dense indexes."""
    for index, share in enumerate(shares):
        items = share.rows if layout.keeps_rows else None
        yield MiniBatch(index, pieces=share.pieces, items=items, first_row=share.first_row)


@dataclass(slots=True)
class RowWindow:
    """How much of `skip` and `take` is still to be applied."""

    skip: int = 0
    take: int | None = None

    @classmethod
    def of(cls, layout: TableLayout) -> "RowWindow":
        """The window at the start of the table."""
        limits = layout.limits or RowLimits()
        return cls(limits.skip, limits.take)

    @property
    def open(self) -> bool:
        """Whether rows may still come."""
        return self.take is None or self.take > 0

    @property
    def passes_all(self) -> bool:
        """Whether every row from here on is wanted, so that none need be counted."""
        return self.skip == 0 and self.take is None

    def allow(self, count: int) -> int:
        """How many of the next `count` rows are wanted."""
        return count if self.take is None else min(count, self.take)

    def took(self, count: int) -> None:
        """`count` rows were used."""
        if self.take is not None:
            self.take -= count


def _byte_shares(
    entries: Iterable[FileEntry], layout: TableLayout, window: RowWindow, block_bytes: int, reader: TableReader
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
    reader: TableReader,
    lines: Extent | None = None,
) -> Iterator[Extent]:
    """The blocks of one file, or the whole of it in one when it must not be split; only those with data."""
    block = block_bytes if layout.splittable else max(block_bytes, entry.size)
    return cut_by_bytes(source, block, header=reader.has_header(entry.uri), lines=lines)


def _wanted_lines(
    entry: FileEntry, source: ByteSource, layout: TableLayout, window: RowWindow, reader: TableReader
) -> Extent:
    """The part of a file that `skip` and `take` leave of it."""
    rows = RowReader(source, reader.has_header(entry.uri), layout.multi_line)
    window.skip -= rows.take(window.skip)[1]
    start = rows.position
    if window.take is None:
        return Extent(start, source.size)
    window.took(rows.take(window.take)[1])
    return Extent(start, rows.position)


def _row_group_shares(entries: Iterable[FileEntry], window: RowWindow, reader: TableReader) -> Iterator[Share]:
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


@dataclass(frozen=True, slots=True)
class LineRows:
    """The rows of a file of lines."""

    uri: str
    rows: RowReader

    def take(self, count: int) -> tuple[Piece, int]:
        extent, taken = self.rows.take(count)
        return Piece(self.uri, extent.start, extent.stop, Cut.BYTES), taken


@dataclass(slots=True)
class ParquetRows:
    """The rows of a parquet file."""

    uri: str
    rows: int
    _taken: int = field(init=False, default=0)

    def take(self, count: int) -> tuple[Piece, int]:
        start = self._taken
        self._taken = min(start + count, self.rows)
        return Piece(self.uri, start, self._taken, Cut.ROWS), self._taken - start


def _row_files(entries: Iterable[FileEntry], layout: TableLayout, reader: TableReader) -> RowFiles:
    if layout.parquet:
        return (nullcontext(ParquetRows(entry.uri, sum(reader.row_groups(entry)))) for entry in entries)
    return (_line_rows(entry, layout, reader) for entry in entries)


@contextmanager
def _line_rows(entry: FileEntry, layout: TableLayout, reader: TableReader) -> Iterator[RowFile]:
    with reader.open(entry) as source:
        yield LineRows(entry.uri, RowReader(source, reader.has_header(entry.uri), layout.multi_line))


@dataclass(slots=True)
class _Filling:
    """A mini-batch that is being filled with rows, one after the other."""

    rows: int
    pieces: list[Piece] = field(default_factory=list)
    held: int = 0
    first_row: int = 0

    @property
    def missing(self) -> int:
        return self.rows - self.held

    def add(self, piece: Piece, rows: int) -> None:
        self.pieces.append(piece)
        self.held += rows

    def empty(self) -> Share:
        """What was gathered; the next one begins where this one ends."""
        share = Share(tuple(self.pieces), self.held, self.first_row)
        self.pieces, self.held, self.first_row = [], 0, self.first_row + self.held
        return share


def fill(files: RowFiles, rows: int, window: RowWindow) -> Iterator[Share]:
    """Shares of `rows` rows each, across files; the last one has what is left."""
    filling = _Filling(rows)
    for opened in files:
        with opened as file:
            _pass_over(file, window)
            yield from _fill_from(file, filling, window)
        if not window.open:
            break
    if filling.held:
        yield filling.empty()


def _pass_over(file: RowFile, window: RowWindow) -> None:
    while window.skip:
        _, skipped = file.take(window.skip)
        if not skipped:
            return
        window.skip -= skipped


def _fill_from(file: RowFile, filling: _Filling, window: RowWindow) -> Iterator[Share]:
    """The shares that become full with the rows of `file`."""
    while window.open:
        piece, taken = file.take(window.allow(filling.missing))
        if not taken:
            return
        window.took(taken)
        filling.add(piece, taken)
        if not filling.missing:
            yield filling.empty()
