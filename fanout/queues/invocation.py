"""The deliveries of one invocation as a queue: AWS Lambda has received them and passes them to a function.

AWS Lambda deletes what the function does not report as failed. So `delete` only notes that a delivery is done; sending
and extending go to the real queue.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from fanout.queues.base import Delivery, Depth, Queue


class InvocationQueue:
    """See `fanout.queues.base.Queue`; receives nothing but what is handed over."""

    def __init__(self, behind: Queue) -> None:
        self.depth_lag = behind.depth_lag
        self._behind = behind
        self._waiting: deque[Delivery] = deque()
        self._taken: list[Delivery] = []  # by the last receive: maybe not looked at yet
        self._arrived, self._changed = asyncio.Event(), asyncio.Event()
        self._done: set[str] = set()

    def hand_over(self, deliveries: Sequence[Delivery]) -> None:
        """These can be received from here on."""
        self._waiting.extend(deliveries)
        self._arrived.set()

    @property
    def on_its_way(self) -> bool:
        """Whether deliveries wait here, or were received so recently that the receiver may not have taken them over
        yet."""
        return bool(self._waiting or self._taken)

    def is_done(self, delivery: Delivery) -> bool:
        """Whether the delivery was deleted: its result is durable, or it was sent anew."""
        return delivery.receipt in self._done

    def forget(self, deliveries: Sequence[Delivery]) -> None:
        """Forgets these deliveries."""
        self._done.difference_update(delivery.receipt for delivery in deliveries)

    async def changed(self, seconds: float) -> None:
        """Returns when something was deleted, or after `seconds`."""
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        self._taken = []
        if not self._waiting:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), wait)
            except TimeoutError:
                return []
        self._taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        return list(self._taken)

    async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
        await self._behind.send(bodies, delay)

    async def extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """As the port says. What still waits here is extended with it, and is dropped when its lease is lost."""
        gone = {d.receipt for d in await self._behind.extend([*held, *self._waiting], seconds)}
        self._waiting = deque(delivery for delivery in self._waiting if delivery.receipt not in gone)
        return [delivery for delivery in held if delivery.receipt in gone]

    async def delete(self, done: Sequence[Delivery]) -> None:
        self._done.update(delivery.receipt for delivery in done)
        self._changed.set()

    async def depth(self) -> Depth:
        return await self._behind.depth()
