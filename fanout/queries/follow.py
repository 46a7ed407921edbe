"""A run that another process carries out, as its observer sees it: what the store says, until there is a verdict."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.queries.status import RunStatus, State, read_status
from fanout.records.run import load_record
from fanout.supervision.progress import Progress

if TYPE_CHECKING:
    from fanout.records.run import RunRecord
    from fanout.scheduler.context import RunContext
    from fanout.scheduler.observer import RunObserver

LOOK_EVERY = 1.0
QUIET_LIMIT = 60.0
"""Seconds without news and without a node at work after which it is said that no process may be there."""


@dataclass(slots=True)
class _Follower:
    """What an observer has been shown so far."""

    record: "RunRecord"
    context: "RunContext"
    observer: "RunObserver"
    resume: str
    _last: object = None
    _since: float = 0.0
    _shown: set[str] = field(default_factory=set)
    _said: bool = False

    def take(self, status: RunStatus) -> None:
        """Shows what is new."""
        steps = {step.name: step for step in self.record.pipeline.steps}
        now = self.context.clock.now()
        for step in status.steps:
            if step.state is not State.UNDER_WAY or step.counts is None:
                continue
            if step.name not in self._shown:
                self._shown.add(step.name)
                self.observer.step_started(steps[step.name])
            self.observer.step_progress(
                Progress(step.name, step.counts, step.counts.total or 0, max(0.0, now - status.created))
            )
        self._look_for_life(status)

    def _look_for_life(self, status: RunStatus) -> None:
        """Says once that the run may have lost its process."""
        now, news = self.context.clock.monotonic(), [(step.state, step.counts) for step in status.steps]
        works = any(step.activity.alive for step in status.steps)
        if news != self._last or works:
            self._last, self._since = news, now
        elif now - self._since >= QUIET_LIMIT and not self._said:
            self._said = True
            self.observer.notice(f"nothing has happened for a minute; if no process works on it: {self.resume}")


async def follow(name: str, context: "RunContext", observer: "RunObserver", resume: str) -> None:
    """Returns when the run has its verdict. `resume` is the command that goes on with a run without a process."""
    record = await load_record(context.store, name)
    observer.run_started(name, record.pipeline.steps, True, "is followed")
    follower = _Follower(record, context, observer, resume)
    while (status := await read_status(context.store, record, context.settings, context.queues)).seal is None:
        follower.take(status)
        await context.clock.sleep(LOOK_EVERY)
