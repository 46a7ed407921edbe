"""Which queue pair a step uses. Noted in the store, because a step may need a second one.

A supervisor that died while it sent messages leaves a queue with unknown content. The next supervisor takes a new pair
and sends to it what has no outcome yet, so that no mini-batch is in two messages. Others that still use the old pair,
nodes and a supervisor that was not dead after all, follow to the new one when theirs is gone.

A note is believed only when it names the pair that would be made for it: a writer of notes must not have the queues of
others emptied or removed.
"""

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from fanout.errors import DamagedRecordError, QueueError, QueueGoneError, StoreError
from fanout.queues.base import Delivery, Depth, Queue, QueuePair, QueueService
from fanout.records import fields
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, list_names, put, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore


log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StepQueues:
    """The pair in use; `filled` when every message has been sent to it.

    `follow` makes the newest pair the one in use, and removes the one before. The supervisor calls it now and then:
    nodes that start look at the newest pair only, and its maker may have died before it sent anything.
    """

    name: str
    pair: QueuePair
    filled: bool
    follow: Callable[[], Awaitable[None]]


def queue_name(store_uri: str, at: StepRound, number: int) -> str:
    """The pair's name: readable, and different for runs of the same name in different stores."""
    round_ = "" if at.round == 1 else f"-r{at.round}"
    return f"{queue_prefix(store_uri)}{at.run}-{at.step}{round_}-{number}"


def queue_prefix(store_uri: str) -> str:
    """What the names of all pairs begin with that runs of this store make."""
    return f"fanout-{hashlib.sha256(store_uri.encode()).hexdigest()[:6]}-"


async def open_queues(store: "ObjectStore", service: QueueService, at: StepRound, store_uri: str) -> QueuePair | None:
    """The pair in use, for nodes; None when there is none (any more)."""
    notes = _Notes(store, at, store_uri)
    newest = await notes.newest(service)
    return None if newest is None else _InUse(notes, service, *newest).following


async def take_queues(
    store: "ObjectStore",
    service: QueueService,
    at: StepRound,
    store_uri: str,
    *,
    visibility: float,
    max_receives: int,
) -> StepQueues:
    """The pair for a supervisor to use: the one that was filled, as long as it is there, else a new one."""
    notes = _Notes(store, at, store_uri)
    last = await notes.last()
    if last is not None and await read(store, keys.published_json(at)) == last.encode():
        pair = await service.open(last)
        if pair is not None:
            return _InUse(notes, service, last, pair).as_step_queues(filled=True)
    number = await notes.next_number()
    name = queue_name(store_uri, at, number)
    # The note comes first: a queue without a note would never be removed.
    await create(store, keys.queue(at, number), json.dumps({"name": name}).encode())
    pair = await service.create(name, visibility=visibility, max_receives=max_receives)
    if last is not None:
        await service.remove(last)  # only now: a process that finds it gone must find another one noted
    if await notes.last() != name:  # nodes look at the newest pair only, and its maker may have died
        await service.remove(name)
        return await take_queues(store, service, at, store_uri, visibility=visibility, max_receives=max_receives)
    return _InUse(notes, service, name, pair).as_step_queues(filled=False)


async def note_filled(store: "ObjectStore", at: StepRound, name: str, store_uri: str) -> None:
    """From here on the pair holds, or has held, a message for every mini-batch; no news of one that was replaced."""
    if await _Notes(store, at, store_uri).last() == name:
        await put(store, keys.published_json(at), name.encode())


async def remove_queues(store: "ObjectStore", service: QueueService, at: StepRound, store_uri: str) -> None:
    """None of the step's queues is left: of two supervisors at once the slower may have made an earlier one again."""
    for name in await _Notes(store, at, store_uri).names():
        await service.remove(name)


async def noted_queues(store: "ObjectStore", at: StepRound, store_uri: str) -> list[str]:
    """The names of all pairs that the step has had."""
    return await _Notes(store, at, store_uri).names()


