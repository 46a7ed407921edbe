"""What a test gets to see of a run, from the events that `fanout run --json` tells."""

from typing import Any

import pytest

from fanout.testing.result import Counts, RunResult, failures_of, read_events, steps_of

TRACEBACK = 'Traceback (most recent call last):\n  File "/src/score.py", line 5, in run\nValueError: no\n'
EVENTS: list[dict[str, Any]] = [
    {
        "event": "run_started",
        "steps": [{"name": n, "kind": k} for n, k in [("a", "command"), ("b", "parallel"), ("c", "command")]],
    },
    {
        "event": "step_ended",
        "step": "a",
        "status": "Completed",
        "reason": "exit code 0",
        "counts": {"total": None, "succeeded": 0},
        "outputs": {"table": "file:///o/table.csv"},
        "logs": "",
    },
    {
        "event": "step_ended",
        "step": "b",
        "status": "Failed",
        "reason": "failed mini-batches: 1",
        "counts": {"total": 3, "succeeded": 2, "failed": 1, "something_new": 7},
        "outputs": {},
        "logs": "",
    },
    {"event": "step_skipped", "step": "c", "reason": "step b did not complete"},
    {
        "event": "failures",
        "step": "b",
        "count": 3,
        "mini_batches": [1],
        "given_up": 1,
        "message": "ValueError: no",
        "traceback": TRACEBACK,
        "first": {"mini_batch": 1, "items": ["/in/1.txt"]},
    },
]


def result() -> RunResult:
    steps, failures = steps_of(EVENTS, {}), failures_of(EVENTS)
    return RunResult("r", "Failed", "step b: failed", steps, failures, {}, (), 1.0, "file:///s", "sqlite")


def test_every_step_has_its_end() -> None:
    """Steps in the order of the pipeline; what did not run says why; fields of later versions are left out."""
    found = result()
    assert [(step.name, step.verdict) for step in found.steps.values()] == [
        ("a", "Completed"),
        ("b", "Failed"),
        ("c", "Skipped"),
    ]
    assert found.steps["c"].reason == "step b did not complete"
    assert found.counts == Counts(total=3, succeeded=2, failed=1)


def test_explanation_has_the_traceback_and_where_it_came_from() -> None:
    """The verdict comes first: it is all that pytest's summary shows."""
    text = result().explain()
    assert text.startswith("run r ended Failed: step b: failed\n")
    assert "step b: 3 failures; mini-batch 1; first in /in/1.txt\n" + TRACEBACK.rstrip() in text
    assert "step c did not run: step b did not complete" in text


def test_outputs_are_found_by_name() -> None:
    """One of a step by `step.output`; without a name the only one; an unknown name is told the known ones."""
    found = result()
    assert found.output("a.table").uri == found.output().uri == "file:///o/table.csv"
    with pytest.raises(KeyError, match=r"no output 'table'; it has a\.table"):
        found.output("table")


def test_run_without_the_one_that_is_asked_for() -> None:
    """No guess among none or several."""
    empty = RunResult("r", "Failed", "", {}, (), {}, (), 0.0, "file:///s", "sqlite")
    with pytest.raises(KeyError, match=r"0 outputs \(none\): use result.output\(name\)"):
        empty.output()
    with pytest.raises(KeyError, match="0 parallel steps"):
        _ = empty.counts


def test_lines_that_are_no_events_are_passed_over() -> None:
    """A library may print to stdout before the first event."""
    assert read_events(["hello", '{"event": "notice"}', ""]) == [{"event": "notice"}]
