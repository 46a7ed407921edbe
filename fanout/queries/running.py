"""Mini-batches that have been running for long, so that a hang is seen before its time limit ends it.

Nodes say every few seconds what runs in them since when. It is read only for people who watch, and decides nothing.
"""

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fanout.clock import Clock
from fanout.errors import FanoutError
from fanout.formatting import duration
from fanout.pipeline.model import ParallelStep
from fanout.records.node_status import indexes_running, read_statuses
from fanout.records.run import RunRecord, load_record
from fanout.tasks import every

if TYPE_CHECKING:
    from obstore.store import ObjectStore

LOOK_EVERY = 3.0
LONG = 10.0
"""Seconds after which a running mini-batch is reported."""
MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class LongRunning:
    """A mini-batch that has been running for `seconds`; `limit` is retry_settings.timeout."""

    index: int
    seconds: float
    limit: float

    def words(self, more: float = 0.0) -> str:
        """`mini-batch 12 runs for 44 s (limit 60 s)`, `more` seconds after it was read."""
        return f"mini-batch {self.index} runs for {duration(self.seconds + more)} (limit {duration(self.limit)})"


class Watcher(Protocol):
    """What a view says and hears of steps that run."""

    def running_steps(self) -> tuple[str, tuple[str, ...]]:
        """The run, and its steps under way."""
        ...

    def step_runs(self, step: str, longest: tuple[LongRunning, ...]) -> None:
        """What has been running for long in the step just now, the longest first."""
        ...


def long_running(running: Mapping[int, float], limit: float) -> tuple[LongRunning, ...]:
    """Those that have been running for long, the longest first."""
    longest = sorted(running.items(), key=lambda one: (-one[1], one[0]))
    return tuple(LongRunning(index, seconds, limit) for index, seconds in longest if seconds >= LONG)


def reported_until(seconds: float) -> float:
    """The last of ten seconds, twenty, forty and so on that have passed: so often a line is written of it; else 0."""
    return LONG * 2.0 ** int(math.log2(seconds / LONG)) if seconds >= LONG else 0.0


async def follow_running(store: "ObjectStore", view: Watcher, clock: Clock) -> None:
    """Reports to the view every few seconds, until it is canceled. What cannot be read is left out."""
    record: RunRecord | None = None

    async def look() -> None:
        nonlocal record
        name, steps = view.running_steps()
        with contextlib.suppress(FanoutError):
            record = record or (await load_record(store, name) if steps else None)
            for step in record.pipeline.steps if record else ():
                if isinstance(step, ParallelStep) and step.name in steps and record is not None:
                    seen = await read_statuses(store, record.at(step.name), clock.now())
                    view.step_runs(step.name, long_running(indexes_running(seen), step.retry_settings.timeout))

    await every(LOOK_EVERY, look, clock)
