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

from fanout.errors import DamagedRecordError, QueueGoneError
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
    """The pair in use; `filled` when every message has been sent to it."""

    name: str
    pair: QueuePair
    filled: bool


def queue_name(store_uri: str, at: StepRound, number: int) -> str:
    """The pair's name: readable, and different for runs of the same name in different stores."""
    place = hashlib.sha256(store_uri.encode()).hexdigest()[:6]
    round_ = "" if at.round == 1 else f"-r{at.round}"
    return f"fanout-{place}-{at.run}-{at.step}{round_}-{number}"


async def open_queues(store: "ObjectStore", service: QueueService, at: StepRound) -> QueuePair | None:
    """The pair in use, for nodes; None when there is none (any more)."""
    name = await _last_name(store, at)
    pair = None if name is None else await service.open(name)
    return None if name is None or pair is None else _following(store, service, at, name, pair)


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
            return StepQueues(last, _following(store, service, at, last, pair), filled=True)
    name = queue_name(store_uri, at, len(notes))
    # The note comes first: of a queue that is not noted nobody would know that it has to be removed.
    await create(store, keys.queue(at, len(notes)), json.dumps({"name": name}).encode())
    pair = await service.create(name, visibility=visibility, max_receives=max_receives)
    if last is not None:
        await service.remove(last)  # only now: whoever finds it gone must find another one noted
    if await _last_name(store, at) != name:  # nodes look at the newest pair only, and its maker may have died
        await service.remove(name)
        return await take_queues(store, service, at, store_uri, visibility=visibility, max_receives=max_receives)
    return StepQueues(name, _following(store, service, at, name, pair), filled=False)


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

    async def renew(self, gone: QueuePair) -> bool:
        """Whether there is another pair than the one that is `gone`."""
        if self.pair is not gone:
            return True
        name = await _last_name(self.store, self.at)
        pair = None if name is None or name == self.name else await self.service.open(name)
        if name is None or pair is None:
            return False
        log.info("step %s has another queue now: %s", self.at.step, name)
        self.name, self.pair = name, pair
        return True


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


def _following(store: "ObjectStore", service: QueueService, at: StepRound, name: str, pair: QueuePair) -> QueuePair:
    in_use = _InUse(store, service, at, name, pair)
    return QueuePair(_FollowingQueue(in_use, lambda pair: pair.main), _FollowingQueue(in_use, lambda pair: pair.dead))
