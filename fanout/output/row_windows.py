"""The rows of succeeded mini-batches in mini-batch order, in constant memory.

Mini-batches that follow each other are mostly in the same few objects, so a window of them is read object by object,
with neighbouring ranges joined, and given out in order. The next window is read and checked meanwhile.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import obstore

from fanout.errors import DamagedRecordError
from fanout.results.codec import altered_rows, check_rows, lost_object
from fanout.results.ledger import Ledger
from fanout.results.winners import ResultObject, Winner
from fanout.storage.keys import StepRound
from fanout.storage.objects import translated
from fanout.tasks import cut_off

if TYPE_CHECKING:
    from obstore.store import ObjectStore

WINDOW = 8 * 1024 * 1024
"""Bytes of rows in a window, two of which are in memory at once; a single mini-batch larger than this comes in chunks
of this size."""
MOST = 20_000
"""Mini-batches in a window, however short their rows are: each takes half a kilobyte beside them."""
IN_A_THREAD = 256 * 1024
"""Bytes from which checksums are computed in a thread, beside the writing."""
GAP = 64 * 1024
"""Bytes that are rather read and thrown away than skipped with another request."""


@dataclass(slots=True)
class Rows:
    """Rows of one mini-batch, or a part of them when it is larger than the window. Not frozen: see `Winner`."""

    winner: Winner
    payload: memoryview


@dataclass(frozen=True, slots=True)
class RowSource:
    """Where rows come from: the run's store, and what the ledger knows of it."""

    store: "ObjectStore"
    at: StepRound
    ledger: Ledger

    def rows(self) -> AsyncIterator[Rows]:
        return rows_in_order(self.store, self.at, self.ledger.winners())

    def headers(self) -> list[str]:
        """The distinct headers of succeeded mini-batches that have rows, in the order of first appearance."""
        found = dict.fromkeys(w.header for w in self.ledger.winners() if w.length and w.header is not None)
        return [header for header in found if header is not None]


async def rows_in_order(store: "ObjectStore", at: StepRound, winners: Iterable[Winner]) -> AsyncIterator[Rows]:
    """The rows of all `winners` that have any, checked; DamagedRecordError names the object that was altered."""
    async with aclosing(windows_in_order(store, at, winners)) as windows:
        async for window in windows:
            for rows in window:
                yield rows


async def windows_in_order(
    store: "ObjectStore", at: StepRound, winners: Iterable[Winner]
) -> AsyncGenerator[Sequence[Rows]]:
    """As `rows_in_order`, of many mini-batches at a time."""
    windows = windows_of(winners, WINDOW)
    ahead = _read_ahead(store, at, next(windows, None))
    try:
        while ahead is not None:
            window, reading = ahead
            found = None if reading is None else await reading
            ahead = _read_ahead(store, at, next(windows, None))
            if found is None:
                async for rows in _in_chunks(store, at, window[0]):
                    yield (rows,)
            else:
                yield found
    finally:
        if ahead is not None and ahead[1] is not None:
            await cut_off(ahead[1])


_Ahead = tuple[list[Winner], "asyncio.Task[list[Rows]] | None"]


def _read_ahead(store: "ObjectStore", at: StepRound, window: list[Winner] | None) -> _Ahead | None:
    """The window and the reading of it, which has begun; none of a single mini-batch that comes in chunks."""
    if window is None:
        return None
    if window[0].length > WINDOW:
        return window, None
    return window, asyncio.create_task(_window(store, at, window))


def windows_of(winners: Iterable[Winner], most: int) -> Iterator[list[Winner]]:
    """Those that have rows, so many at a time that these are `most` bytes at the most, unless there is one alone."""
    window: list[Winner] = []
    size = 0
    for winner in winners:
        if not winner.length:
            continue
        if window and (size + winner.length > most or len(window) == MOST):
            yield window
            window, size = [], 0
        window.append(winner)
        size += winner.length
    if window:
        yield window


async def _window(store: "ObjectStore", at: StepRound, window: Sequence[Winner]) -> list[Rows]:
    by_object: dict[ResultObject, list[Rows]] = {}
    rows = [Rows(winner, _NOTHING) for winner in window]
    for each in rows:
        by_object.setdefault(each.winner.object, []).append(each)
    for found, inside in by_object.items():
        key = found.key(at)
        inside.sort(key=lambda each: each.winner.start)
        size = await _fill(store, key, inside)
        if size < IN_A_THREAD:
            _check(inside, key)
        else:
            await asyncio.to_thread(_check, inside, key)
    return rows


_NOTHING = memoryview(b"")


def _check(inside: Iterable[Rows], key: str) -> None:
    for rows in inside:
        check_rows(rows.payload, rows.winner.crc, key, rows.winner.index)


async def _fill(store: "ObjectStore", key: str, inside: Sequence[Rows]) -> int:
    """Each of these, sorted by where they are in their object, has its payload; returns the bytes of all."""
    spans = list(_spans(inside))
    starts, ends = [span[0].winner.start for span in spans], [_end(span[-1]) for span in spans]
    try:
        with translated("read", key):
            parts = await obstore.get_ranges_async(store, key, starts=starts, ends=ends)
    except FileNotFoundError as exc:
        raise lost_object(key) from exc
    for span, start, part in zip(spans, starts, parts, strict=True):
        whole = memoryview(part)
        for rows in span:
            begin = rows.winner.start - start
            rows.payload = whole[begin : begin + rows.winner.length]
    return sum(map(len, parts))


def _end(rows: Rows) -> int:
    return rows.winner.start + rows.winner.length


def _spans(inside: Sequence[Rows]) -> Iterator[Sequence[Rows]]:
    """Runs of ranges that are near enough to be read at once."""
    wanted = sum([rows.winner.length for rows in inside])
    if _end(inside[-1]) - inside[0].winner.start - wanted <= GAP:  # mostly: so no gap is larger
        yield inside
        return
    begin = 0
    for at in range(1, len(inside)):
        if inside[at].winner.start - _end(inside[at - 1]) > GAP:
            yield inside[begin:at]
            begin = at
    yield inside[begin:]


async def _in_chunks(store: "ObjectStore", at: StepRound, winner: Winner) -> AsyncIterator[Rows]:
    key = winner.object.key(at)
    crc, start, end = 0, winner.start, winner.start + winner.length
    await _check_size(store, key, end)
    while start < end:
        stop = min(start + WINDOW, end)
        with translated("read", key):
            part = memoryview(await obstore.get_range_async(store, key, start=start, end=stop))
        crc, start = zlib.crc32(part, crc), stop
        if start == end and crc != winner.crc:
            raise altered_rows(key, winner.index)
        yield Rows(winner, part)


async def _check_size(store: "ObjectStore", key: str, end: int) -> None:
    """Chunks are given out before their digest is known, so at least the object must be long enough."""
    try:
        with translated("read", key):
            size = (await obstore.head_async(store, key))["size"]
    except FileNotFoundError as exc:
        raise lost_object(key) from exc
    if size < end:
        raise DamagedRecordError(f"{key}: truncated: it has {size} bytes, its index speaks of {end}")
