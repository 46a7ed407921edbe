from typing import Any

import pytest

from fanout.cli.render.run.board import Board, Phase, end_line, progress_line, remaining_lines
from fanout.cli.render.run.first_failures import MOST_KINDS
from fanout.records.verdict import Counts, VerdictStatus
from fanout.reports.remaining import Again, Remaining
from fanout.results.codec import Cause, Event, Failure, Status


def board_of(steps: Any) -> Board:
    board = Board()
    board.begin("r", steps)
    return board


def test_steps_go_through_their_phases(steps: Any, step_report: Any) -> None:
    """Waiting, then running, then ended; or skipped."""
    board = board_of(steps)
    board.start(steps[1])
    assert [state.phase for state in board.states.values()] == [Phase.WAITING, Phase.RUNNING]
    board.end(step_report())
    board.skip(steps[0], "no need")
    assert [state.phase for state in board.states.values()] == [Phase.SKIPPED, Phase.ENDED]


def test_rate_and_time_left_come_from_the_last_seconds(steps: Any, progress: Any) -> None:
    """What was counted at once at the start of a resumed run does not flatter the rate."""
    board = board_of(steps)
    for seconds, done in ((0.0, 0), (0.1, 50), (20.0, 60), (30.0, 70)):
        state = board.progress(progress(seconds, succeeded=done))
    assert state.rate == pytest.approx(12.5 / 15, rel=0.01)
    assert progress_line(state) == "70 of 100 mini-batches, 48 s left, 0.8/s, 0 items"


def test_the_time_until_the_first_result_says_nothing_of_the_pace(steps: Any, progress: Any) -> None:
    """Scripts load models in it; and when nothing is left, there is no time to tell."""
    board = board_of(steps)
    board.progress(progress(0.0, succeeded=0))
    for seconds, done in ((20.0, 10), (21.0, 20)):
        state = board.progress(progress(seconds, succeeded=done))
    assert (state.rate, state.seconds_left) == (10.0, 8.0)
    state = board.progress(progress(29.0, succeeded=100))
    assert state.seconds_left is None


def test_too_little_to_tell(steps: Any, progress: Any) -> None:
    """One look gives no rate."""
    state = board_of(steps).progress(progress(1.0, succeeded=5))
    assert state.rate is None
    assert state.seconds_left is None


def test_failures_are_counted_in_the_line(steps: Any, progress: Any) -> None:
    """Failed mini-batches, new tries and failed items show while the step runs."""
    state = board_of(steps).progress(
        progress(1.0, succeeded=5, failed=1, dead_lettered=1, retried=3, items=14, items_failed=4)
    )
    assert progress_line(state) == "2 failed, 5 of 100 mini-batches succeeded, 3 tried again, 14 items (4 failed)"


def test_planning_is_said(steps: Any, progress: Any) -> None:
    """Before the plan is complete there is no total."""
    state = board_of(steps).progress(progress(1.0, total=None, succeeded=5))
    assert progress_line(state).startswith("5 of 100 mini-batches planned so far")


def test_a_script_that_does_not_start_is_told_at_once_and_once(steps: Any, progress: Any) -> None:
    """The same failure of every process is shown once; the end of a slot without a failure is none."""
    board = board_of(steps)
    broken = Event("process000", 0.0, Failure(Cause.INIT, "ImportError: no\x1b module"))
    news = progress(1.0, events=[(0, broken), (1, broken), (0, Event("process001", 0.0, None, files=("a",)))])
    assert list(board.first_failures(news)) == [
        (
            "score: first failure of its kind: the script could not be started, node 0, process000",
            "   ImportError: no\ufffd module",
        )
    ]
    assert list(board.first_failures(news)) == []


def test_the_first_failure_of_each_kind_is_shown_with_its_traceback(steps: Any, progress: Any, failed: Any) -> None:
    """Once, whatever follows that is like it; whether it is tried again is said."""
    board = board_of(steps)
    [(sentence, traceback)] = board.first_failures(progress(1.0, failures=[first := failed(4, status=Status.RETRIED)]))
    assert sentence == ("score: first failure of its kind: mini-batch 4, attempt 3, node 0, process001, tried again")
    assert traceback.startswith("   Traceback (most recent call last):\n")
    assert traceback.endswith("   ValueError: no")
    others = [first, failed(5), failed(6, failure=Failure(Cause.EXIT, "it ended"))]
    [(sentence, traceback)] = board.first_failures(progress(2.0, failures=others))
    assert (sentence.split(": ")[2].split(",")[0], traceback) == ("mini-batch 6", "   it ended")


def test_few_kinds_of_failures_are_shown_while_a_step_runs(steps: Any, progress: Any, failed: Any) -> None:
    """A script that fails in a new way each time does not fill the screen."""
    kinds = [failed(n, failure=Failure(Cause.EXIT, f"it ended {'so' * n}")) for n in range(50)]
    assert len(list(board_of(steps).first_failures(progress(1.0, failures=kinds)))) == MOST_KINDS


def test_the_end_of_a_step_is_one_line(step_report: Any) -> None:
    """How, how long, and why."""
    assert end_line(step_report()) == "Completed in 12 s: all 10 mini-batches succeeded"
    assert end_line(step_report(earlier=True)) == "Completed earlier: all 10 mini-batches succeeded"


def test_what_is_run_again_is_told_with_its_reason(steps: Any) -> None:
    """How many stay; then each group, in short."""
    again = (Again(((3, 3), (7, 9)), "no result"), Again(((12, 12),), "failed"))
    assert list(remaining_lines(steps[1], Remaining(1995, 2000, again))) == [
        "score: 1,995 of 2,000 mini-batches done; that stays",
        "score: mini-batches 3, 7-9 (4): no result",
        "score: mini-batch 12: failed",
    ]
    assert list(remaining_lines(steps[1], Remaining(1, None, ()))) == [
        "score: planning was cut off and goes on; results so far: 1 mini-batch"
    ]


def test_a_step_that_completed_with_failures_says_so(step_report: Any) -> None:
    """The word alone would be half of the truth."""
    counts = Counts(10, succeeded=7, failed=3)
    assert end_line(step_report("3 failed", counts=counts)) == "Completed with failures in 12 s: 3 failed"


def test_a_canceled_step_says_how_far_it_had_come(step_report: Any) -> None:
    """Together with who wanted that."""
    counts = Counts(10, succeeded=3, canceled=7)
    report = step_report("anne canceled the run", status=VerdictStatus.CANCELED, counts=counts)
    assert end_line(report) == "Canceled in 12 s: anne canceled the run; 3 of 10 mini-batches had succeeded"
