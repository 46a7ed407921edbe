"""The first failure of each kind, shown at once: that a run fails should not be learnt at its end."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from fanout.formatting import indented, middle_left_out, printable
from fanout.pipeline.model import ParallelStep, Step
from fanout.reports.failure_groups import Kind, Occurrence, StepSource, kind_of, occurrences
from fanout.reports.job_result import place
from fanout.results.codec import Cause
from fanout.supervision.progress import Progress

MOST_KINDS = 5
"""Kinds of failures that are shown while a step runs; all are shown at its end."""
MOST_LINES = 30
INDENT = "   "
_ABOUT_NODES = {Cause.INIT: "the script could not be started", Cause.SHUTDOWN: "shutdown() failed"}


@dataclass(slots=True)
class FirstFailures:
    """What was shown of one step; the failures of each look are those before and new ones behind them."""

    source: StepSource
    _kinds: set[Kind] = field(default_factory=set)
    _seen: tuple[int, int] = (0, 0)  # of the failed attempts, and of the events of nodes

    @classmethod
    def of(cls, run: str, step: Step) -> "FirstFailures":
        """Those of a step that begins."""
        return cls(StepSource(run, step.name, step.task.code if isinstance(step, ParallelStep) else None))

    def new(self, progress: Progress) -> Iterator[Occurrence]:
        """Failures of kinds that were not there before."""
        attempts, events = self._seen
        self._seen = len(progress.failures), len(progress.events)
        for occurrence in occurrences(progress.failures[attempts:], progress.events[events:]):
            kind = kind_of(occurrence.failure, self.source)
            if kind not in self._kinds and len(self._kinds) < MOST_KINDS:
                self._kinds.add(kind)
                yield occurrence


def first_failure_lines(occurrence: Occurrence, source: StepSource) -> tuple[str, str]:
    """The sentence, and the traceback or the message below it."""
    failure = occurrence.failure
    about = "" if occurrence.index is not None else f" {_ABOUT_NODES.get(failure.cause, 'failure')},"
    fate = "" if occurrence.index is None else ", given up" if occurrence.final else ", tried again"
    sentence = f"{source.step}: first failure of its kind:{about} {place(occurrence)}{fate}"
    said = source.restore(failure.traceback or failure.message)
    return printable(sentence), printable(indented(middle_left_out(said, MOST_LINES), INDENT))
