"""Stragglers: mini-batches that run far longer than the others at the end of a step (`speculate`). Pure.

When no message waits in the queue any more, some slots are idle while a few still work. A mini-batch that has been held
for a multiple of the time that the slowest others took is tried a second time, beside the first try. The try that
commits first counts.
"""

import random
from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field

from fanout.queues.base import Depth
from fanout.records.verdict import Counts
from fanout.results.codec import ResultIndex, Status

NEAR_END = 0.5
"""The part of all mini-batches that must have come to an end: before, it is not known how long they take."""
LEAST_AGE = 2.0
"""Seconds below which nothing is a straggler: a second try costs the start of its data, and often of a process."""
FACTOR = 3.0
"""How many times longer than nine tenths of the others a straggler has been held: most tails of a healthy step, where
the last mini-batches are merely the largest, stay below."""
SETTLING = 3.0
"""Seconds longer that an estimated count of messages must have been 0. It may be wrong for a minute, but that is not
waited for: a wrong estimate costs second tries, and nothing else."""
SAMPLE = 500
"""Durations that are kept to know how long mini-batches take, chosen evenly from all."""


@dataclass(slots=True)
class Durations:
    """An even sample of how long successful attempts took, in seconds; the same history gives the same sample."""

    _seen: int = 0
    _kept: list[float] = field(default_factory=list)
    _draw: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - a sample, no secret

    def add(self, seconds: float) -> None:
        """Adds the duration of one more attempt, in seconds."""
        self._seen += 1
        if len(self._kept) >= SAMPLE:
            if self._draw.random() >= SAMPLE / self._seen:
                return
            del self._kept[self._draw.randrange(SAMPLE)]
        insort(self._kept, seconds)

    @property
    def slowest_tenth(self) -> float | None:
        """The seconds that nine tenths of the attempts did not exceed; None before the first attempt."""
        return self._kept[min(len(self._kept) - 1, 9 * len(self._kept) // 10)] if self._kept else None


@dataclass(slots=True)
class Stragglers:
    """What is known of the end of a step, to choose stragglers from.

    The time at which a node began a mini-batch is not known. All mini-batches that are open when the queue is first
    seen empty have been held since then at least. Those whose message was sent again later have been held since that
    time.
    """

    durations: Durations = field(default_factory=Durations)
    empty_since: float | None = None  # since when no message has waited
    _renewed: dict[int, float] = field(default_factory=dict)
    _doubled: set[int] = field(default_factory=set)

    def absorb(self, index: ResultIndex, now: float) -> None:
        """Takes in what nodes have committed."""
        for entry in index.entries:
            if entry.status is Status.SUCCEEDED:
                self.durations.add(entry.load_seconds + entry.run_seconds)
            elif not entry.status.is_final and not entry.copy and self.empty_since is not None:
                self._renewed[entry.index] = now

    def look(self, depth: Depth, now: float, *, exact: bool) -> None:
        """Takes in how many messages wait in the queue. Call it only after the last message was sent."""
        if depth.visible and not exact:
            self.empty_since = None
        if self.empty_since is None and depth.visible == depth.delayed == 0:
            self.empty_since = now
        if depth.visible or depth.delayed:
            # Which mini-batches wait is not known: any of those that were sent again may not have begun.
            self._renewed = dict.fromkeys(self._renewed, now)

    def choose(self, unsettled: Iterable[int], depth: Depth, now: float, *, exact: bool) -> list[int]:
        """Returns the mini-batches to try a second time now; each is chosen only once.

        `exact`: `depth` is not an estimate.
        """
        typical, since = self.durations.slowest_tenth, self.empty_since
        if typical is None or since is None or depth.visible:
            return []
        old = now - max(LEAST_AGE, FACTOR * typical) - (0.0 if exact else SETTLING)
        if since > old:
            return []
        chosen = [i for i in unsettled if i not in self._doubled and self._renewed.get(i, since) <= old]
        self._doubled.update(chosen)
        return chosen


def is_near_end(counts: Counts) -> bool:
    """Returns whether the total is known, at least half of the mini-batches have come to an end, and some have not."""
    return counts.total is not None and NEAR_END * counts.total <= counts.settled < counts.total
