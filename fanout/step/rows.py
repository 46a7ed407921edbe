"""The rows of succeeded mini-batches in mini-batch order, in constant memory.

Mini-batches that follow each other are mostly in the same few objects, so a window of them is read object by object,
with neighbouring ranges joined, and given out in order.
"""

import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import obstore

from fanout.errors import DamagedRecordError
from fanout.step.ledger import ResultObject, Winner
from fanout.step.results import check_rows
from fanout.store import keys
from fanout.store.keys import StepRound
from fanout.store.objects import translated

if TYPE_CHECKING:
    from obstore.store import ObjectStore

WINDOW = 16 * 1024 * 1024
"""Bytes of rows in memory at once; a single mini-batch larger than this comes in chunks of this size."""
GAP = 64 * 1024
"""Bytes that are rather read and thrown away than skipped with another request."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one mini-batch, or a part of them when it is larger than the window."""

    winner: Winner
    payload: memoryview


async def rows_in_order(store: "ObjectStore", at: StepRound, winners: Iterable[Winner]) -> AsyncIterator[Rows]:
    """The rows of all `winners` that have any, checked; DamagedRecordError names the object that was altered."""
    for window in _windows(winner for winner in winners if winner.length):
        if window[0].length > WINDOW:
            async for rows in _in_chunks(store, at, window[0]):
                yield rows
        else:
            async for rows in _window(store, at, window):
                yield rows


def _windows(winners: Iterable[Winner]) -> Iterator[list[Winner]]:
    window: list[Winner] = []
    size = 0
    for winner in winners:
        if window and size + winner.length > WINDOW:
            yield window
            window, size = [], 0
        window.append(winner)
        size += winner.length
    if window:
        yield window


async def _window(store: "ObjectStore", at: StepRound, window: Sequence[Winner]) -> AsyncIterator[Rows]:
    by_object: dict[ResultObject, list[Winner]] = {}
    for winner in window:
        by_object.setdefault(winner.object, []).append(winner)
    payloads: dict[int, memoryview] = {}  # by identity: a mini-batch that was split has several winners
    for found, inside in by_object.items():
        key = keys.result(at.in_round(found.round), found.node, found.seq)
        for winner, payload in await _ranges(store, key, inside):
            check_rows(payload, winner.crc, key, winner.index)
            payloads[id(winner)] = payload
    for winner in window:
        yield Rows(winner, payloads.pop(id(winner)))


async def _ranges(store: "ObjectStore", key: str, winners: Sequence[Winner]) -> list[tuple[Winner, memoryview]]:
    spans = list(_spans(sorted(winners, key=lambda w: w.start)))
    starts, ends = [span[0].start for span in spans], [span[-1].start + span[-1].length for span in spans]
    try:
        with translated("read", key):
            parts = await obstore.get_ranges_async(store, key, starts=starts, ends=ends)
    except FileNotFoundError as exc:
        raise DamagedRecordError(f"{key}: sealed, but not in the store any more") from exc
    return [
        (winner, memoryview(part)[winner.start - start : winner.start - start + winner.length])
        for span, start, part in zip(spans, starts, parts, strict=True)
        for winner in span
    ]


def _spans(winners: Sequence[Winner]) -> Iterator[list[Winner]]:
    """Runs of ranges that are near enough to be read at once; `winners` are sorted by start."""
    span: list[Winner] = []
    for winner in winners:
        if span and winner.start - (span[-1].start + span[-1].length) > GAP:
            yield span
            span = []
        span.append(winner)
    yield span


async def _in_chunks(store: "ObjectStore", at: StepRound, winner: Winner) -> AsyncIterator[Rows]:
    key = keys.result(at.in_round(winner.object.round), winner.object.node, winner.object.seq)
    crc, start, end = 0, winner.start, winner.start + winner.length
    await _check_size(store, key, end)
    while start < end:
        stop = min(start + WINDOW, end)
        with translated("read", key):
            part = memoryview(await obstore.get_range_async(store, key, start=start, end=stop))
        crc, start = zlib.crc32(part, crc), stop
        if start == end and crc != winner.crc:
            raise DamagedRecordError(f"{key}: the rows of mini-batch {winner.index} are truncated or altered")
        yield Rows(winner, part)


async def _check_size(store: "ObjectStore", key: str, end: int) -> None:
    """Chunks are given out before their digest is known, so at least the object must be long enough."""
    try:
        with translated("read", key):
            size = (await obstore.head_async(store, key))["size"]
    except FileNotFoundError as exc:
        raise DamagedRecordError(f"{key}: sealed, but not in the store any more") from exc
    if size < end:
        raise DamagedRecordError(f"{key}: truncated: it has {size} bytes, its index speaks of {end}")
