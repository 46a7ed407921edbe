"""The queue `bucket:` of a world: the product's own, in the world's store, and what happens in it as history."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import obstore

from fanout.queues.base import Delivery, Depth, Queue, QueuePair
from fanout.queues.bucket.service import BucketQueueService
from fanout.queues.bucket.state import PackState, decode, decode_bodies
from tests.simulation.loop import PROCESS, Process
from tests.simulation.ports.objects import Bucket
from tests.simulation.ports.queues import about
from tests.simulation.world import World, WorldClock


@dataclass(eq=False)
class NotedQueue:
    """A queue of a process of the world; what it delivers, and what is lost to it, is noted."""

    world: World
    inner: Queue
    name: str

    @property
    def depth_lag(self) -> float:
        return self.inner.depth_lag

    async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
        await self.inner.send(bodies, delay)

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        found = await self.inner.receive(limit, wait)
        for delivery in found:
            self.world.note("delivered", self.name, *about(delivery.body), delivery.receipt)
        return found

    async def extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        lost = await self.inner.extend(held, seconds)
        for delivery in lost:
            self.world.note("not held", self.name, *about(delivery.body), delivery.receipt)
        return lost

    async def delete(self, done: Sequence[Delivery]) -> None:
        await self.inner.delete(done)

    async def depth(self) -> Depth:
        return await self.inner.depth()


@dataclass(eq=False)
class BucketQueues:
    """The queues of a world that are in its store. Each process has a service of its own, as it knows what it knows."""

    world: World
    bucket: Bucket
    max_receives: int
    _services: dict[Process | None, BucketQueueService] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bucket.watchers.append(self._watch)

    async def create(self, name: str, *, visibility: float, max_receives: int) -> QueuePair:
        made = await self._service().create(name, visibility=visibility, max_receives=max_receives)
        return self._noted(name, made)

    async def open(self, name: str) -> QueuePair | None:
        pair = await self._service().open(name)
        return None if pair is None else self._noted(name, pair)

    async def remove(self, name: str) -> None:
        await self._service().remove(name)

    async def names(self, prefix: str) -> list[str]:
        return await self._service().names(prefix)

    async def close(self) -> None:
        """There are no connections."""

    @property
    def pairs(self) -> list[str]:
        """The pairs that there are."""
        return [key.split("/")[1] for key in self.bucket.keys("messages") if key.endswith("/pair.json")]

    def purge(self) -> None:
        """Every message that is not a dead letter is gone."""
        for key in self.bucket.keys("messages"):
            if "/main/" in key:
                obstore.delete(self.bucket.inner, key)

    def _service(self) -> BucketQueueService:
        process = PROCESS.get()
        if process not in self._services:
            store = self.bucket
            self._services[process] = BucketQueueService(store, "s3://bucket", WorldClock(self.world))  # type: ignore[arg-type]
        return self._services[process]

    def _noted(self, name: str, pair: QueuePair) -> QueuePair:
        number = name.rpartition("-")[2]
        main, dead = f"q{number}", f"dead{number}"
        return QueuePair(NotedQueue(self.world, pair.main, main), NotedQueue(self.world, pair.dead, dead))

    def _watch(self, key: str, body: bytes) -> None:
        """What a new version of a pack means: messages that were sent, or that are done."""
        parts = key.split("/")
        if parts[0] != "messages" or len(parts) != 5:
            return
        _, pair, queue, pack, version = parts
        name = ("q" if queue == "main" else queue) + pair.rpartition("-")[2]
        count = int(pack.split("-")[2])
        if int(version) == 0:
            for text in decode_bodies(body, count, key):
                self.world.note("sent", name, *about(text), f"+{pack.split('-')[3]}")
            return
        folder, state = key.rpartition("/")[0], decode(body, int(version), count, key)
        first = self.bucket.look(f"{folder}/{0:08d}")
        if first is not None:
            self._note_done(name, folder, decode_bodies(first, count, key), state)

    def _note_done(self, name: str, folder: str, bodies: list[str], state: PackState) -> None:
        before = self._before(folder, state)
        for message in sorted(state.done - before.done):
            if name.startswith("q") and before.receives[message] > self.max_receives:
                continue  # it has become a dead letter
            token = next(claim.token for claim, held in before.claims.items() if message in held)
            what = "deleted copy" if '"copy":' in bodies[message] else "deleted"
            receipt = f"{folder.rpartition('/')[2]}:{message}:{token}"
            self.world.note(what, name, *about(bodies[message]), receipt)

    def _before(self, folder: str, state: PackState) -> PackState:
        count, version = len(state.receives), state.version - 1
        body = self.bucket.look(f"{folder}/{version:08d}")
        return PackState.new(count) if version == 0 or body is None else decode(body, version, count, folder)
