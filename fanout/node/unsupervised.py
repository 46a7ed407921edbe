"""A node that an engine has placed leaves when no process looks after its step any more: it would cost, for nothing.

Which process that is does not matter. It writes over an object every few seconds, and a node takes a change as a sign
of life, by its own clock.
"""

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from fanout.clock import Clock
from fanout.errors import StoreError
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read
from fanout.tasks import beside, every

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.node.dispatch.agent import Node

log = logging.getLogger(__name__)

SIGNS_EVERY = 15.0
"""Seconds between two signs of life of a supervisor."""


@contextlib.asynccontextmanager
async def drained_when_alone(
    node: "Node", store: "ObjectStore", at: StepRound, clock: Clock, limit: float | None
) -> AsyncIterator[None]:
    """Drains the node when there was no sign of life for `limit` seconds; None: it is not looked for."""
    if limit is None:
        yield
        return
    sign: object = None
    since = clock.monotonic()

    async def look() -> None:
        nonlocal sign, since
        with contextlib.suppress(StoreError):  # no answer says nothing about supervisors
            found = await read(store, keys.supervised_json(at))
            if found != sign:
                sign, since = found, clock.monotonic()
        if clock.monotonic() - since >= limit:
            log.warning("no process looks after this run any more; leaving")
            node.drain()

    async with beside(every(min(SIGNS_EVERY, limit / 4), look, clock), "looking for a supervisor"):
        yield
