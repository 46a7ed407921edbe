"""What `fanout node` says while it works, line by line. Pure but for what it has said last."""

from collections.abc import Iterator
from dataclasses import dataclass

from fanout.formatting import duration, many, number
from fanout.node.dispatch.agent import Leaving
from fanout.records.node_status import NodeStatus

SELDOM = 10.0
"""Seconds between two lines about the same thing."""
WHY = {
    Leaving.FINISHED: "the step is over",
    Leaving.CANCELED: "the run is canceled",
    Leaving.DRAINED: "asked to leave; what had not started was requeued",
    Leaving.GAVE_UP: "gave up: the entry script cannot be started on this machine",
    Leaving.FENCED: "fenced: everything failed on this machine, and not on others; what failed here does not count",
    Leaving.FAILED: "an internal error",
}


@dataclass(slots=True)
class NodeLines:
    """The lines of one node."""

    _last: NodeStatus | None = None
    _newest: NodeStatus | None = None

    def of(self, status: NodeStatus) -> Iterator[str]:
        """What is worth saying now: that it has joined, then what has changed, every ten seconds at the most."""
        last, self._newest = self._last, status
        if last is None:
            slots = many(status.slots, "slot")
            yield f"joined as node {status.node} ({status.host}, process {status.pid}) with {slots}"
        elif status.at - last.at < SELDOM or _is_same(last, status):
            return
        else:
            yield _line(status)
        self._last = status

    def left(self, why: str) -> str:
        """The last line."""
        done = "" if self._newest is None else f"; {_ended(self._newest)}"
        return f"left: {why}{done}"


def _is_same(last: NodeStatus, status: NodeStatus) -> bool:
    return (last.done, last.running, last.starting) == (status.done, status.running, status.starting)


def _line(status: NodeStatus) -> str:
    parts = [_ended(status)]
    if status.starting:
        parts.append(f"{many(status.starting, 'slot')} starting")
    if status.running:
        longest = min(status.running, key=lambda one: one.since)
        parts.append(f"mini-batch {longest.index} runs for {duration(status.seconds(longest))}")
    elif not status.starting:
        parts.append("waiting for mini-batches")
    return ", ".join(parts)


def _ended(status: NodeStatus) -> str:
    failed = f", {number(status.failed)} failed" if status.failed else ""
    return f"{number(status.done)} done{failed}"
