from typing import Any

from fanout.step.verdict import Counts, VerdictStatus
from fanout.view.commands import Commands
from fanout.view.conclusion import conclusion
from fanout.view.output import Paint


def told(report: Any, paint: Paint = Paint()) -> list[str]:  # noqa: B008 - frozen
    return list(conclusion(report, {}, Commands(), paint))


def test_a_success_is_short(run_report: Any, step_report: Any) -> None:
    """Verdict, time, reason, and where the output is."""
    report = run_report(step_report(outputs={"rows": "file:///out/rows.txt"}))
    assert told(report) == [
        "Completed r in 1 min 01 s: all 10 mini-batches succeeded",
        "  score.rows  /out/rows.txt",
        "  more        fanout status r",
    ]


def test_completed_with_failures_is_loud(run_report: Any, step_report: Any) -> None:
    """The thresholds allow it, and nobody overlooks it; the logs are named."""
    counts = Counts(10, succeeded=7, failed=3, items=20, items_succeeded=13, items_failed=7)
    lines = told(run_report(step_report("3 of 10 mini-batches failed", counts=counts)))
    assert lines[0] == (
        "WARNING: score completed with failures: 3 of 10 mini-batches failed on every try and 7 of 20 items did not "
        "succeed. Its thresholds allow that (error_threshold -1, mini_batch_error_threshold -1, "
        "allowed_failed_percent 100)."
    )
    assert "  score logs  /store/runs/r/score/logs/" in lines


def test_the_verdict_is_the_last_thing_one_sees(run_report: Any, step_report: Any, failed: Any) -> None:
    """Tracebacks come before it, places after it."""
    lines = told(run_report(step_report("too many", status=VerdictStatus.FAILED, failures=(failed(1),))))
    assert lines[0] == ""
    assert lines[1].startswith("score: 1 failed attempt")
    assert lines[-5] == "Failed r in 1 min 01 s: too many"
    assert [line.split()[0] for line in lines[-4:]] == ["score", "failures", "try", "more"]


def test_a_canceled_run_says_how_to_go_on(run_report: Any, step_report: Any) -> None:
    """Nothing is lost, so the next command is named."""
    lines = told(run_report(step_report("canceled", status=VerdictStatus.CANCELED)))
    assert lines[-1] == "  go on with  fanout redrive r"


def test_colours_tell_verdicts_apart(run_report: Any, step_report: Any) -> None:
    """Green, red and yellow, on a terminal."""
    colours = {
        status: told(run_report(step_report(status=status)), Paint(on=True))[0][:5]
        for status in (VerdictStatus.COMPLETED, VerdictStatus.FAILED, VerdictStatus.CANCELED)
    }
    assert list(colours.values()) == ["\x1b[32m", "\x1b[31m", "\x1b[33m"]
