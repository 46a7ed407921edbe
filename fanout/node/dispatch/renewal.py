"""Renews the leases of everything a node holds, started or not, so that it stays hidden from other nodes."""

import asyncio
import logging

from fanout.clock import Clock
from fanout.errors import QueueError
from fanout.queues.base import Queue
from fanout.slot.lease import LeaseTable

log = logging.getLogger(__name__)


async def renew_leases(queue: Queue, leases: LeaseTable, visibility: float, clock: Clock) -> None:
    """Extends all holdings by `visibility` seconds, three times as often as needed, until canceled."""
    while True:
        await clock.sleep(visibility / 3)
        await renew_once(queue, leases, visibility, clock)


async def renew_once(queue: Queue, leases: LeaseTable, visibility: float, clock: Clock) -> None:
    """One extension. A queue that does not answer before the next one is a warning: what runs out meanwhile is lost."""
    lease = [h for h in leases.all() if not h.lost]
    if not lease:
        return
    expires = clock.monotonic() + visibility
    try:
        async with asyncio.timeout(visibility / 3):
            gone = await queue.extend([h.delivery for h in lease], visibility)
    except (QueueError, TimeoutError) as exc:
        log.warning("leases could not be renewed, will try again: %s", str(exc) or "no answer")
        return
    for lost in leases.extended(lease, gone, expires):
        log.warning("mini-batch %d is no longer held by this node", lost.message.index)
