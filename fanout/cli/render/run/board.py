"""Where each step of a run stands, as its observer hears of it; what the views for people draw. No output, no clock."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from fanout.cli.render.run import pace
from fanout.cli.render.run.first_failures import FirstFailures, first_failure_lines
from fanout.formatting import duration, many, mini_batches, number, printable, rate
from fanout.pipeline.model import Step
from fanout.planning.index_ranges import ranges
from fanout.records.verdict import VerdictStatus, verdict_words
from fanout.reports.remaining import Remaining
from fanout.scheduler.observer import StepReport
from fanout.supervision.progress import Progress

MOST_SAMPLES = 2000
"""Of how many moments the number of settled mini-batches is kept; of more, every other one."""


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
    seconds_left: float | None = None  # until the last mini-batch; None while unknown
    _past: list[tuple[float, int]] = field(default_factory=list)

    def take(self, progress: Progress) -> None:
        """Newer numbers."""
        passed = 0.0 if self.progress is None else progress.seconds - self.progress.seconds
        self.progress = progress
        if progress.counts.settled:  # before the first, scripts are still loading: that says nothing of the pace
            self._past.append((progress.seconds, progress.counts.settled))
        total = progress.counts.total
        left = None if total is None else pace.seconds_left(self._past, total - progress.counts.settled)
        self.seconds_left = pace.smoothed(self.seconds_left, passed, left)
        while len(self._past) > MOST_SAMPLES:
            del self._past[1:-1:2]

    @property
    def rate(self) -> float | None:
        """Mini-batches a second of late; None when there is too little to tell."""
        return pace.rate(self._past)


@dataclass(slots=True)
class Board:
    """All steps of a run, in the order of the pipeline."""

    run: str = ""
    states: dict[str, StepState] = field(default_factory=dict)
    _failures: dict[str, FirstFailures] = field(default_factory=dict)

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

    def running_steps(self) -> tuple[str, tuple[str, ...]]:
        """The run, and its steps under way."""
        return self.run, tuple(name for name, state in self.states.items() if state.phase is Phase.RUNNING)

    def first_failures(self, progress: Progress) -> Iterator[tuple[str, str]]:
        """The first failure of each kind, when it is there: a sentence, and the traceback below it."""
        if progress.step not in self._failures:
            self._failures[progress.step] = FirstFailures.of(self.run, self.states[progress.step].step)
        failures = self._failures[progress.step]
        for occurrence in failures.new(progress):
            yield first_failure_lines(occurrence, failures.source)

    def _state(self, step: Step) -> StepState:
        return self.states.setdefault(step.name, StepState(step))


def progress_line(state: StepState) -> str:
    """`3 failed, 1,197 of 5,000 mini-batches succeeded, 10 s left, 400/s, 12,000 items`: what matters comes first."""
    return ", ".join(filter(None, [failed_words(state), progress_words(state)]))


def failed_words(state: StepState) -> str:
    """`3 failed`; "" while none has."""
    lost = 0 if state.progress is None else state.progress.counts.lost
    return f"{number(lost)} failed" if lost else ""


def progress_words(state: StepState) -> str:
    """How far the step is; what has failed is not part of it."""
    progress = state.progress
    return "" if progress is None else ", ".join([*_done(progress), *_pace(state), _items(progress)])


def _done(progress: Progress) -> Iterator[str]:
    counts = progress.counts
    done = number(counts.settled - counts.lost)
    if counts.total is None:
        yield f"{done} of {number(progress.planned)} mini-batches planned so far"
    else:
        yield f"{done} of {mini_batches(counts.total)}{' succeeded' if counts.lost else ''}"
    if counts.retried:
        yield f"{number(counts.retried)} tried again"


def _items(progress: Progress) -> str:
    counts = progress.counts
    failed = f" ({number(counts.items_failed)} failed)" if counts.items_failed else ""
    return f"{many(counts.items, 'item')}{failed}"


def _pace(state: StepState) -> Iterator[str]:
    if state.seconds_left is not None:
        yield f"{duration(state.seconds_left)} left"
    if state.rate is not None:
        yield rate(state.rate)


def end_line(report: StepReport) -> str:
    """`Completed in 12.1 s: all 99 mini-batches succeeded`."""
    words = verdict_words(report.seal.verdict, report.seal.counts)
    when = "earlier" if report.earlier else f"in {duration(report.seal.seconds)}"
    return printable(f"{words} {when}: {why(report)}")


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
