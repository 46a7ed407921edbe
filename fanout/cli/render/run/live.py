"""A run on a terminal: one line a step, redrawn in place while the numbers move."""

from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import output_to
from fanout.cli.render.run.board import Board, Phase, StepState, end_line, failed_words, progress_words, remaining_lines
from fanout.cli.render.run.conclusion import conclude, has_failures, stopped_lines
from fanout.clock import Clock
from fanout.formatting import duration, printable
from fanout.pipeline.model import Step
from fanout.queries.failures import MiniBatches
from fanout.queries.running import LONG, MOST_SHOWN, LongRunning
from fanout.records.verdict import VerdictStatus
from fanout.reports.remaining import Remaining
from fanout.scheduler.observer import CONTINUES, RunReport, StepReport
from fanout.supervision.progress import Progress

FRAMES_PER_SECOND = 5
BAR_WIDTH = 16
NAME_WIDTH = 24


class LiveView:
    """A RunView for a terminal; what it draws stays there when it is closed."""

    def __init__(self, stream: TextIO, commands: Commands, clock: Clock) -> None:
        self._commands, self._clock = commands, clock
        self._output = output_to(stream)
        self._console = Console(file=stream, highlight=False, no_color=not self._output.paint.on)
        self._board = Board()
        self._begun: dict[str, float] = {}
        self._long: dict[str, tuple[float, tuple[LongRunning, ...]]] = {}  # by step: when it was read, and what
        self._live: Live | None = None

    @property
    def run(self) -> str:
        return self._board.run

    def run_started(self, run: str, steps: tuple[Step, ...], resumed: bool, how: str = CONTINUES) -> None:
        self._board.begin(run, steps)
        self._output.line(f"{self._output.paint.strong(run)}{f' {printable(how)}' if resumed else ''}")
        self._live = Live(
            console=self._console,
            get_renderable=self._table,
            refresh_per_second=FRAMES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def notice(self, text: str) -> None:
        self._above(f"note: {text}", "bright_black")

    def step_started(self, step: Step) -> None:
        self._begun[step.name] = self._clock.monotonic()
        self._board.start(step)

    def step_continues(self, step: Step, remaining: Remaining) -> None:
        for line in remaining_lines(step, remaining):
            self._above(line, "bright_black")

    def step_printed(self, step: Step, text: str) -> None:
        self._above(f"{step.name} | {text}", "")

    def step_progress(self, progress: Progress) -> None:
        self._board.progress(progress)
        for sentence, traceback in self._board.first_failures(progress):
            self._above(sentence, "bold red")
            self._above(traceback)

    def running_steps(self) -> tuple[str, tuple[str, ...]]:
        return self._board.running_steps()

    def step_runs(self, step: str, longest: tuple[LongRunning, ...]) -> None:
        self._long[step] = self._clock.monotonic(), longest

    def step_ended(self, report: StepReport) -> None:
        self._board.end(report)

    def step_skipped(self, step: Step, reason: str) -> None:
        self._board.skip(step, reason)

    def run_ended(self, report: RunReport) -> None:  # noqa: ARG002 - `conclude` says it
        self.close()

    def conclude(self, report: RunReport, batches: MiniBatches) -> None:
        self.close()
        conclude(report, batches, self._commands, self._output)

    def interrupted(self) -> None:
        self.close()
        for line in stopped_lines(self._board.run, self._commands):
            self._output.line(line)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _above(self, text: str, style: str = "") -> None:
        self._console.print(Text(printable(text), style=style), soft_wrap=True)

    def _table(self) -> Table:
        # Drawn in a thread of its own: a copy keeps the board free to change.
        states = list(self._board.states.values())
        with_bars = any(state.phase is Phase.RUNNING for state in states)
        table = Table.grid(padding=(0, 1, 0, 1))
        table.add_column(no_wrap=True, min_width=min(NAME_WIDTH, max((len(s.step.name) for s in states), default=0)))
        table.add_column(width=BAR_WIDTH if with_bars else 0)
        table.add_column(overflow="fold")
        for state in states:
            table.add_row(Text(state.step.name, style="bold"), self._bar(state), self._line(state))
            for text in self._long_running(state):
                table.add_row(Text(""), Text(""), text)
        return table

    def _long_running(self, state: StepState) -> Iterator[Text]:
        """A line for each mini-batch that runs for long; its seconds go on while nothing newer is heard."""
        if state.phase is not Phase.RUNNING or state.step.name not in self._long:
            return
        read, longest = self._long[state.step.name]
        for one in longest[:MOST_SHOWN]:
            yield Text(one.words(self._clock.monotonic() - read), style="yellow", no_wrap=True, overflow="ellipsis")
        if len(longest) > MOST_SHOWN:
            yield Text(f"and {len(longest) - MOST_SHOWN} more for {LONG:g} s or longer", style="yellow")

    def _bar(self, state: StepState) -> ProgressBar | Text:
        if state.phase is not Phase.RUNNING:
            return Text("")
        counts = None if state.progress is None else state.progress.counts
        if counts is None or counts.total is None:
            return ProgressBar(width=BAR_WIDTH, pulse=True, animation_time=self._clock.monotonic())
        style = "red" if counts.lost else "bar.complete"
        return ProgressBar(
            total=max(1, counts.total),
            completed=counts.settled,
            width=BAR_WIDTH,
            complete_style=style,
            finished_style=style if counts.lost else "bar.finished",
        )

    def _line(self, state: StepState) -> Text:
        match state.phase:
            case Phase.WAITING:
                after = ", ".join(sorted(state.step.after))
                return Text(f"waits for {after}" if after else "", style="bright_black")
            case Phase.SKIPPED:
                return Text(printable(f"skipped: {state.reason}"), style="yellow")
            case Phase.RUNNING:
                lasts = duration(self._clock.monotonic() - self._begun.get(state.step.name, self._clock.monotonic()))
                failed = (f"{failed_words(state)}, ", "bold red") if failed_words(state) else ""
                words = ", ".join(filter(None, [lasts, progress_words(state)]))
                return Text.assemble(failed, words, no_wrap=True, overflow="ellipsis")
            case Phase.ENDED:
                return _end(state)


def _end(state: StepState) -> Text:
    report = state.report
    if report is None:
        return Text("")
    canceled = report.seal.verdict.status is VerdictStatus.CANCELED
    style = "green" if report.seal.verdict.completed else "bold red"
    return Text(end_line(report), style="yellow" if canceled or has_failures(report) else style)
