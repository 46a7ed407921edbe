"""The observer of a run: views implement it and the scheduler calls it. Calls must be quick and never fail the run."""

from dataclasses import dataclass, field
from typing import Protocol

from fanout.pipeline.model import Step
from fanout.records.seal import Seal
from fanout.records.verdict import Verdict
from fanout.reports.remaining import Remaining
from fanout.results.codec import Event
from fanout.results.failed_attempt import FailedAttempt
from fanout.storage.keys import StepRound
from fanout.supervision.progress import Progress


@dataclass(frozen=True, slots=True)
class StepReport:
    """The end of a step: its seal, where its outputs are (URIs by name), and what failed."""

    step: Step
    seal: Seal
    outputs: dict[str, str] = field(default_factory=dict)
    failures: tuple[FailedAttempt, ...] = ()
    events: tuple[tuple[int, Event], ...] = ()
    error: str = ""  # a command step's last words
    logs: str = ""  # URI of its logs
    code: str | None = None  # the code folder it was taken from
    planned: StepRound | None = None  # where its mini-batches are
    notes: tuple[str, ...] = ()  # what readers of its output should know
    earlier: bool = False  # it had ended before this process came
    taken_from: str | None = None  # the earlier run whose step it took over
    nodes: tuple[str, ...] = ()  # sentences about nodes on which attempts failed, where one stands out


@dataclass(frozen=True, slots=True)
class RunReport:
    """The end of a run."""

    run: str
    verdict: Verdict
    steps: tuple[StepReport, ...]
    seconds: float
    file: str = ""  # the pipeline file, "" when it is not known
    page: str = ""  # URI of the report.html that shows it, "" where none was written


CONTINUES = "goes on"


class RunObserver(Protocol):
    """Gets each event of a run, in the order of events; events of several steps may be mixed.

    `how` says in what state a run is that was started before. `step_printed` gets each line that a command step prints,
    while it runs.
    """

    def run_started(self, run: str, steps: tuple[Step, ...], resumed: bool, how: str = CONTINUES) -> None: ...
    def notice(self, text: str) -> None: ...
    def step_started(self, step: Step) -> None: ...
    def step_continues(self, step: Step, remaining: Remaining) -> None: ...
    def step_progress(self, progress: Progress) -> None: ...
    def step_printed(self, step: Step, text: str) -> None: ...
    def step_ended(self, report: StepReport) -> None: ...
    def step_skipped(self, step: Step, reason: str) -> None: ...
    def run_ended(self, report: RunReport) -> None: ...


class Unwatched:
    """An observer that does nothing, for runs that are not watched."""

    def run_started(self, run: str, steps: tuple[Step, ...], resumed: bool, how: str = CONTINUES) -> None: ...
    def notice(self, text: str) -> None: ...
    def step_started(self, step: Step) -> None: ...
    def step_continues(self, step: Step, remaining: Remaining) -> None: ...
    def step_progress(self, progress: Progress) -> None: ...
    def step_printed(self, step: Step, text: str) -> None: ...
    def step_ended(self, report: StepReport) -> None: ...
    def step_skipped(self, step: Step, reason: str) -> None: ...
    def run_ended(self, report: RunReport) -> None: ...
