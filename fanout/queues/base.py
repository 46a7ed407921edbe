"""The queue port: the few things the services need of a message queue, in SQS's words, with the promise each makes.

Three adapters hold it: `fanout.queues.sqlite` (embedded), `fanout.queues.sqs` and `fanout.queues.bucket` (in the
store). One contract suite proves all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Delivery(NamedTuple):
    """One receipt of one message: good until its visibility runs out, unless extended.

    A tuple, since there is at least one for every mini-batch: it is made in half of the time of a frozen dataclass.
    """

    body: str
    receipt: str
    receive_count: int  # 1 on the first delivery


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue holds: visible, in flight, and delayed. On SQS an estimate."""

    visible: int
    held: int
    delayed: int

    @property
    def total(self) -> int:
        return self.visible + self.held + self.delayed


class Queue(Protocol):
    """At-least-once delivery of text messages, in no promised order."""

    depth_lag: float
    """Seconds that `depth` may lag behind the truth; 0 where counts are exact."""

    async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
        """All of `bodies` are in the queue, due after `delay` seconds, when this returns; else QueueError."""
        ...

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        """Up to `limit` messages, each hidden from others for the queue's visibility.

        Waits up to `wait` seconds for the first one; [] when there is nothing just now. A message received more
        often than the queue's max_receives moves to the dead-letter queue instead of being delivered.
        """
        ...

    async def extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Each of `held` stays hidden for `seconds` from now; returns those this receiver no longer holds."""
        ...

    async def delete(self, done: Sequence[Delivery]) -> None:
        """These never come back. Call only after the result is durable. A stale receipt is no error."""
        ...

    async def depth(self) -> Depth:
        """How many messages there are; see `depth_lag`."""
        ...


@dataclass(frozen=True, slots=True)
class QueuePair:
    """A step's queue and the dead-letter queue behind it."""

    main: Queue
    dead: Queue


class QueueService(Protocol):
    """Where queues are made, found and removed."""

    async def create(self, name: str, *, visibility: float, max_receives: int) -> QueuePair:
        """The pair exists with these settings; making it again with the same settings is no error."""
        ...

    async def open(self, name: str) -> QueuePair | None:
        """The pair that was created under this name; None when there is none (any more)."""
        ...

    async def remove(self, name: str) -> None:
        """The pair is gone, with all its messages; no error when it was gone already."""
        ...

    async def names(self, prefix: str) -> list[str]:
        """The names of the pairs that begin with `prefix`, in order; on SQS as its own names, which may be cut."""
        ...

    async def close(self) -> None:
        """Connections are given back."""
        ...
