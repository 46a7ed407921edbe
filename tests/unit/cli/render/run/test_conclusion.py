from dataclasses import replace
from typing import Any

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import Paint
from fanout.cli.render.run.conclusion import conclusion
from fanout.records.verdict import Counts, VerdictStatus
from fanout.results.codec import Cause, Failure


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


WITH_FAILURES = Counts(10, succeeded=7, failed=3, items=20, items_succeeded=13, items_failed=7)


def test_completed_with_failures_is_loud(run_report: Any, step_report: Any) -> None:
    """The thresholds allow it, and nobody overlooks it: yellow, in words, and the logs are named."""
    reason = "3 of 10 mini-batches failed (allowed by mini_batch_error_threshold -1, allowed_failed_percent 100)"
    report = run_report(step_report(reason, counts=WITH_FAILURES))
    lines = told(report)
    assert lines[0] == f"Completed with failures r in 1 min 01 s: {reason}"
    assert "  score logs  /store/runs/r/score/logs/" in lines
    assert told(report, Paint(on=True))[0].startswith("\x1b[33m\x1b[1mCompleted with failures")


def test_each_step_that_completed_with_failures_is_named(run_report: Any, step_report: Any) -> None:
    """Where the verdict of the run has no room for it."""
    lines = told(run_report(step_report("3 failed", counts=WITH_FAILURES), step_report()))
    assert lines[0] == "score: Completed with failures: 3 failed"
    assert lines[1].startswith("Completed with failures r")


def test_the_verdict_is_the_last_thing_one_sees(run_report: Any, step_report: Any, failed: Any) -> None:
    """Tracebacks come before it, places after it."""
    lines = told(run_report(step_report("too many", status=VerdictStatus.FAILED, failures=(failed(1),))))
    assert lines[0] == ""
    assert lines[1].startswith("score: 1 failed attempt")
    assert lines[-6:] == [
        "Failed r in 1 min 01 s: too many",
        "  score logs  /store/runs/r/score/logs/",
        "  failures            fanout failures r",
        "  with changed code   fanout redrive r --new-code",
        "  with the same code  fanout redrive r",
        "  more                fanout status r",
    ]


def test_advice_fits_what_failed(run_report: Any, step_report: Any, failed: Any, steps: Any) -> None:
    """Code is only named where code can be at fault; what the pipeline file has wrong is not mended by a redrive."""

    def advice(**fields: Any) -> list[str]:
        report = run_report(step_report("no", status=VerdictStatus.FAILED, **fields))
        lines = told(replace(report, file="pipe line.yml"))
        first = next(number for number, line in enumerate(lines) if line.startswith("  failures"))
        return [line.strip() for line in lines[first + 1 : -1]]

    vanished = failed(1, failure=Failure(Cause.VANISHED, "two nodes vanished"))
    assert advice(failures=(vanished,)) == ["try again  fanout redrive r"]
    assert advice(failures=(failed(1),), code=None) == ["try again  fanout redrive r"]
    assert advice(counts=Counts(total=None)) == [
        "with changed data             fanout redrive r",
        "with a changed pipeline file  fanout run 'pipe line.yml'",
    ]
    assert advice(step=steps[0], counts=Counts(total=None), error="sh: no such command") == [
        "with changed code             fanout redrive r --new-code",
        "with the same code            fanout redrive r",
        "with a changed pipeline file  fanout run 'pipe line.yml'",
    ]


def test_a_canceled_run_says_how_to_go_on(run_report: Any, step_report: Any) -> None:
    """Nothing is lost, so the next command is named."""
    lines = told(run_report(step_report("canceled", status=VerdictStatus.CANCELED)))
    assert lines[-2:] == [
        "  go on with         fanout redrive r",
        "  with changed code  fanout redrive r --new-code",
    ]


def test_colours_tell_verdicts_apart(run_report: Any, step_report: Any) -> None:
    """Green, red and yellow, on a terminal."""
    colours = {
        status: told(run_report(step_report(status=status)), Paint(on=True))[0][:5]
        for status in (VerdictStatus.COMPLETED, VerdictStatus.FAILED, VerdictStatus.CANCELED)
    }
    assert list(colours.values()) == ["\x1b[32m", "\x1b[31m", "\x1b[33m"]
