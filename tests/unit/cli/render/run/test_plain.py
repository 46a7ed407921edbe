from typing import Any

import pytest

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.run.plain import PROGRESS_EVERY, PlainView
from fanout.queries.running import long_running
from fanout.reports.remaining import Again, Remaining


@pytest.fixture
def view(output: Any, manual_clock: Any) -> PlainView:
    return PlainView(output, Commands(), manual_clock)


def test_a_run_is_a_few_lines(view: PlainView, output: Any, steps: Any, step_report: Any, run_report: Any) -> None:
    """Start, each step, end: in the order it happened."""
    view.run_started("r", steps, False)
    view.notice("environments are not built")
    view.step_started(steps[1])
    view.step_ended(step_report())
    view.step_skipped(steps[0], "not needed")
    view.run_ended(report := run_report(step_report()))
    view.conclude(report, {})
    view.close()
    assert output.stream.getvalue().splitlines() == [
        "run r started: 2 steps",
        "note: environments are not built",
        "score: started",
        "score: Completed in 12 s: all 10 mini-batches succeeded",
        "prepare: skipped, not needed",
        "Completed r in 1 min 01 s: all 10 mini-batches succeeded",
        "  more  fanout status r",
    ]


def test_progress_is_told_now_and_then(
    view: PlainView, output: Any, steps: Any, progress: Any, manual_clock: Any
) -> None:
    """A line every few seconds, and only when there is something new."""
    view.run_started("r", steps, True)
    view.step_started(steps[1])
    for second in range(1, 13):
        manual_clock.advance(1.0)
        view.step_progress(progress(float(second), succeeded=min(second, 8)))
    lines = output.stream.getvalue().splitlines()
    assert lines[0] == "run r goes on: 2 steps"
    assert [line for line in lines if " of 100 " in line] == [
        f"score: {PROGRESS_EVERY:.0f} of 100 mini-batches, 1 min 35 s left, 1.0/s, 0 items",
        "score: 8 of 100 mini-batches, 0.8/s, 0 items",
    ]


def test_an_interrupted_run_says_how_to_go_on(view: PlainView, output: Any, steps: Any) -> None:
    """The command stands ready to be copied."""
    view.run_started("r", steps, False)
    view.interrupted()
    assert output.stream.getvalue().endswith(
        "stopped; go on with: fanout resume r\n  after a change of the code: fanout resume r --new-code\n"
    )


def test_what_runs_again_is_told(view: PlainView, output: Any, steps: Any) -> None:
    """A line for what stays, and one for each reason."""
    view.step_continues(steps[1], Remaining(7, 10, (Again(((3, 3), (7, 8)), "no result"),)))
    assert output.stream.getvalue() == (
        "score: 7 of 10 mini-batches done; that stays\nscore: mini-batches 3, 7-8 (3): no result\n"
    )


def test_the_first_failure_is_shown_at_once(
    view: PlainView, output: Any, steps: Any, progress: Any, failed: Any
) -> None:
    """A log that is followed has the traceback when it happens, not when the run is over; alike ones once."""
    view.run_started("r", steps, False)
    view.step_started(steps[1])
    view.step_progress(progress(1.0, failed=1, failures=[failed(4)]))
    view.step_progress(progress(1.1, failed=2, failures=[failed(4), failed(5)]))
    lines = output.stream.getvalue().splitlines()
    assert lines[2:] == [
        "score: first failure of its kind: mini-batch 4, attempt 3, node 0, process001, given up",
        "   Traceback (most recent call last):",
        '     File "/tmp/r-score-0-abc/code/score.py", line 3',
        "   ValueError: no",
    ]


def test_what_runs_for_long_is_told_of_ever_more_rarely(view: PlainView, output: Any, steps: Any) -> None:
    """After ten seconds, twenty, forty: a log of an hour has a few lines of it; nothing of what is quick."""
    view.run_started("r", steps, False)
    view.step_started(steps[1])
    for second in range(0, 100, 3):
        view.step_runs("score", long_running({12: float(second), 7: 2.0}, 300.0))
    lines = [line for line in output.stream.getvalue().splitlines() if "runs for" in line]
    assert lines == [
        f"score: mini-batch 12 runs for {words} (limit 5 min 00 s)" for words in ("12 s", "21 s", "42 s", "1 min 21 s")
    ]
