"""Renews what a process holds, so that it stays hidden from others: the one renewal of nodes, workers and triggers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from fanout.clock import Clock
from fanout.errors import QueueError
from fanout.queues.base import Delivery, Queue
from fanout.tasks import every

RENEWALS = 3
"""Renewals in a visibility: one or two may fail before what is held comes to others."""


async def renew(queue: Queue, held: Sequence[Delivery], visibility: float) -> list[Delivery]:
    """Stays hidden for `visibility` seconds from now: all of `held` but those that are returned, which are lost.

    QueueError when the queue refuses, or does not answer before the next renewal is due.
    """
    if not held:
        return []
    try:
        async with asyncio.timeout(visibility / RENEWALS):
            return await queue.extend(held, visibility)
    except TimeoutError:
        raise QueueError("no answer") from None


async def renew_regularly(renewal: Callable[[], Awaitable[object]], visibility: float, clock: Clock) -> NoReturn:
    """Does `renewal` as often as a visibility of so many seconds asks for, until it is cancelled."""
    await every(visibility / RENEWALS, renewal, clock)
