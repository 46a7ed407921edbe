"""How many nodes a step should have, when that may change while it goes on. Pure."""

import math
from dataclasses import dataclass

DONE_WITHIN = 60.0
"""Seconds: there are as many nodes as take so long for the backlog at the pace seen so far."""
DOUBLED_EVERY = 15.0
"""Seconds in which the number doubles as long as no mini-batch has ended, so that no pace is known."""
FEWER_BELOW = 0.75
"""Share of the nodes there are; a number above it does not end nodes, so that they do not come and go."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The fewest and the most nodes of a step."""

    min: int
    max: int

    @property
    def elastic(self) -> bool:
        """Whether the number may change."""
        return self.min != self.max


@dataclass(frozen=True, slots=True)
class Pace:
    """What nodes have done so far: mini-batches with an outcome, seconds that nodes ran, summed, and seconds so far."""

    settled: int = 0
    node_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def per_node(self) -> float | None:
        """Mini-batches a second of one node; None before the first has ended."""
        return self.settled / self.node_seconds if self.settled and self.node_seconds > 0 else None


def wanted_nodes(backlog: int, pace: Pace, there: int, bounds: Bounds) -> int:
    """How many nodes there should be, for `backlog` mini-batches without an outcome and `there` nodes placed now."""
    if backlog <= 0 or not bounds.elastic:
        return bounds.min
    wished = _for_backlog(backlog, pace)
    if FEWER_BELOW * there < wished < there:
        wished = there
    return max(bounds.min, min(bounds.max, backlog, max(1, wished)))


def _for_backlog(backlog: int, pace: Pace) -> int:
    if pace.per_node is None:
        return 1 << min(30, int(pace.seconds / DOUBLED_EVERY))
    return math.ceil(backlog / (pace.per_node * DONE_WITHIN))
