"""Chooses the queue pair that a step uses, and notes it in the store, because a step may need a second one.

A supervisor that died while it sent messages leaves a queue with unknown content. The next supervisor makes a new pair
and sends to it what has no outcome yet, so that no mini-batch is in two messages. Others that still use the old pair
(nodes, and a supervisor that was not dead after all) switch to the new pair when the old one is gone.

A note is believed only when it names the pair that would be made for it. Otherwise a process that can write notes could
have the queues of others emptied or removed.
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
    """The pair in use; `filled` is True when every message has been sent to it.

    `follow` switches to the newest pair and removes the one before. The supervisor calls it now and then: nodes that
    start use only the newest pair, and the process that made that pair may have died before it sent any message.
    """

    name: str
    pair: QueuePair
    filled: bool
    follow: Callable[[], Awaitable[None]]


def queue_name(store_uri: str, at: StepRound, number: int) -> str:
    """Returns the name of a pair: readable, and different for runs of the same name in different stores."""
    round_ = "" if at.round == 1 else f"-r{at.round}"
    return f"{queue_prefix(store_uri)}{at.run}-{at.step}{round_}-{number}"


def queue_prefix(store_uri: str) -> str:
    """Returns the prefix of the names of all pairs that runs of this store make."""
    return f"fanout-{hashlib.sha256(store_uri.encode()).hexdigest()[:6]}-"


async def open_queues(store: "ObjectStore", service: QueueService, at: StepRound, store_uri: str) -> QueuePair | None:
    """Opens the pair in use, for nodes; returns None when there is none (any more)."""
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
    """Returns the pair that a supervisor uses: the filled pair as long as it exists, else a new one."""
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
    """Notes that the pair holds, or has held, a message for every mini-batch.

    Does nothing when a newer pair has replaced this one.
    """
    if await _Notes(store, at, store_uri).last() == name:
        await put(store, keys.published_json(at), name.encode())


async def remove_queues(store: "ObjectStore", service: QueueService, at: StepRound, store_uri: str) -> None:
    """Removes all pairs that the step has had.

    All, because the slower of two supervisors may have made an earlier pair again.
    """
    for name in await _Notes(store, at, store_uri).names():
        await service.remove(name)


async def noted_queues(store: "ObjectStore", at: StepRound, store_uri: str) -> list[str]:
    """Returns the names of all pairs that the step has had, the newest last."""
    return await _Notes(store, at, store_uri).names()


@dataclass(frozen=True, slots=True)
class _Notes:
    """The notes of a step; each names one pair that the step has had."""

    store: "ObjectStore"
    at: StepRound
    store_uri: str

    async def names(self) -> list[str]:
        """Returns the names of all noted pairs, the newest last."""
        found = [await self._noted(note) for note in await list_names(self.store, keys.queues(self.at))]
        return [name for name in found if name is not None]

    async def last(self) -> str | None:
        """Returns the name in the newest valid note; None when there is none. The pair itself may not exist."""
        for note in reversed(await list_names(self.store, keys.queues(self.at))):
            if (name := await self._noted(note)) is not None:
                return name
        return None

    async def next_number(self) -> int:
        """Returns the first number that is higher than those of all notes."""
        notes = await list_names(self.store, keys.queues(self.at))
        return max((int(note) + 1 for note in notes if note.isdecimal()), default=0)

    async def newest(self, service: QueueService) -> tuple[str, QueuePair] | None:
        """Returns the newest pair that exists, with its name; None when there is none.

        The pair of the last note may not exist, because the process that wrote the note may have died before it made
        the pair.
        """
        for note in reversed(await list_names(self.store, keys.queues(self.at))):
            name = await self._noted(note)
            pair = None if name is None else await service.open(name)
            if name is not None and pair is not None:
                return name, pair
        return None

    async def _noted(self, note: str) -> str | None:
        """Returns the name in this note; None when it is not the name of the pair that would be made for this note.

        DamagedRecordError when the note cannot be read.
        """
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
    """Logs a warning once for each note, since every note is read again every few seconds."""
    log.warning("%s: names the queue %s, which no run in this store has made here; it is left alone", key, name[:200])


@dataclass(slots=True)
class _InUse:
    """The pair of a step that is in use, as far as this process knows."""

    notes: _Notes
    service: QueueService
    name: str
    pair: QueuePair

    @property
    def following(self) -> QueuePair:
        """A pair whose calls always go to the pair in use at the time of the call."""
        return QueuePair(_FollowingQueue(self, lambda pair: pair.main), _FollowingQueue(self, lambda pair: pair.dead))

    def as_step_queues(self, *, filled: bool) -> StepQueues:
        return StepQueues(self.name, self.following, filled, self.follow)

    async def renew(self, gone: QueuePair) -> bool:
        """Returns whether another pair than `gone` is in use now; looks for the newest pair when `gone` was in use.

        QueueError when the newest pair cannot be found out.
        """
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
        """Switches to the newest pair and removes the one before, whose messages are sent again."""
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
    """One queue of the pair in use. After a switch, receipts of the old pair are treated like stale receipts."""

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
