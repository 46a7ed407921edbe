"""A node says every few seconds what it does: in the store, for `fanout status`, and to the terminal it runs in."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from obstore.store import ObjectStore

from fanout.clock import Clock
from fanout.errors import StoreError
from fanout.node.dispatch.agent import Leaving, Node
from fanout.records.node_status import WRITE_EVERY, NodeStatus, Running, write_status
from fanout.storage.keys import StepRound
from fanout.tasks import every

log = logging.getLogger(__name__)

LAST_LIMIT = 2.0
"""Seconds in which a node that leaves says so; after that it leaves all the same."""


@dataclass(slots=True)
class Reporter:
    """Writes the status of one node; `on_status` hears each of them, too. `left`: why it leaves a step that goes on."""

    node: Node
    number: int
    at: StepRound
    store: ObjectStore
    clock: Clock
    on_status: Callable[[NodeStatus], None] = lambda _: None
    left: str | None = None
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock.now()

    def look(self) -> NodeStatus:
        """What the node does now."""
        node = self.node
        return NodeStatus(
            node=self.number,
            host=socket.gethostname(),
            pid=os.getpid(),
            started=self._started,
            at=self.clock.now(),
            slots=len(node.slots),
            starting=sum(not slot.ready for slot in node.slots),
            waiting=node.waiting,
            done=node.done,
            failed=node.failed,
            running=tuple(_running(node)),
            left=self.left,
        )

    async def report(self) -> None:
        """One status; that it cannot be written is worth a line in the log, and nothing more."""
        status = self.look()
        if status.left is None:
            self.on_status(status)
        try:
            await write_status(self.store, self.at, status)
        except StoreError as exc:
            log.info("the status of this node could not be written: %s", exc)


LEFT = {
    Leaving.DRAINED: "was asked to leave",
    Leaving.GAVE_UP: "gave up: the entry script cannot be started on it",
    Leaving.FENCED: "is fenced: everything fails on it, and not on other nodes",
    Leaving.FAILED: "left because of an internal error",
}


def _running(node: Node) -> list[Running]:
    found = [(slot.process_name, *slot.current) for slot in node.slots if slot.current is not None]
    return [Running(process, lease.message.index, lease.message.attempt, since) for process, lease, since in found]


@contextlib.asynccontextmanager
async def status_written(reporter: Reporter, clock: Clock) -> AsyncIterator[None]:
    """While the context lasts, the node's status is written every few seconds; at the end why it left."""
    writing = asyncio.create_task(every(WRITE_EVERY, reporter.report, clock, first=0.0))
    try:
        yield
    finally:
        writing.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_LIMIT):
                await asyncio.gather(writing, return_exceptions=True)
                if reporter.left is not None:
                    await reporter.report()
