"""Where each step of a run stands, as its observer hears of it; what the views for people draw. No output, no clock."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from fanout.run.observer import StepReport
from fanout.spec.steps import Step
from fanout.step.index_ranges import ranges
from fanout.step.remaining import Remaining
from fanout.step.results import Failure
from fanout.step.supervise import Progress
from fanout.step.verdict import VerdictStatus
from fanout.view.text import duration, many, mini_batches, number, printable, rate

WINDOW = 15.0
"""Seconds that the shown rate looks back."""


class Phase(StrEnum):
    """Where a step is in its life."""

    WAITING = "waiting"  # for steps before it
    RUNNING = "running"
    ENDED = "ended"
    SKIPPED = "skipped"


@dataclass(slots=True)
class StepState:
    """What is known of one step."""

    step: Step
    phase: Phase = Phase.WAITING
    progress: Progress | None = None
    report: StepReport | None = None
    reason: str = ""  # why it was skipped
    _past: deque[tuple[float, int]] = field(default_factory=deque)

    def take(self, progress: Progress) -> None:
        """Newer numbers."""
        self.progress = progress
        if progress.counts.settled:  # before the first, scripts are still loading: that says nothing of the pace
            self._past.append((progress.seconds, progress.counts.settled))
        while len(self._past) > 2 and progress.seconds - self._past[0][0] > WINDOW:
            self._past.popleft()

    @property
    def rate(self) -> float | None:
        """Mini-batches a second of late; None when there is too little to tell."""
        if len(self._past) < 2:
            return None
        (then, before), (now, after) = self._past[0], self._past[-1]
        return (after - before) / (now - then) if now - then > 0.5 and after > before else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the last mini-batch at that rate; None when nobody can tell."""
        if self.progress is None or self.progress.counts.total is None or self.rate is None:
            return None
        left = self.progress.counts.total - self.progress.counts.settled
        return left / self.rate if left else None


@dataclass(slots=True)
class Board:
    """All steps of a run, in the order of the pipeline."""

    run: str = ""
    states: dict[str, StepState] = field(default_factory=dict)
    _shown: set[tuple[str, str]] = field(default_factory=set)

    def begin(self, run: str, steps: Iterable[Step]) -> None:
        """The run has started."""
        self.run = run
        self.states = {step.name: StepState(step) for step in steps}

    def start(self, step: Step) -> None:
        """The step has started."""
        self._state(step).phase = Phase.RUNNING

    def progress(self, progress: Progress) -> StepState:
        """Newer numbers of a step that runs."""
        state = self.states[progress.step]
        state.take(progress)
        return state

    def end(self, report: StepReport) -> None:
        """The step is over."""
        state = self._state(report.step)
        state.phase, state.report = Phase.ENDED, report

    def skip(self, step: Step, reason: str) -> None:
        """The step will not run."""
        state = self._state(step)
        state.phase, state.reason = Phase.SKIPPED, reason

    def new_trouble(self, progress: Progress) -> Iterator[str]:
        """Failures to start the script that have not been told yet, a sentence each: there is no use in waiting."""
        for node, event in progress.events:
            failure = event.failure
            if failure is not None and (progress.step, failure.message) not in self._shown:
                self._shown.add((progress.step, failure.message))
                yield _trouble(progress.step, f"node {node}, {event.process}", failure)

    def _state(self, step: Step) -> StepState:
        return self.states.setdefault(step.name, StepState(step))


def _trouble(step: str, where: str, failure: Failure) -> str:
    return printable(f"{step}: {failure.cause} failed ({where}): {failure.message}")


def progress_line(state: StepState) -> str:
    """`1,200 of 5,000 mini-batches, 10 s left, 400/s, 3 failed, 12,000 items`: what matters comes first."""
    progress = state.progress
    return "" if progress is None else ", ".join([_done(progress), *_pace(state), *_troubles(progress)])


def _done(progress: Progress) -> str:
    counts = progress.counts
    if counts.total is None:
        return f"{number(counts.settled)} of {number(progress.planned)} mini-batches planned so far"
    return f"{number(counts.settled)} of {mini_batches(counts.total)}"


def _troubles(progress: Progress) -> Iterator[str]:
    counts = progress.counts
    if counts.lost:
        yield f"{number(counts.lost)} failed"
    if counts.retried:
        yield f"{number(counts.retried)} tried again"
    failed = f" ({number(counts.items_failed)} failed)" if counts.items_failed else ""
    yield f"{many(counts.items, 'item')}{failed}"


def _pace(state: StepState) -> Iterator[str]:
    if state.seconds_left is not None:
        yield f"{duration(state.seconds_left)} left"
    if state.rate is not None:
        yield rate(state.rate)


def end_line(report: StepReport) -> str:
    """`Completed in 12.1 s: all 99 mini-batches succeeded`."""
    when = "earlier" if report.earlier else f"in {duration(report.seal.seconds)}"
    return printable(f"{report.seal.verdict.status} {when}: {why(report)}")


def remaining_lines(step: Step, remaining: Remaining) -> Iterator[str]:
    """What a step that is taken up again has done, and what is run again, and why."""
    if remaining.total is None:
        yield f"{step.name}: planning was cut off and goes on; results so far: {mini_batches(remaining.done)}"
    else:
        yield f"{step.name}: {number(remaining.done)} of {mini_batches(remaining.total)} done; that stays"
    for again in remaining.again:
        word = "mini-batches" if again.count > 1 else "mini-batch"
        count = f" ({number(again.count)})" if again.count > 1 else ""
        yield printable(f"{step.name}: {word} {ranges(again.indexes())}{count}: {again.reason}")


def why(report: StepReport) -> str:
    """The reason of a step's verdict; of one that was canceled, how far it had come, too."""
    verdict, counts = report.seal.verdict, report.seal.counts
    if verdict.status is not VerdictStatus.CANCELED or counts.total is None or report.step.kind != "parallel":
        return verdict.reason
    return f"{verdict.reason}; {number(counts.succeeded)} of {mini_batches(counts.total)} had succeeded"
