"""Queues in memory with SQS's rules on a clock: visibility, receive count, delay and dead letters."""

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fanout.clock import Clock
from fanout.errors import QueueError, QueueGoneError
from fanout.queues.base import Delivery, Depth, QueuePair


@dataclass(eq=False)
class Stored:
    """One message: when it is due, and its latest receipt."""

    number: int
    body: str
    due: float
    receives: int = 0
    receipt: str = ""


@dataclass(eq=False)
class MemoryQueue:
    """One queue of a pair; see `fanout.queues.base.Queue` for its promises."""

    clock: Clock
    visibility: float
    max_receives: int | None = None
    dead: "MemoryQueue | None" = None
    chance: random.Random | None = None  # in any order; None: the oldest first
    depth_lag: float = 0.0
    tokens: "itertools.count[int]" = field(default_factory=itertools.count)  # one for all queues: receipts are unique
    gone: bool = False
    _messages: dict[int, Stored] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)
    _totals: list[tuple[float, int]] = field(default_factory=list)

    async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
        self.put(bodies, delay)

    def put(self, bodies: Iterable[str], delay: float = 0) -> None:
        self._check()
        for body in bodies:
            number = next(self._numbers)
            self._messages[number] = Stored(number, body, self.clock.monotonic() + delay)
        self._changed()

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        deadline = self.clock.monotonic() + wait
        while True:
            self._check()
            if (found := self.take(limit)) or self.clock.monotonic() >= deadline:
                return found
            await self.clock.sleep(max(0.001, min(0.1, deadline - self.clock.monotonic())))

    def take(self, limit: int) -> list[Delivery]:
        """Up to `limit` messages that are due; those received too often become dead letters on the way."""
        self._check()
        now = self.clock.monotonic()
        due = [message for message in self._messages.values() if message.due <= now]
        if self.chance is not None:
            self.chance.shuffle(due)
        else:
            due.sort(key=lambda message: (message.due, message.number))
        found: list[Delivery] = []
        for message in due:
            if len(found) == limit:
                break
            if self.dead is not None and self.max_receives is not None and message.receives >= self.max_receives:
                del self._messages[message.number]
                self.dead.put([message.body])
                continue
            message.receives += 1
            message.receipt, message.due = f"{message.number}-{next(self.tokens)}", now + self.visibility
            found.append(Delivery(message.body, message.receipt, message.receives))
        self._changed()
        return found

    async def extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        return self.prolong(held, seconds)

    def prolong(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        self._check()
        now, lost = self.clock.monotonic(), []
        for delivery in held:
            message = self._of(delivery)
            if message is None or message.due <= now:
                lost.append(delivery)
            else:
                message.due = now + seconds
        return lost

    async def delete(self, done: Sequence[Delivery]) -> None:
        self.remove(done)

    def remove(self, done: Sequence[Delivery]) -> list[Delivery]:
        """Those that were really there."""
        self._check()
        there = [delivery for delivery in done if self._of(delivery) is not None]
        for delivery in there:
            del self._messages[_number(delivery)]
        self._changed()
        return there

    async def depth(self) -> Depth:
        self._check()
        now, messages = self.clock.monotonic(), self._messages.values()
        held = sum(m.due > now and m.receives > 0 for m in messages)
        delayed = sum(m.due > now and m.receives == 0 for m in messages)
        return Depth(len(messages) - held - delayed, held, delayed)

    @property
    def something_due(self) -> bool:
        """Whether a receiver would get something now."""
        now = self.clock.monotonic()
        return any(message.due <= now for message in self._messages.values())

    @property
    def bodies(self) -> list[str]:
        """What is in it, as a person with access to the queue would see it."""
        return [message.body for message in self._messages.values()]

    def old_total(self, seconds: float) -> int:
        """How many messages there were so long ago."""
        before = [total for at, total in self._totals if at <= self.clock.monotonic() - seconds]
        return before[-1] if before else 0

    def purge(self) -> None:
        self._messages.clear()
        self._changed()

    def due_at_once(self, delivery: Delivery) -> None:
        """The message of this delivery is visible still, as if nobody had received it."""
        if (message := self._of(delivery)) is not None:
            message.due = self.clock.monotonic()

    def _of(self, delivery: Delivery) -> Stored | None:
        message = self._messages.get(_number(delivery))
        return message if message is not None and message.receipt == delivery.receipt else None

    def _changed(self) -> None:
        if self.depth_lag:
            self._totals.append((self.clock.monotonic(), len(self._messages)))

    def _check(self) -> None:
        if self.gone:
            raise QueueGoneError("the queue no longer exists")


def _number(delivery: Delivery) -> int:
    return int(delivery.receipt.partition("-")[0])


@dataclass(eq=False)
class MemoryQueueService:
    """Queue pairs in memory."""

    clock: Clock
    chance: random.Random | None = None
    depth_lag: float = 0.0
    tokens: "itertools.count[int]" = field(default_factory=itertools.count)
    pairs: dict[str, tuple[MemoryQueue, MemoryQueue]] = field(default_factory=dict)

    async def create(self, name: str, *, visibility: float, max_receives: int) -> QueuePair:
        return QueuePair(*self.make(name, visibility, max_receives))

    def make(self, name: str, visibility: float, max_receives: int) -> tuple[MemoryQueue, MemoryQueue]:
        if name not in self.pairs:
            dead = MemoryQueue(self.clock, visibility, None, None, self.chance, self.depth_lag, self.tokens)
            main = MemoryQueue(self.clock, visibility, max_receives, dead, self.chance, self.depth_lag, self.tokens)
            self.pairs[name] = main, dead
        main, dead = self.pairs[name]
        if (main.visibility, main.max_receives) != (visibility, max_receives):
            raise QueueError(f"queue {name} exists with visibility {main.visibility:g} s; remove it first")
        return main, dead

    async def open(self, name: str) -> QueuePair | None:
        return QueuePair(*self.pairs[name]) if name in self.pairs else None

    async def remove(self, name: str) -> None:
        self.drop(name)

    async def names(self, prefix: str) -> list[str]:
        return sorted(name for name in self.pairs if name.startswith(prefix))

    def drop(self, name: str) -> None:
        for queue in self.pairs.pop(name, ()):
            queue.gone = True

    async def close(self) -> None:
        """There are no connections."""

    def purge(self) -> None:
        """Every message that is not a dead letter is gone."""
        for main, _ in self.pairs.values():
            main.purge()
