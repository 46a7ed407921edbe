"""What works on a step just now: its living nodes, what runs on them since when, and what waits in its queue."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.clock import SystemClock
from fanout.errors import FanoutError
from fanout.queues.base import Depth, QueueService
from fanout.queues.step_queues import open_queues
from fanout.records.node_registration import registered
from fanout.records.node_status import SeenNode, read_statuses
from fanout.results.fences import Fence, read_fences
from fanout.storage.keys import StepRound

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Activity:
    """The nodes of a step by their last status, and its queue; None where unknown. `joined`: nodes that ever joined."""

    joined: int = 0
    seen: tuple[SeenNode, ...] = ()
    fences: tuple[Fence, ...] = ()
    queue: Depth | None = None
    dead_letters: int | None = None

    @property
    def alive(self) -> tuple[SeenNode, ...]:
        return tuple(node for node in self.seen if node.alive)


async def read_activity(store: "ObjectStore", service: QueueService | None, at: StepRound, store_uri: str) -> Activity:
    """What can be known of a step that is under way; a queue that does not answer is left out."""
    joined, seen = len(await registered(store, at)), await read_statuses(store, at, SystemClock().now())
    queue, dead = None, None
    try:
        pair = None if service is None else await open_queues(store, service, at, store_uri)
        if pair is not None:
            queue, dead = await pair.main.depth(), (await pair.dead.depth()).total
    except FanoutError:
        queue, dead = None, None
    return Activity(joined, seen, await read_fences(store, at), queue, dead)
