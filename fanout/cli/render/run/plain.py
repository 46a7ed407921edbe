"""A run as plain lines, for files, pipes and CI: at the start, now and then while numbers move, at the end."""

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import Console
from fanout.cli.render.run.board import Board, end_line, progress_line, remaining_lines
from fanout.cli.render.run.conclusion import conclude, stopped_lines
from fanout.clock import Clock
from fanout.formatting import many, printable
from fanout.pipeline.model import Step
from fanout.queries.failures import MiniBatches
from fanout.queries.running import MOST_SHOWN, LongRunning, reported_until
from fanout.reports.remaining import Remaining
from fanout.scheduler.observer import CONTINUES, RunReport, StepReport
from fanout.supervision.progress import Progress

PROGRESS_EVERY = 5.0
"""Seconds between two lines about one step."""


class PlainView:
    """A RunView that only ever adds lines."""

    def __init__(self, output: Console, commands: Commands, clock: Clock) -> None:
        self._output, self._commands, self._clock = output, commands, clock
        self._board = Board()
        self._reported: dict[str, tuple[float, str]] = {}  # by step: when, and what
        self._long: dict[str, dict[int, float]] = {}  # by step and mini-batch

    @property
    def run(self) -> str:
        return self._board.run

    def run_started(self, run: str, steps: tuple[Step, ...], resumed: bool, how: str = CONTINUES) -> None:
        self._board.begin(run, steps)
        self._output.line(f"run {run} {printable(how) if resumed else 'started'}: {many(len(steps), 'step')}")

    def notice(self, text: str) -> None:
        self._output.line(self._output.paint.quiet(f"note: {printable(text)}"))

    def step_started(self, step: Step) -> None:
        self._board.start(step)
        self._reported[step.name] = self._clock.monotonic(), ""
        self._output.line(f"{step.name}: started")

    def step_continues(self, step: Step, remaining: Remaining) -> None:
        for line in remaining_lines(step, remaining):
            self._output.line(self._output.paint.quiet(line))

    def step_printed(self, step: Step, text: str) -> None:
        self._output.line(f"{step.name} | {printable(text)}")

    def step_progress(self, progress: Progress) -> None:
        state = self._board.progress(progress)
        self._first_failures(progress)
        when, what = self._reported.get(progress.step, (0.0, ""))
        now, line = self._clock.monotonic(), progress_line(state)
        if now - when >= PROGRESS_EVERY and line != what:
            self._reported[progress.step] = now, line
            self._output.line(f"{progress.step}: {line}")

    def _first_failures(self, progress: Progress) -> None:
        for sentence, traceback in self._board.first_failures(progress):
            self._output.line(self._output.paint.bad(sentence))
            self._output.line(traceback)

    def running_steps(self) -> tuple[str, tuple[str, ...]]:
        return self._board.running_steps()

    def step_runs(self, step: str, longest: tuple[LongRunning, ...]) -> None:
        """Reports a mini-batch that runs for long after ten seconds, twenty, forty, and so on."""
        before, self._long[step] = self._long.get(step, {}), {one.index: reported_until(one.seconds) for one in longest}
        for one in longest[:MOST_SHOWN]:
            if reported_until(one.seconds) > before.get(one.index, 0.0):
                self._output.line(f"{step}: {one.words()}")

    def step_ended(self, report: StepReport) -> None:
        self._board.end(report)
        self._output.line(f"{report.step.name}: {end_line(report)}")

    def step_skipped(self, step: Step, reason: str) -> None:
        self._board.skip(step, reason)
        self._output.line(self._output.paint.warning(f"{step.name}: skipped, {printable(reason)}"))

    def run_ended(self, report: RunReport) -> None:
        """Nothing: `conclude` says it, with what has been found out about the failures."""

    def conclude(self, report: RunReport, batches: MiniBatches) -> None:
        conclude(report, batches, self._commands, self._output)

    def interrupted(self) -> None:
        for line in stopped_lines(self._board.run, self._commands):
            self._output.line(line)

    def close(self) -> None:
        """Nothing to give back."""
