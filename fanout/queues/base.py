"""The queue port: the few operations that fanout needs of a message queue, in SQS's words, each with its promise.

Three adapters implement it: `fanout.queues.sqlite` (embedded), `fanout.queues.sqs` and `fanout.queues.bucket` (in the
store). One contract suite tests all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Delivery(NamedTuple):
    """One receipt of one message; it is valid until its visibility runs out, unless that is extended.

    It is a tuple because there is at least one for every mini-batch, and a tuple is made in half of the time of a
    frozen dataclass.
    """

    body: str
    receipt: str
    receive_count: int  # 1 on the first delivery


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue holds: visible, held (in flight) and delayed. On SQS these are estimates."""

    visible: int
    held: int
    delayed: int

    @property
    def total(self) -> int:
        return self.visible + self.held + self.delayed


class Queue(Protocol):
    """A queue of text messages with at-least-once delivery, in no promised order."""

    depth_lag: float
    """Seconds that `depth` may lag behind the truth; 0 where counts are exact."""

    async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
        """Sends all of `bodies`, due after `delay` seconds.

        When it returns, all of them are in the queue; else it raises QueueError.
        """
        ...

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        """Receives up to `limit` messages; each is hidden from other receivers for the queue's visibility.

        Waits up to `wait` seconds for the first message; returns [] when there is none just now. A message received
        more often than the queue's max_receives moves to the dead-letter queue instead of being delivered.
        """
        ...

    async def extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Hides each of `held` for `seconds` from now; returns the deliveries that this receiver no longer holds."""
        ...

    async def delete(self, done: Sequence[Delivery]) -> None:
        """Deletes these messages for good. Call it only after the result is durable. A stale receipt is no error."""
        ...

    async def depth(self) -> Depth:
        """Returns how many messages there are; the numbers may lag behind by `depth_lag` seconds."""
        ...


@dataclass(frozen=True, slots=True)
class QueuePair:
    """The queue of a step and its dead-letter queue."""

    main: Queue
    dead: Queue


class QueueService(Protocol):
    """Creates, opens and removes queue pairs."""

    async def create(self, name: str, *, visibility: float, max_receives: int) -> QueuePair:
        """Creates the pair with these settings; creating it again with the same settings is no error."""
        ...

    async def open(self, name: str) -> QueuePair | None:
        """Returns the pair that was created under this name; None when there is none (any more)."""
        ...

    async def remove(self, name: str) -> None:
        """Removes the pair with all its messages; no error when it was gone already."""
        ...

    async def names(self, prefix: str) -> list[str]:
        """Returns the names of the pairs that begin with `prefix`, in order.

        On SQS these are SQS's own names, which may be cut.
        """
        ...

    async def close(self) -> None:
        """Closes the connections."""
        ...
