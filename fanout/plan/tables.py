"""A table's files into mini-batches, by bytes, by row group or by rows (reference, section 5.2).

`skip` and `take` of an MLTable hold for the whole table, so they are applied here, before anything is cut.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from fanout.data.cuts import Extent, cut_by_bytes
from fanout.data.listing import FileEntry
from fanout.data.ranges import ByteSource
from fanout.data.row_reader import RowReader
from fanout.plan.layout import TableLayout, check_countable
from fanout.plan.minibatch import Cut, MiniBatch, Piece


@dataclass(frozen=True, slots=True)
class TableReader:
    """How files are looked into: given by whoever knows where they are."""

    open: Callable[[FileEntry], AbstractContextManager[ByteSource]]
    row_groups: Callable[[FileEntry], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Share:
    """What becomes one mini-batch: pieces, and how many rows they hold and follow, where that is known."""

    pieces: tuple[Piece, ...]
    rows: int | None = None
    first_row: int | None = None


@dataclass(slots=True)
class RowWindow:
    """How much of `skip` and `take` is still to be applied."""

    skip: int
    take: int | None

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


def split_blocks(
    entries: Iterable[FileEntry], layout: TableLayout, block_bytes: int, reader: TableReader
) -> Iterator[MiniBatch]:
    """One mini-batch a block of `block_bytes`, or a row group of parquet; blocks never cross files."""
    window = RowWindow(layout.skip, layout.take)
    if layout.parquet:
        return _numbered(_row_group_shares(entries, window, reader), layout)
    return _numbered(_byte_shares(_headers(entries, layout), layout, window, block_bytes, reader), layout)


def split_rows(
    entries: Iterable[FileEntry], layout: TableLayout, rows: int, reader: TableReader
) -> Iterator[MiniBatch]:
    """`rows` rows of the table a mini-batch, from one file or several; the last one has what is left."""
    return _numbered(
        _row_shares(_row_files(entries, layout, reader), RowWindow(layout.skip, layout.take), rows), layout
    )


def _numbered(shares: Iterator[Share], layout: TableLayout) -> Iterator[MiniBatch]:
    for index, share in enumerate(shares):
        items = share.rows if layout.keeps_rows else None
        yield MiniBatch(index, pieces=share.pieces, items=items, first_row=share.first_row)


def _headers(entries: Iterable[FileEntry], layout: TableLayout) -> Iterator[tuple[FileEntry, bool]]:
    """The files that hold anything, and whether each begins with a line of names."""
    header = layout.header != "none"
    for entry in entries:
        if entry.size:
            yield entry, header
            header = layout.header == "every_file"


def _byte_shares(
    files: Iterator[tuple[FileEntry, bool]],
    layout: TableLayout,
    window: RowWindow,
    block_bytes: int,
    reader: TableReader,
) -> Iterator[Share]:
    for entry, header in files:
        block = block_bytes if layout.splittable else max(block_bytes, entry.size)
        with reader.open(entry) as source:
            lines = None if window.passes_all else _narrow(RowReader(source, header, layout.multi_line), window)
            for extent in cut_by_bytes(source, block, header=header, lines=lines):
                yield Share((Piece(entry.uri, extent.start, extent.stop, Cut.BYTES),))
        if not window.open:
            return


def _narrow(rows: RowReader, window: RowWindow) -> Extent:
    """The part of a file that `skip` and `take` leave of it."""
    _, skipped = rows.take(window.skip)
    window.skip -= skipped
    start = rows.position
    if window.take is None:
        return Extent(start, rows.source.size)
    _, taken = rows.take(window.take)
    window.took(taken)
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
                yield Share(
                    (_group_piece(entry, group, start + skipped, taken, whole=taken == rows),), taken, first_row
                )
            start, first_row = start + rows, first_row + taken
        if not window.open:
            return


def _group_piece(entry: FileEntry, group: int, start: int, rows: int, *, whole: bool) -> Piece:
    if whole:
        return Piece(entry.uri, group, group + 1, Cut.ROW_GROUPS)
    return Piece(entry.uri, start, start + rows, Cut.ROWS)


class RowFile(Protocol):
    """A file of a table from which rows are taken in order."""

    def take(self, count: int) -> tuple[Piece, int]:
        """The piece with the next `count` rows, and how many they are: fewer only at the end of the file."""
        ...


@dataclass(frozen=True, slots=True)
class LineRows:
    """The rows of a file of lines."""

    uri: str
    records: RowReader

    def take(self, count: int) -> tuple[Piece, int]:
        extent, rows = self.records.take(count)
        return Piece(self.uri, extent.start, extent.stop, Cut.BYTES), rows


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


RowFiles = Iterator[AbstractContextManager[RowFile]]


def _row_files(entries: Iterable[FileEntry], layout: TableLayout, reader: TableReader) -> RowFiles:
    if layout.parquet:
        return (nullcontext(ParquetRows(entry.uri, sum(reader.row_groups(entry)))) for entry in entries)
    return (_line_rows(entry, header, layout, reader) for entry, header in _headers(entries, layout))


@contextmanager
def _line_rows(entry: FileEntry, header: bool, layout: TableLayout, reader: TableReader) -> Iterator[RowFile]:
    with reader.open(entry) as source:
        yield LineRows(entry.uri, RowReader(source, header, layout.multi_line))


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


def _row_shares(files: RowFiles, window: RowWindow, rows: int) -> Iterator[Share]:
    filling = _Filling(rows)
    for opened in files:
        with opened as file:
            window.skip -= file.take(window.skip)[1]
            yield from _fill(filling, file, window)
        if not window.open:
            break
    if filling.held:
        yield filling.empty()


def _fill(filling: _Filling, file: RowFile, window: RowWindow) -> Iterator[Share]:
    """The mini-batches that become full with the rows of `file`."""
    while window.open:
        piece, taken = file.take(window.allow(filling.missing))
        if not taken:
            return
        window.took(taken)
        filling.add(piece, taken)
        if not filling.missing:
            yield filling.empty()
