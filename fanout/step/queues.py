"""Which queue pair a step uses. Noted in the store, because a step may need a second one.

A supervisor that died while it sent messages leaves a queue of which nobody knows what it holds. Whoever goes on takes
a new pair and sends to it what has no outcome yet, so that no mini-batch is in two messages. Others that still use the
old pair, nodes and a supervisor that was not dead after all, follow to the new one when theirs is gone.
"""

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from fanout.errors import DamagedRecordError, QueueError, QueueGoneError, StoreError
from fanout.queue.port import Delivery, Depth, Queue, QueuePair, QueueService
from fanout.store import checked, keys
from fanout.store.keys import StepRound
from fanout.store.objects import create, list_names, put, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore


log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StepQueues:
    """The pair in use; `filled` when every message has been sent to it.

    `follow` makes the newest pair the one in use, and removes the one before. Whoever supervises calls it now and then:
    nodes that start look at the newest pair only, and its maker may have died before it sent anything.
    """

    name: str
    pair: QueuePair
    filled: bool
    follow: Callable[[], Awaitable[None]]


def queue_name(store_uri: str, at: StepRound, number: int) -> str:
    """The pair's name: readable, and different for runs of the same name in different stores."""
    place = hashlib.sha256(store_uri.encode()).hexdigest()[:6]
    round_ = "" if at.round == 1 else f"-r{at.round}"
    return f"fanout-{place}-{at.run}-{at.step}{round_}-{number}"


async def open_queues(store: "ObjectStore", service: QueueService, at: StepRound) -> QueuePair | None:
    """The pair in use, for nodes; None when there is none (any more)."""
    newest = await _newest(store, service, at)
    return None if newest is None else _InUse(store, service, at, *newest).following


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
    notes = await list_names(store, keys.queues(at))
    last = await _noted(store, keys.queues(at) + notes[-1]) if notes else None
    if last is not None and await read(store, keys.published_json(at)) == last.encode():
        pair = await service.open(last)
        if pair is not None:
            return _InUse(store, service, at, last, pair).as_step_queues(filled=True)
    name = queue_name(store_uri, at, len(notes))
    # The note comes first: of a queue that is not noted nobody would know that it has to be removed.
    await create(store, keys.queue(at, len(notes)), json.dumps({"name": name}).encode())
    pair = await service.create(name, visibility=visibility, max_receives=max_receives)
    if last is not None:
        await service.remove(last)  # only now: whoever finds it gone must find another one noted
    if await _last_name(store, at) != name:  # nodes look at the newest pair only, and its maker may have died
        await service.remove(name)
        return await take_queues(store, service, at, store_uri, visibility=visibility, max_receives=max_receives)
    return _InUse(store, service, at, name, pair).as_step_queues(filled=False)


async def note_filled(store: "ObjectStore", at: StepRound, name: str) -> None:
    """From here on the pair holds, or has held, a message for every mini-batch; no news of one that was replaced."""
    if await _last_name(store, at) == name:
        await put(store, keys.published_json(at), name.encode())


async def remove_queues(store: "ObjectStore", service: QueueService, at: StepRound) -> None:
    """None of the step's queues is left: of two supervisors at once the slower may have made an earlier one again."""
    for note in await list_names(store, keys.queues(at)):
        name = await _noted(store, keys.queues(at) + note)
        if name is not None:
            await service.remove(name)


async def _newest(store: "ObjectStore", service: QueueService, at: StepRound) -> tuple[str, QueuePair] | None:
    """The newest pair that is there; that of the last note need not be: its maker may have died."""
    for note in reversed(await list_names(store, keys.queues(at))):
        name = await _noted(store, keys.queues(at) + note)
        pair = None if name is None else await service.open(name)
        if name is not None and pair is not None:
            return name, pair
    return None


async def _last_name(store: "ObjectStore", at: StepRound) -> str | None:
    notes = await list_names(store, keys.queues(at))
    return await _noted(store, keys.queues(at) + notes[-1]) if notes else None


async def _noted(store: "ObjectStore", key: str) -> str | None:
    body = await read(store, key)
    try:
        return None if body is None else checked.text(checked.parse(body)["name"], "name")
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise DamagedRecordError(f"{key}: not the note of a queue: {type(exc).__name__}: {exc}") from exc


@dataclass(slots=True)
class _InUse:
    """The pair of a step that is in use as far as this process knows."""

    store: "ObjectStore"
    service: QueueService
    at: StepRound
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
            newest = await _newest(self.store, self.service, self.at)
        except StoreError as exc:  # whoever asks a queue for something can answer to trouble with queues
            raise QueueError(f"queue {self.name} is gone, and which is used now cannot be told: {exc}") from exc
        if newest is None or newest[0] == self.name:
            return False
        self._use(*newest)
        return True

    async def follow(self) -> None:
        """Uses the newest pair from here on, and removes the one before: its messages are sent again."""
        if await _last_name(self.store, self.at) == self.name:
            return
        newest = await _newest(self.store, self.service, self.at)
        if newest is not None and newest[0] != self.name:
            before = self.name
            self._use(*newest)
            await self.service.remove(before)

    def _use(self, name: str, pair: QueuePair) -> None:
        log.info("step %s has another queue now: %s", self.at.step, name)
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
