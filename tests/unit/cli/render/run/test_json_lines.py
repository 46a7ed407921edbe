import json
from typing import Any

import pytest

from fanout.cli.render.run.json_lines import JsonLinesView
from fanout.queries.running import LongRunning
from fanout.records.mini_batch import MiniBatch
from fanout.records.verdict import Counts, VerdictStatus
from fanout.reports.remaining import Again, Remaining


@pytest.fixture
def view(output: Any, manual_clock: Any) -> JsonLinesView:
    return JsonLinesView(output, manual_clock)


def events(output: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.stream.getvalue().splitlines()]


def test_every_line_is_an_object_with_event_and_time(
    view: JsonLinesView, output: Any, steps: Any, step_report: Any, run_report: Any
) -> None:
    """The documented schema, from the start to the end."""
    view.run_started("r", steps, False)
    view.notice("note")
    view.step_started(steps[1])
    view.step_ended(step_report(outputs={"rows": "file:///rows"}))
    view.step_skipped(steps[0], "why")
    view.run_ended(report := run_report(step_report()))
    view.conclude(report, {})
    view.interrupted()
    view.close()
    found = events(output)
    assert [event["event"] for event in found] == [
        *("run_started", "notice", "step_started", "step_ended", "step_skipped", "run_ended", "interrupted"),
    ]
    assert {event["time"] for event in found} == {"2023-11-14T22:13:20.000+00:00"}
    assert found[0]["schema"] == 1
    assert found[0]["steps"][1] == {"name": "score", "kind": "parallel", "after": ["prepare"]}
    assert found[3]["outputs"] == {"rows": "file:///rows"}
    assert found[3]["counts"]["succeeded"] == 10
    assert (found[5]["status"], found[5]["seconds"]) == ("Completed", 61.0)


def test_progress_comes_at_most_once_a_second(
    view: JsonLinesView, output: Any, steps: Any, progress: Any, manual_clock: Any
) -> None:
    """A program that follows is not flooded."""
    view.run_started("r", steps, False)
    for look in range(10):
        view.step_progress(progress(look / 4, succeeded=look))
        manual_clock.advance(0.25)
    assert [event["counts"]["succeeded"] for event in events(output)[1:]] == [0, 4, 8]


def test_failures_are_grouped_and_carry_no_secrets(
    view: JsonLinesView, output: Any, step_report: Any, run_report: Any, failed: Any
) -> None:
    """One object for all that are alike, with the items of the first and the author's paths."""
    alike = (failed(4, message="E: password=x1"), failed(5, message="E: password=x1"))
    report = run_report(step_report(status=VerdictStatus.FAILED, failures=alike))
    view.conclude(report, {("score", 4): MiniBatch(4, files=("file:///a",))})
    failures, end = events(output)
    assert end["event"] == "run_ended"
    assert (failures["count"], failures["mini_batches"], failures["given_up"]) == (2, [4, 5], 2)
    assert "/home/me/src/score.py" in failures["traceback"]
    assert failures["message"] == "E: password=[hidden]"
    assert failures["first"] == {
        "mini_batch": 4,
        "attempt": 3,
        "node": 0,
        "process": "process001",
        "items": ["/a"],
    }


def test_what_runs_again_is_a_record(view: JsonLinesView, output: Any, steps: Any) -> None:
    """With the first and last of each piece, and the reason without secrets."""
    view.step_continues(steps[1], Remaining(7, 10, (Again(((3, 3), (7, 8)), "failed (E: password=x1)"),)))
    [found] = events(output)
    assert (found["event"], found["step"], found["total"], found["done"]) == ("step_goes_on", "score", 10, 7)
    [again] = found["again"]
    assert (again["mini_batches"], again["count"]) == ([[3, 3], [7, 8]], 3)
    assert "x1" not in again["reason"]


def test_the_first_failure_comes_at_once(
    view: JsonLinesView, output: Any, steps: Any, progress: Any, failed: Any
) -> None:
    """Also between two events of progress; alike ones once."""
    view.run_started("r", steps, False)
    view.step_progress(progress(1.0, failed=1))
    view.step_progress(progress(1.1, failed=2, failures=[failed(4), failed(5)]))
    found = events(output)[-1]
    assert (found["event"], found["mini_batch"], found["attempt"], found["cause"]) == ("failure", 4, 3, "exception")
    assert found["traceback"].endswith("ValueError: no")


def test_a_run_that_completed_with_failures_says_so(
    view: JsonLinesView, output: Any, step_report: Any, run_report: Any
) -> None:
    """Its status alone is Completed, as Azure has it."""
    for failed, expected in ((0, False), (3, True)):
        view.conclude(run_report(step_report(counts=Counts(10, succeeded=10 - failed, failed=failed))), {})
        assert events(output)[-1]["with_failures"] is expected


def test_what_runs_for_long(view: JsonLinesView, output: Any, steps: Any, step_report: Any) -> None:
    """An event with the seconds and the limit; none while nothing does."""
    view.run_started("r", steps, False)
    view.step_started(steps[1])
    assert view.running_steps() == ("r", ("score",))
    view.step_runs("score", ())
    view.step_runs("score", (LongRunning(12, 44.04, 60.0),))
    view.step_ended(step_report())
    assert view.running_steps() == ("r", ())
    [found] = [event for event in events(output) if event["event"] == "running"]
    assert found["mini_batches"] == [{"mini_batch": 12, "seconds": 44.0, "limit": 60.0}]
