"""What a call shows while a run goes on: the state of each step as it is known now, and where it is drawn.

Numbers come from the run itself when it is carried out in this process, else from the store. The thread that called
draws them, so nothing is written from another thread.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from fanout.formatting import number, printable
from fanout.queries.status import RunStatus
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.scheduler.observer import CONTINUES, RunReport, StepReport, Unwatched
from fanout.security.redaction import redact

if TYPE_CHECKING:
    from fanout.pipeline.model import Step
    from fanout.reports.remaining import Remaining
    from fanout.supervision.progress import Progress

DRAW_EVERY = 0.2
"""Seconds between two drawings."""


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step: its state in a word (`waiting`, `running`, a verdict), and its counts when it has any."""

    name: str
    state: str = "waiting"
    counts: Counts | None = None
    reason: str = ""


@dataclass(slots=True)
class Board:
    """What is known of a run now."""

    run: str = ""
    steps: dict[str, StepLine] = field(default_factory=dict)
    verdict: Verdict | None = None
    notices: list[str] = field(default_factory=list)

    def take(self, status: RunStatus) -> None:
        """The run as the store says."""
        self.run = status.run
        self.verdict = None if status.seal is None else status.seal.verdict
        for step in status.steps:
            sealed = None if step.seal is None else step.seal.verdict
            state = str(step.state) if sealed is None else str(sealed.status)
            self.steps[step.name] = StepLine(step.name, state, step.counts, "" if sealed is None else sealed.reason)


class BoardObserver(Unwatched):
    """Keeps a board up to date with a run that is carried out in this process."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def run_started(self, run: str, steps: "tuple[Step, ...]", resumed: bool, how: str = CONTINUES) -> None:  # noqa: ARG002
        self._board.run = run
        self._board.steps = {step.name: StepLine(step.name) for step in steps}

    def notice(self, text: str) -> None:
        self._board.notices.append(redact(printable(text)))

    def step_started(self, step: "Step") -> None:
        self._change(step.name, state="running")

    def step_continues(self, step: "Step", remaining: "Remaining") -> None:  # noqa: ARG002
        self._change(step.name, state="running")

    def step_progress(self, progress: "Progress") -> None:
        self._change(progress.step, state="running", counts=progress.counts)

    def step_ended(self, report: StepReport) -> None:
        verdict = report.seal.verdict
        self._change(report.step.name, state=str(verdict.status), counts=report.seal.counts, reason=verdict.reason)

    def step_skipped(self, step: "Step", reason: str) -> None:
        self._change(step.name, state="skipped", reason=reason)

    def run_ended(self, report: RunReport) -> None:
        self._board.verdict = report.verdict

    def _change(self, name: str, **fields: Any) -> None:
        self._board.steps[name] = replace(self._board.steps.get(name, StepLine(name)), **fields)


class Display(Protocol):
    """Where a board is drawn."""

    def draw(self, board: Board) -> None:
        """Draws it in the place of the drawing before."""
        ...

    def close(self) -> None:
        """The last drawing stays."""
        ...


class _Nowhere:
    """Nothing is drawn."""

    def draw(self, board: Board) -> None: ...
    def close(self) -> None: ...


class _Terminal:
    """Bars on a terminal, on stderr: what a program prints stays as it is."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._said = 0
        columns = (
            TextColumn("{task.description}"),
            BarColumn(24),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True, highlight=False), auto_refresh=False)
        self._tasks: dict[str, Any] = {}
        self._progress.start()

    def draw(self, board: Board) -> None:
        for text in board.notices[self._said :]:
            self._progress.console.print(f"note: {text}", style="bright_black", markup=False)
        self._said = len(board.notices)
        for step in list(board.steps.values()):
            if step.name not in self._tasks:
                self._tasks[step.name] = self._progress.add_task(step.name, total=None, words="", start=False)
            self._update(self._tasks[step.name], step)
        self._progress.refresh()

    def _update(self, task: Any, step: StepLine) -> None:
        if step.state != "waiting":
            self._progress.start_task(task)
        counts = step.counts or Counts(total=None)
        self._progress.update(task, total=counts.total, completed=counts.settled, words=words_of(step))
        if step.state in list(VerdictStatus):
            self._progress.stop_task(task)

    def close(self) -> None:
        self._progress.stop()


class _Notebook:
    """HTML in the output of a cell, changed in its place."""

    def __init__(self) -> None:
        import importlib

        ipython: Any = importlib.import_module("IPython.display")
        self._html: Callable[[str], Any] = ipython.HTML
        self._handle: Any = ipython.display(ipython.HTML(""), display_id=True)
        self._last = ""

    def draw(self, board: Board) -> None:
        text = board_html(board)
        if text != self._last and self._handle is not None:
            self._last = text
            self._handle.update(self._html(text))

    def close(self) -> None:
        """It stays."""


def choose_display(wanted: bool | None) -> Display:
    """Where progress is drawn: None: in a notebook, or on a terminal if stderr is one; False: nowhere."""
    if wanted is False:
        return _Nowhere()
    if in_notebook():
        return _Notebook()
    return _Terminal() if wanted or sys.stderr.isatty() else _Nowhere()


def in_notebook() -> bool:
    """Whether this code runs in the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")


@contextlib.contextmanager
def drawn(board: Board, wanted: bool | None) -> Iterator[Callable[[], None]]:
    """A function that draws the board, not more often than five times a second; drawn a last time at the end."""
    display, last = choose_display(wanted), 0.0

    def tick() -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= DRAW_EVERY:
            last = now
            display.draw(board)

    try:
        yield tick
    finally:
        with contextlib.suppress(Exception):  # what is shown never fails what is done
            display.draw(board)
        display.close()


def words_of(step: StepLine) -> str:
    """`running: 3 failed, 17 of 20 mini-batches`."""
    counts, parts = step.counts, []
    if counts is not None:
        if counts.lost:
            parts.append(f"{number(counts.lost)} failed")
        total = "" if counts.total is None else f" of {number(counts.total)}"
        parts.append(f"{number(counts.succeeded)}{total} mini-batches")
    elif step.reason:
        parts.append(step.reason)
    return f"{step.state}: {', '.join(parts)}" if parts else step.state


_COLOURS = {"Completed": "#1a7f37", "Failed": "#cf222e", "Canceled": "#9a6700"}
_CELL = "text-align:left;padding:2px 12px 2px 0"


def board_html(board: Board) -> str:
    """The run as a small table; all text in it is escaped."""
    verdict = board.verdict
    state = "running" if verdict is None else str(verdict.status)
    colour, name = _COLOURS.get(state, "#57606a"), escape(board.run or "fanout")
    head = f'<b>{name}</b> <span style="color:{colour}">{state}</span>'
    reason = "" if verdict is None or verdict.completed else f"<div>{escape(redact(verdict.reason))}</div>"
    rows = "".join(_row(step) for step in list(board.steps.values()))
    notes = "".join(f'<div style="color:#57606a">note: {escape(text)}</div>' for text in list(board.notices))
    return f'<div class="fanout-run">{head}{reason}<table>{rows}</table>{notes}</div>'


def _row(step: StepLine) -> str:
    counts = step.counts
    bar = ""
    if counts is not None and counts.total:
        bar = f'<progress value="{counts.settled}" max="{counts.total}"></progress>'
    cells = [f'<td style="{_CELL}">{cell}</td>' for cell in (escape(step.name), bar, escape(redact(words_of(step))))]
    return f"<tr>{''.join(cells)}</tr>"
