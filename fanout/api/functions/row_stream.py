"""The rows of a run as they come: read from its results while it goes on."""

import asyncio
import queue
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fanout.api.output import json_rows
from fanout.errors import InputError, ScriptError
from fanout.results.codec import Entry, ResultIndex, Status, check_rows
from fanout.results.fences import fenced_nodes
from fanout.results.reader import ResultReader
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read_range

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.scheduler.context import RunContext

AHEAD = 8 * 1024 * 1024
"""Bytes of rows that wait for the caller; then reading them waits."""
HELD = 32 * 1024 * 1024
"""Bytes of rows that wait for rows before theirs; what comes then is read again when it is its turn."""
LOOK_EVERY = 0.1
FULL_PAUSE = 0.02
_LOST = (Status.FAILED, Status.SHORT, Status.DEAD_LETTERED)

Batch = tuple[int, Sequence[Any]]
"""The position of an item, and what became of it and those behind it."""


@dataclass(slots=True)
class _Stretch:
    """Items from `start` up to `stop`, and their rows as they lie in a result object, or what they failed with."""

    start: int
    stop: int
    key: str = ""
    at: int = 0
    entry: Entry | None = None
    body: bytes | None = None
    error: ScriptError | None = None

    @property
    def size(self) -> int:
        return 0 if self.body is None else len(self.body)


@dataclass(slots=True)
class RowStream:
    """Gives each item's row once, by position; with `errors` also what items failed with, as ScriptError.

    With `ordered` they come in the order of the items. Memory does not grow with the rows: what the caller has not
    taken is bounded, and what waits for its turn stays in the store.
    """

    at: StepRound
    size: int  # items of a mini-batch
    items: int
    errors: bool
    name: str = "the function"
    ordered: bool = False
    _found: "queue.SimpleQueue[_Stretch]" = field(default_factory=queue.SimpleQueue)
    _given: int = 0  # bytes of rows, counted in the thread of the run
    _taken: int = 0  # the same, counted in the thread of the caller
    _held: dict[int, _Stretch] = field(default_factory=dict)
    _held_bytes: int = 0
    _next: int = 0
    _done: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._done = bytearray(self.items)

    def skip(self, items: int) -> None:
        """The rows of the first items are known."""
        self._done[:items] = b"\1" * items
        self._next = items

    def take(self, timeout: float) -> Batch | None:
        """What has come, in the thread of the caller; None when nothing does in so many seconds."""
        try:
            found = self._found.get(timeout=timeout)
        except queue.Empty:
            return None
        self._taken += found.size
        if found.body is None:
            return found.start, [found.error] * (found.stop - found.start)
        rows = json_rows(found.body)
        return found.start, rows[len(rows) - (found.stop - found.start) :]

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for the caller."""
        return self._found.empty()

    async def follow(self, context: "RunContext") -> None:
        """Reads what is committed, until it is cut off."""
        reader = ResultReader(context.store, self.at)
        while True:
            await self.pass_on(context.store, reader)
            await asyncio.sleep(LOOK_EVERY)

    async def pass_on(self, store: "ObjectStore", reader: ResultReader) -> None:
        """Reads what has been committed since the last time."""
        await reader.look_for_nodes()
        async for node, seq, index in reader.news():
            await self._rows(store, keys.result(self.at, node, seq), index)
            lost = self.errors and any(entry.status in _LOST for entry in index.entries)
            if lost and node not in await fenced_nodes(store, self.at):
                await self._failures(store, index)

    async def finish(self, store: "ObjectStore", reader: ResultReader) -> None:
        """Reads what is left of a run that is over; of one that left items out, what waited for them, too."""
        await self.pass_on(store, reader)
        for start in sorted(self._held):
            await self._release(store, start)

    async def _rows(self, store: "ObjectStore", key: str, index: ResultIndex) -> None:
        good = [entry for entry in index.entries if entry.status is Status.SUCCEEDED and not self._is_done(entry)]
        if not good:
            return
        end = max(entry.start + entry.length for entry in good)
        body = await read_range(store, key, index.rows_at, index.rows_at + end) or b""
        for entry in good:
            part = body[entry.start : entry.start + entry.length]
            check_rows(part, entry.crc, key, entry.index)
            self._check_count(entry, part)
            at = index.rows_at + entry.start
            await self._pass(store, self._start(entry), entry.items, _Stretch(0, 0, key, at, entry, part))

    def _check_count(self, entry: Entry, part: bytes) -> None:
        rows = part.count(b"\n")
        if rows != entry.items:
            raise InputError(
                f"{self.name} returned {rows} rows for {entry.items} items of mini-batch {entry.index}; rows that "
                "come with their items need one for each: use map"
            )

    async def _failures(self, store: "ObjectStore", index: ResultIndex) -> None:
        for entry in index.entries:
            if entry.status in _LOST and not entry.copy:
                failure = entry.failure
                text = "the nodes that took it vanished" if failure is None else failure.message
                error = ScriptError(text)
                if failure is not None and failure.traceback:
                    error.add_note(failure.traceback)
                await self._pass(store, self._start(entry), max(1, entry.items), _Stretch(0, 0, error=error))

    async def _pass(self, store: "ObjectStore", start: int, items: int, found: _Stretch) -> None:
        """The stretch is given to the caller or waits for its turn, as far as it is new."""
        found.stop = min(start + items, self.items)
        # Those before were measured.
        found.start = next((n for n in range(start, found.stop) if not self._done[n]), found.stop)
        if found.start >= found.stop:
            return
        if not self.ordered:
            await self._room()
            self._give(found)
            return
        self._hold(found)
        while self._next in self._held:
            await self._release(store, self._next)

    def _hold(self, found: _Stretch) -> None:
        if found.start != self._next and self._held_bytes + found.size > HELD:
            found.body = None
        self._mark(found)
        self._held_bytes += found.size
        self._held[found.start] = found

    async def _release(self, store: "ObjectStore", start: int) -> None:
        """What waited is given; cut off before, it waits on."""
        found, kept = self._held[start], self._held[start].size
        await self._room()
        if found.body is None and found.entry is not None:
            body = await read_range(store, found.key, found.at, found.at + found.entry.length) or b""
            check_rows(body, found.entry.crc, found.key, found.entry.index)
            found.body = body
        del self._held[start]
        self._held_bytes -= kept
        self._next = found.stop
        self._give(found)

    async def _room(self) -> None:
        """The caller has taken enough of what came before."""
        while True:
            if self._given - self._taken <= AHEAD:
                return
            await asyncio.sleep(FULL_PAUSE)

    def _give(self, found: _Stretch) -> None:
        self._mark(found)
        self._given += found.size
        self._found.put(found)

    def _mark(self, found: _Stretch) -> None:
        self._done[found.start : found.stop] = b"\1" * (found.stop - found.start)

    def _is_done(self, entry: Entry) -> bool:
        """Whether the last of its items has been given: then all of them have."""
        last = self._start(entry) + entry.items - 1
        return 0 <= last < self.items and bool(self._done[last])

    def _start(self, entry: Entry) -> int:
        return entry.index * self.size + (0 if entry.part is None else entry.part.start)
