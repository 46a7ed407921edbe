"""A run of which only what goes wrong is shown."""

from fanout.cli.render.run.conclusion import run_has_failures
from fanout.cli.render.run.plain import PlainView
from fanout.pipeline.model import Step
from fanout.queries.failures import MiniBatches
from fanout.queries.running import LongRunning
from fanout.reports.remaining import Remaining
from fanout.scheduler.observer import CONTINUES, RunReport, StepReport
from fanout.supervision.progress import Progress


class QuietView(PlainView):
    """Prints first failures, skipped steps, and the end of a run that is not Completed without a failure."""

    def run_started(self, run: str, steps: tuple[Step, ...], resumed: bool, how: str = CONTINUES) -> None:  # noqa: ARG002
        self._board.begin(run, steps)

    def notice(self, text: str) -> None:
        """Nothing."""

    def step_started(self, step: Step) -> None:
        self._board.start(step)

    def step_continues(self, step: Step, remaining: Remaining) -> None:
        """Nothing."""

    def step_printed(self, step: Step, text: str) -> None:
        """Nothing."""

    def step_progress(self, progress: Progress) -> None:
        self._board.progress(progress)
        self._first_failures(progress)

    def step_runs(self, step: str, longest: tuple[LongRunning, ...]) -> None:
        """Nothing."""

    def step_ended(self, report: StepReport) -> None:
        self._board.end(report)

    def conclude(self, report: RunReport, batches: MiniBatches) -> None:
        if not report.verdict.completed or run_has_failures(report):
            super().conclude(report, batches)
