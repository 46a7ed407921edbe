"""The queues of a world as its processes reach them: each batch of ten is a call, with all that may happen to one."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fanout.errors import QueueError
from fanout.queues.base import Delivery, Depth, QueuePair
from tests.simulation.ports.memory_queues import MemoryQueue, MemoryQueueService
from tests.simulation.world import World, WorldClock

BATCH = 10


@dataclass(eq=False)
class RemoteQueue:
    """A queue as a process of the world reaches it: in batches of ten, each a call of its own."""

    world: World
    inner: MemoryQueue
    name: str

    @property
    def depth_lag(self) -> float:
        return self.inner.depth_lag

    async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
        for at in range(0, len(bodies), BATCH):
            part = bodies[at : at + BATCH]
            await self._call("send", len(part), lambda part=part: self._send(part, delay))

    def _send(self, bodies: Sequence[str], delay: float) -> None:
        self.inner.put(bodies, delay)
        for body in bodies:
            self.world.note("sent", self.name, *self._about(body), f"+{delay:g}")

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        deadline = self.world.now + wait
        while True:
            found: list[Delivery] = await self._call("receive", limit, lambda: self._take(min(limit, BATCH)))
            if found or self.world.now >= deadline:
                return found
            await self._until_due(deadline)

    async def _until_due(self, deadline: float) -> None:
        # A long poll: the server answers when there is something, and asking costs nothing meanwhile.
        clock = WorldClock(self.world)
        while self.world.now < deadline and not self.inner.gone and not self.inner.something_due:
            await clock.sleep(min(0.1, max(0.001, deadline - self.world.now)))

    def _take(self, limit: int) -> list[Delivery]:
        kept = []
        for delivery in self.inner.take(limit):
            # A tick that is lost is work for a person; the messages of mini-batches are missed by who sent them.
            if self._about(delivery.body)[0] != "?" and self.world.happens(self.world.rates.lost):
                self.inner.remove([delivery])
                self.world.note("lost", self.name, *self._about(delivery.body))
                continue
            if self.world.happens(self.world.rates.doubled):
                self.inner.due_at_once(delivery)
                self.world.note("doubled", self.name, *self._about(delivery.body))
            self.world.note("delivered", self.name, *self._about(delivery.body), delivery.receipt)
            kept.append(delivery)
        return kept

    async def extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        lost: list[Delivery] = []
        for at in range(0, len(held), BATCH):
            part = held[at : at + BATCH]
            lost += await self._call("extend", len(part), lambda part=part: self._extend(part, seconds))
        return lost

    def _extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        lost = self.inner.prolong(held, seconds)
        for delivery in lost:
            self.world.note("not held", self.name, *self._about(delivery.body), delivery.receipt)
        return lost

    async def delete(self, done: Sequence[Delivery]) -> None:
        for at in range(0, len(done), BATCH):
            part = done[at : at + BATCH]
            await self._call("delete", len(part), lambda part=part: self._delete(part))

    def _delete(self, done: Sequence[Delivery]) -> None:
        there = {delivery.receipt for delivery in self.inner.remove(done)}
        for delivery in done:
            what = "stale delete"
            if delivery.receipt in there:  # nothing has to follow a second try beside the first
                what = "deleted copy" if '"copy":' in delivery.body else "deleted"
            self.world.note(what, self.name, *self._about(delivery.body), delivery.receipt)

    async def depth(self) -> Depth:
        exact = await self.inner.depth()
        total: int = await self._call("depth", "", lambda: exact.total)
        lag = self.depth_lag
        if lag and self.world.troubled:
            total = self.inner.old_total(self.world.chance.random() * lag)
        return Depth(visible=total, held=0, delayed=0)

    async def _call(self, what: str, about: object, act: Callable[[], Any]) -> Any:
        return await self.world.call(what, f"{self.name} {about}", act, QueueError)

    def _about(self, body: str) -> tuple[object, ...]:
        """Which mini-batch and attempt a message is about; what was forged is about none."""
        return ("?", "?") if body in self.world.forged else about(body)


@dataclass(eq=False)
class RemoteQueueService:
    """The service as processes of the world reach it."""

    world: World
    inner: MemoryQueueService

    async def create(self, name: str, *, visibility: float, max_receives: int) -> QueuePair:
        made = await self._call("create", name, lambda: self.inner.make(name, visibility, max_receives))
        return self._remote(name, *made)

    async def open(self, name: str) -> QueuePair | None:
        pair = await self._call("open", name, lambda: self.inner.pairs.get(name))
        return None if pair is None else self._remote(name, *pair)

    async def remove(self, name: str) -> None:
        await self._call("remove", name, lambda: self.inner.drop(name))

    async def names(self, prefix: str) -> list[str]:
        return await self.inner.names(prefix)

    async def close(self) -> None:
        """There are no connections."""

    def _remote(self, name: str, main: MemoryQueue, dead: MemoryQueue) -> QueuePair:
        number = name.rpartition("-")[2]
        return QueuePair(RemoteQueue(self.world, main, f"q{number}"), RemoteQueue(self.world, dead, f"dead{number}"))

    async def _call(self, what: str, name: str, act: Callable[[], Any]) -> Any:
        def noted() -> Any:
            done = act()
            self.world.note(f"{what} queue", name)
            return done

        return await self.world.call(what, f"queue {name}", noted, QueueError)


def about(body: str) -> tuple[object, ...]:
    """Which mini-batch and attempt a message is about."""
    try:
        fields = json.loads(body)
        return fields["index"], fields["attempt"]
    except (ValueError, KeyError, TypeError):
        return "?", "?"
