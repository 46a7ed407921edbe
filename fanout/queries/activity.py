"""What works on a step just now: its living nodes, what runs on them since when, and what waits in its queue."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from fanout.clock import SystemClock
from fanout.errors import FanoutError
from fanout.formatting import duration, many, number, printable
from fanout.queues.base import Depth, QueueService
from fanout.queues.step_queues import open_queues
from fanout.records.node_registration import registered
from fanout.records.node_status import SeenNode, read_statuses
from fanout.results.fences import Fence, read_fences
from fanout.storage.keys import StepRound

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_NODES = 12
MOST_RUNNING = 4


@dataclass(frozen=True, slots=True)
class Activity:
    """The nodes of a step by what they said last, and its queue; None where nobody can tell. `joined`: ever."""

    joined: int = 0
    seen: tuple[SeenNode, ...] = ()
    fences: tuple[Fence, ...] = ()
    queue: Depth | None = None
    dead_letters: int | None = None

    @property
    def alive(self) -> tuple[SeenNode, ...]:
        return tuple(node for node in self.seen if node.alive)

    def summary(self) -> Iterator[str]:
        """For the line of the step."""
        if self.seen:
            gone = len(self.seen) - len(self.alive)
            yield f"{many(len(self.alive), 'node')} at work" + (f", {number(gone)} gone" if gone else "")
        elif self.joined:
            yield many(self.joined, "node") + " so far"

    def lines(self) -> Iterator[str]:
        """For the lines below it."""
        if self.queue is not None:
            waiting = self.queue.visible + self.queue.delayed
            letters = f", {many(self.dead_letters, 'dead letter')}" if self.dead_letters else ""
            yield f"queue: {number(waiting)} waiting, {number(self.queue.held)} with nodes{letters}"
        for node in self.alive[:MOST_NODES]:
            yield printable(_node_line(node))
        if (more := len(self.alive) - MOST_NODES) > 0:
            yield f"and {many(more, 'more node')}"
        yield from (printable(f"node {n.status.node} ({n.status.host}): {_gone(n)}") for n in self.seen if not n.alive)
        yield from (printable(f"{fence}; what failed on it does not count") for fence in self.fences)

    def fields(self) -> dict[str, object]:
        """For programs."""
        return {
            "alive_nodes": len(self.alive),
            "node_list": [{**asdict(n.status), "alive": n.alive, "age": round(n.age, 1)} for n in self.seen],
            "fenced": [asdict(fence) for fence in self.fences],
            "queue": None if self.queue is None else asdict(self.queue),
            "dead_letters": self.dead_letters,
        }


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


def _node_line(node: SeenNode) -> str:
    status = node.status
    failed = f", {number(status.failed)} failed" if status.failed else ""
    running = sorted(status.running, key=lambda one: one.since)
    what = [f"mini-batch {one.index} for {duration(node.seconds(one))}" for one in running[:MOST_RUNNING]]
    if (more := len(running) - MOST_RUNNING) > 0:
        what.append(f"{number(more)} more")
    if status.starting:
        what.append(f"{many(status.starting, 'slot')} starting")
    return f"node {status.node} ({status.host}): {number(status.done)} done{failed}; {', '.join(what) or 'idle'}"


def _gone(node: SeenNode) -> str:
    return node.status.left or f"gone: nothing was heard of it for {duration(node.age)}"
