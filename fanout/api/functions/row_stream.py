"""The rows of a run as they come: read from its results while it goes on."""

import asyncio
import json
import queue
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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

AHEAD = 256
"""Results that wait for the caller; then reading them waits."""
LOOK_EVERY = 0.1
FULL_PAUSE = 0.02
_LOST = (Status.FAILED, Status.SHORT, Status.DEAD_LETTERED)

Batch = tuple[int, Sequence[Any]]
"""The position of an item, and what became of it and those behind it."""


@dataclass(slots=True)
class RowStream:
    """Gives each item's row once, by position; with `errors` also what items failed with, as ScriptError."""

    at: StepRound
    size: int  # items of a mini-batch
    items: int
    errors: bool
    name: str = "the function"
    found: "queue.Queue[Batch]" = field(default_factory=lambda: queue.Queue(AHEAD))
    _done: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._done = bytearray(self.items)

    def skip(self, items: int) -> None:
        """The rows of the first items are known."""
        self._done[:items] = b"\1" * items

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
                await self._failures(index)

    async def put(self, start: int, values: Sequence[Any]) -> None:
        """These are given to the caller, as far as they are new."""
        stop = min(start + len(values), self.items)
        known = next((n for n in range(start, stop) if not self._done[n]), stop) - start  # those that were measured
        start, values = start + known, values[known:]
        if start >= stop:
            return
        self._done[start:stop] = b"\1" * (stop - start)
        while True:
            try:
                self.found.put_nowait((start, values))
            except queue.Full:
                await asyncio.sleep(FULL_PAUSE)
            else:
                return

    async def _rows(self, store: "ObjectStore", key: str, index: ResultIndex) -> None:
        good = [entry for entry in index.entries if entry.status is Status.SUCCEEDED and not self._is_done(entry)]
        if not good:
            return
        end = max(entry.start + entry.length for entry in good)
        body = await read_range(store, key, index.rows_at, index.rows_at + end) or b""
        for entry in good:
            part = body[entry.start : entry.start + entry.length]
            check_rows(part, entry.crc, key, entry.index)
            await self.put(self._start(entry), self._values(entry, part))

    def _values(self, entry: Entry, part: bytes) -> Sequence[Any]:
        rows = [json.loads(line) for line in part.split(b"\n")[:-1]]
        if len(rows) != entry.items:
            raise InputError(
                f"{self.name} returned {len(rows)} rows for {entry.items} items of mini-batch {entry.index}; rows that "
                "come with their items need one for each: use map"
            )
        return rows

    async def _failures(self, index: ResultIndex) -> None:
        for entry in index.entries:
            if entry.status in _LOST and not entry.copy:
                failure = entry.failure
                text = "the nodes that took it vanished" if failure is None else failure.message
                error = ScriptError(text)
                if failure is not None and failure.traceback:
                    error.add_note(failure.traceback)
                await self.put(self._start(entry), [error] * max(1, entry.items))

    def _is_done(self, entry: Entry) -> bool:
        """Whether the last of its items has been given: then all of them have."""
        last = self._start(entry) + entry.items - 1
        return 0 <= last < self.items and bool(self._done[last])

    def _start(self, entry: Entry) -> int:
        return entry.index * self.size + (0 if entry.part is None else entry.part.start)
