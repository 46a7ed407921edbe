"""Rows of a table's files, taken in order and gathered into shares: what mini-batches are made of."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from fanout.planning.tables.layout import TableLayout
from fanout.records.mini_batch import Cut, Piece
from fanout.tables.formats.row_counter import RowReader
from fanout.tables.row_limits import RowLimits


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