@dataclass(frozen=True, slots=True)
class _Notes:
    """The notes of a step, which say what pairs it has had."""

    store: "ObjectStore"
    at: StepRound
    store_uri: str

    async def names(self) -> list[str]:
        """The names of all pairs, the newest last."""
        found = [await self._noted(note) for note in await list_names(self.store, keys.queues(self.at))]
        return [name for name in found if name is not None]

    async def last(self) -> str | None:
        """The name of the newest pair."""
        for note in reversed(await list_names(self.store, keys.queues(self.at))):
            if (name := await self._noted(note)) is not None:
                return name
        return None

    async def next_number(self) -> int:
        """The number of a pair that there has not been yet."""
        notes = await list_names(self.store, keys.queues(self.at))
        return max((int(note) + 1 for note in notes if note.isdecimal()), default=0)

    async def newest(self, service: QueueService) -> tuple[str, QueuePair] | None:
        """The newest pair that is there; that of the last note need not be: its maker may have died."""
        for note in reversed(await list_names(self.store, keys.queues(self.at))):
            name = await self._noted(note)
            pair = None if name is None else await service.open(name)
            if name is not None and pair is not None:
                return name, pair
        return None

    async def _noted(self, note: str) -> str | None:
        """The name in this note; None when it is not the name of the pair that this note stands for."""
        key = keys.queues(self.at) + note
        body = await read(self.store, key)
        try:
            name = None if body is None else fields.text(fields.parse(body)["name"], "name")
        except (ValueError, KeyError, TypeError, RecursionError) as exc:
            raise DamagedRecordError(f"{key}: not the note of a queue: {type(exc).__name__}: {exc}") from exc
        if name is None or (note.isdecimal() and name == queue_name(self.store_uri, self.at, int(note))):
            return name
        _warn_of(key, name)
        return None


@cache
def _warn_of(key: str, name: str) -> None:
    """Once for each note: it is looked at every few seconds."""
    log.warning("%s: names the queue %s, which no run in this store has made here; it is left alone", key, name[:200])


@dataclass(slots=True)
class _InUse:
    """The pair of a step that is in use as far as this process knows."""

    notes: _Notes
    service: QueueService
    name: str
    pair: QueuePair

    @property
    def following(self) -> QueuePair:
        """The pair in use, whichever that is when it is asked for something."""
        return QueuePair(_FollowingQueue(self, lambda pair: pair.main), _FollowingQueue(self, lambda pair: pair.dead))

    def as_step_queues(self, *, filled: bool) -> StepQueues:
        return StepQueues(self.name, self.following, filled, self.follow)

    async def renew(self, gone: QueuePair) -> bool:
        """Whether there is another pair than the one that is `gone`."""
        if self.pair is not gone:
            return True
        try:
            newest = await self.notes.newest(self.service)
        except StoreError as exc:  # callers of a queue handle QueueError
            raise QueueError(f"queue {self.name} is gone, and its successor is unknown: {exc}") from exc
        if newest is None or newest[0] == self.name:
            return False
        self._use(*newest)
        return True

    async def follow(self) -> None:
        """Uses the newest pair from here on, and removes the one before: its messages are sent again."""
        if await self.notes.last() == self.name:
            return
        newest = await self.notes.newest(self.service)
        if newest is not None and newest[0] != self.name:
            before = self.name
            self._use(*newest)
            await self.service.remove(before)

    def _use(self, name: str, pair: QueuePair) -> None:
        log.info("step %s has another queue now: %s", self.notes.at.step, name)
        self.name, self.pair = name, pair


class _FollowingQueue:
    """One queue of the pair in use. Receipts of a pair that is gone are lost to the new one, as stale ones are."""

    def __init__(self, in_use: _InUse, which: Callable[[QueuePair], Queue]) -> None:
        self.depth_lag = which(in_use.pair).depth_lag
        self._in_use, self._which = in_use, which

    async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
        await self._do(lambda queue: queue.send(bodies, delay))

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        return await self._do(lambda queue: queue.receive(limit, wait))

    async def extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        return await self._do(lambda queue: queue.extend(held, seconds))

    async def delete(self, done: Sequence[Delivery]) -> None:
        await self._do(lambda queue: queue.delete(done))

    async def depth(self) -> Depth:
        return await self._do(lambda queue: queue.depth())

    async def _do(self, job: Callable[[Queue], Awaitable[T]]) -> T:
        while True:
            pair = self._in_use.pair
            try:
                return await job(self._which(pair))
            except QueueGoneError:
                if not await self._in_use.renew(pair):
                    raise
