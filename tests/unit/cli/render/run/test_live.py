import io
import re
from typing import Any

import pytest

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.run.live import LiveView
from fanout.queries.running import long_running
from fanout.records.verdict import VerdictStatus
from fanout.reports.remaining import Again, Remaining

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def shown(terminal: Terminal) -> str:
    """What was drawn last of all, without colours."""
    return ESCAPES.sub("", terminal.getvalue())


def test_one_line_a_step(terminal: Terminal, steps: Any, progress: Any, manual_clock: Any) -> None:
    """The step that runs with its numbers, the other with what it waits for."""
    view = LiveView(terminal, Commands(), manual_clock)
    view.run_started("brave_lake", steps, False)
    view.step_started(steps[1])
    manual_clock.advance(3.0)
    view.step_progress(progress(3.0, succeeded=25, failed=1, items=50))
    view.interrupted()
    text = shown(terminal)
    assert text.startswith("brave_lake\n")
    assert "1 failed, 3.0 s, 25 of 100 mini-batches succeeded, 50 items" in text
    assert text.endswith(
        "stopped; go on with: fanout resume brave_lake\n"
        "  after a change of the code: fanout resume brave_lake --new-code\n"
    )


def test_what_is_drawn_stays_and_the_conclusion_follows(
    terminal: Terminal, steps: Any, step_report: Any, run_report: Any, manual_clock: Any
) -> None:
    """At the end each step has its verdict, long reasons whole, and the cursor is given back."""
    view = LiveView(terminal, Commands(), manual_clock)
    view.run_started("r", steps, False)
    view.notice("a note [not markup]")
    view.step_started(steps[1])
    reason = "12 failed items exceed error_threshold 5, " * 4
    view.step_ended(report := step_report(reason, status=VerdictStatus.FAILED))
    view.step_skipped(steps[0], "not needed")
    view.run_ended(run_report(report))
    view.conclude(run_report(report), {})
    view.close()
    text = shown(terminal)
    assert "note: a note [not markup]" in text
    assert "skipped: not needed" in text
    assert text.count("error_threshold") >= 8  # four in the table, four in the conclusion
    assert text.splitlines()[-1].split() == ["more", "fanout", "status", "r"]
    assert "\x1b[?25h" in terminal.getvalue()


def test_user_code_cannot_write_markup_or_escapes(terminal: Terminal, steps: Any, manual_clock: Any) -> None:
    """A notice is text, whatever stands in it."""
    view = LiveView(terminal, Commands(), manual_clock)
    view.run_started("r", steps, False)
    view.notice("[red]x[/red]\x1b]0;title\x07")
    view.close()
    assert "[red]x[/red]\ufffd]0;title\ufffd" in shown(terminal)


def test_what_runs_again_stays_above(terminal: Terminal, steps: Any, manual_clock: Any) -> None:
    """What is told once is not drawn over."""
    view = LiveView(terminal, Commands(), manual_clock)
    view.run_started("brave_lake", steps, True)
    view.step_started(steps[1])
    view.step_continues(steps[1], Remaining(7, 10, (Again(((3, 3), (7, 8)), "no result"),)))
    view.interrupted()
    assert "score: 7 of 10 mini-batches done; that stays" in shown(terminal)
    assert "score: mini-batches 3, 7-8 (3): no result" in shown(terminal)


@pytest.mark.parametrize("columns", [80, 120])
def test_what_failed_is_never_cut_off(
    terminal: Terminal, steps: Any, progress: Any, manual_clock: Any, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """It stands first, in red, however narrow the terminal and however long the rest of the line is."""
    monkeypatch.setenv("COLUMNS", str(columns))
    view = LiveView(terminal, Commands(), manual_clock)
    view.run_started("r", steps, False)
    view.step_started(steps[1])
    for second in range(1, 40):
        view.step_progress(
            progress(float(second), total=123_456, succeeded=second * 1000, failed=second * 100, retried=70_000)
        )
    view.interrupted()
    assert "\x1b[1;31m3,900 failed, " in terminal.getvalue()
    assert "3,900 failed, 0.0 s, 39,000 of 123,4" in shown(terminal)


def test_the_first_failure_stays_above(
    terminal: Terminal, steps: Any, progress: Any, failed: Any, manual_clock: Any
) -> None:
    """While the step runs, with the author's own lines."""
    view = LiveView(terminal, Commands(), manual_clock)
    view.run_started("r", steps, False)
    view.step_started(steps[1])
    view.step_progress(progress(1.0, failed=1, failures=[failed(4)]))
    text = shown(terminal)
    assert "score: first failure of its kind: mini-batch 4, attempt 3, node 0, process001, given up" in text
    assert "   ValueError: no" in text
    view.close()


def test_what_runs_for_long_has_a_line_whose_seconds_go_on(
    terminal: Terminal, steps: Any, progress: Any, manual_clock: Any
) -> None:
    """A hang is seen while it lasts, with the limit that will end it; what has ended is gone with the next look."""
    view = LiveView(terminal, Commands(), manual_clock)
    view.run_started("r", steps, False)
    view.step_started(steps[1])
    view.step_progress(progress(1.0, succeeded=99))
    assert view.running_steps() == ("r", ("score",))
    view.step_runs("score", long_running({12: 40.0, 3: 11.0, 4: 2.0}, 60.0))
    manual_clock.advance(4.0)
    view.interrupted()
    text = shown(terminal)
    assert "mini-batch 12 runs for 44 s (limit 1 min 00 s)" in text
    assert "mini-batch 3 runs for 15 s" in text
    assert "mini-batch 4 " not in text
