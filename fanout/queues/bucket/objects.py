"""The objects of a pair of queues: `messages/<pair>/main/<pack>/<version>`, and `dead` beside `main`.

Each version of a pack is an object of its own that is created conditionally, so that of several writers one makes the
next version. No object is ever replaced: stores bound how often one name may be written, and some cannot replace
conditionally at all.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.clock import Clock
from fanout.errors import DiskFullError, QueueError, QueueFullError, StoreError
from fanout.storage import keys, objects

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FRESH = 5.0
"""Seconds for which it may be relied upon that a version is the newest: within them nothing that follows is removed."""
GRACE = 3 * FRESH
"""Seconds after which a version that has a successor is removed, by the process that made the successor.

The name of a version that was removed could be taken again by a process that knows an earlier one only. Such a process
has known it for longer than FRESH, and makes sure.
"""
CLEAN_EVERY = 10.0


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of a pack that a listing shows."""

    oldest: int
    newest: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What there was between two moments of this process's clock; `pair` is None when the pair was removed."""

    asked: float
    answered: float
    pair: dict[tuple[str, str], Versions] | None


@contextmanager
def as_queue_errors() -> Iterator[None]:
    """Errors of the store become those of a queue."""
    try:
        yield
    except DiskFullError as exc:
        raise QueueFullError(str(exc)) from exc
    except StoreError as exc:
        raise QueueError(str(exc)) from exc


@dataclass(eq=False)
class PairObjects:
    """The objects of one pair, and what of them this process has to remove."""

    store: "ObjectStore"
    name: str
    clock: Clock
    _superseded: deque[tuple[float, str]] = field(default_factory=deque)
    _cleaned: float = 0.0
    _removals: set["asyncio.Task[None]"] = field(default_factory=set)

    def key(self, queue: str, pack: str, version: int) -> str:
        return f"{keys.messages(self.name)}{queue}/{pack}/{version:08d}"

    async def list(self) -> Listing:
        """Everything that the pair has."""
        asked, found, there = self.clock.monotonic(), dict[tuple[str, str], Versions](), False
        with as_queue_errors():
            async for listed in objects.list_keys(self.store, keys.messages(self.name).rstrip("/")):
                there = there or listed.key == keys.message_pair(self.name)
                match listed.key.split("/")[2:]:
                    case [queue, pack, number] if number.isdecimal():
                        _note(found, (queue, pack), int(number))
        return Listing(asked, self.clock.monotonic(), found if there else None)

    async def versions(self, queue: str, pack: str) -> Versions | None:
        """The versions that one pack has."""
        found = dict[tuple[str, str], Versions]()
        with as_queue_errors():
            async for listed in objects.list_keys(self.store, f"{keys.messages(self.name)}{queue}/{pack}"):
                if (number := listed.key.rpartition("/")[2]).isdecimal():
                    _note(found, (queue, pack), int(number))
        return found.get((queue, pack))

    async def is_there(self) -> bool:
        """Whether the pair has not been removed."""
        return await self.read(keys.message_pair(self.name)) is not None

    async def create(self, key: str, body: bytes) -> bool:
        """Whether the object is this process's now; False when another one was faster."""
        with as_queue_errors():
            return await objects.create(self.store, key, body)

    async def read(self, key: str) -> bytes | None:
        with as_queue_errors():
            return await objects.read(self.store, key)

    async def delete(self, *names: str) -> None:
        with as_queue_errors():
            await objects.delete(self.store, *names)

    def supersede(self, key: str) -> None:
        """This process has made the successor of the object, which is not needed any more."""
        self._superseded.append((self.clock.monotonic(), key))

    def clean(self) -> None:
        """Now and then what is not needed any more is removed, beside other work."""
        now = self.clock.monotonic()
        if now - self._cleaned < CLEAN_EVERY:
            return
        self._cleaned, old = now, list[str]()
        while self._superseded and now - self._superseded[0][0] >= GRACE:
            old.append(self._superseded.popleft()[1])
        if old:
            self.remove_soon(*old)

    def remove_soon(self, *names: str) -> None:
        """These are removed beside other work."""
        task = asyncio.create_task(self._remove(names))
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)

    async def _remove(self, names: Sequence[str]) -> None:
        with suppress(QueueError):  # what stays is nothing that is received, and goes with the pair
            await self.delete(*names)

    async def close(self) -> None:
        """What is being removed has been."""
        if self._removals:
            await asyncio.wait(self._removals)


def _note(found: dict[tuple[str, str], Versions], pack: tuple[str, str], number: int) -> None:
    known = found.get(pack, Versions(number, number))
    found[pack] = Versions(min(known.oldest, number), max(known.newest, number))
