"""Renews the leases of everything a node holds, started or not, so that it stays hidden from other nodes."""

import logging

from fanout.clock import Clock
from fanout.errors import QueueError
from fanout.queues.base import Queue
from fanout.queues.renewal import renew, renew_regularly
from fanout.slot.lease import LeaseTable

log = logging.getLogger(__name__)


async def renew_leases(queue: Queue, leases: LeaseTable, visibility: float, clock: Clock) -> None:
    """Renews all leases of a node by `visibility` seconds, until it is cancelled."""
    await renew_regularly(lambda: renew_once(queue, leases, visibility, clock), visibility, clock)


async def renew_once(queue: Queue, leases: LeaseTable, visibility: float, clock: Clock) -> None:
    """One renewal. A queue that does not answer before the next one is a warning: what runs out meanwhile is lost."""
    held = [lease for lease in leases.all() if not lease.lost]
    expires = clock.monotonic() + visibility
    try:
        gone = await renew(queue, [lease.delivery for lease in held], visibility)
    except QueueError as exc:
        log.warning("leases could not be renewed, will try again: %s", exc)
        return
    for lost in leases.extended(held, gone, expires):
        log.warning("mini-batch %d is no longer held by this node", lost.message.index)
