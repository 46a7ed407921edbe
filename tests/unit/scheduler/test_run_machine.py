"""The graph of a run: the order of its steps, what keeps one from running, and the verdict of all."""

import pytest

from fanout.pipeline.model import CommandStep, Pipeline
from fanout.records.cancelation import Cancelation
from fanout.records.seal import Seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.scheduler.observer import StepReport
from fanout.scheduler.run_machine import (
    Begin,
    Conclude,
    LookAgain,
    RunFacts,
    SkipStep,
    blocked_by,
    decide,
    fails_run,
    run_counts,
    run_verdict,
)

COMPLETED, FAILED, CANCELED = VerdictStatus.COMPLETED, VerdictStatus.FAILED, VerdictStatus.CANCELED
A, B = CommandStep(name="a", command="true"), CommandStep(name="b", command="true")


@pytest.mark.parametrize(
    ("a", "b", "status", "reason"),
    [
        (COMPLETED, COMPLETED, COMPLETED, "all 2 steps completed"),
        (COMPLETED, FAILED, FAILED, "step b: because"),
        (FAILED, None, FAILED, "step a: because"),
        (FAILED, CANCELED, CANCELED, "step b: because"),
        (COMPLETED, None, FAILED, "step b did not run"),
    ],
)
def test_a_run_is_as_good_as_its_worst_step(
    a: VerdictStatus | None, b: VerdictStatus | None, status: VerdictStatus, reason: str
) -> None:
    """Canceled before Failed before Completed; a step that could not start is no success."""
    ended = {
        step.name: StepReport(step, Seal(Verdict(how, "because"), Counts(total=None)))
        for step, how in ((A, a), (B, b))
        if how is not None
    }
    assert run_verdict((A, B), ended) == Verdict(status, reason)


def _report(step: CommandStep, how: VerdictStatus) -> StepReport:
    return StepReport(step, Seal(Verdict(how, "because"), Counts(total=None)))


def test_a_canceled_run_says_who_did_that() -> None:
    """Whatever became of its steps."""
    verdict = run_verdict((A, B), {"a": _report(A, COMPLETED)}, Cancelation("ada", "here"))
    assert verdict == Verdict(CANCELED, "ada on here canceled the run")


LAST, MIDDLE = (
    CommandStep(name="last", command="", depends_on=("middle", "a")),
    CommandStep(name="middle", command="", depends_on=("a",)),
)
STEPS = (LAST, MIDDLE, A, B)


def test_steps_begin_after_those_they_need() -> None:
    """In whatever order the file has them; independent ones at the same time."""
    assert decide(STEPS, RunFacts()) == (Begin(A), Begin(B))
    under_way: dict[str, float | None] = {"a": None, "b": None}
    assert decide(STEPS, RunFacts(under_way=under_way)) == (), "both are worked on"
    ended = {"a": _report(A, COMPLETED)}
    assert decide(STEPS, RunFacts(ended, under_way={"b": None})) == (Begin(MIDDLE),)
    ended["middle"] = _report(MIDDLE, COMPLETED)
    assert decide(STEPS, RunFacts(ended, under_way={"b": None})) == (Begin(LAST),)


def test_what_a_failed_step_feeds_is_left_out() -> None:
    """And so is what comes after that; the others go on."""
    ended = {"a": _report(A, FAILED)}
    facts = RunFacts(ended, under_way={"b": 3.0})
    assert decide(STEPS, facts) == (SkipStep(MIDDLE, "step a did not complete"),)
    facts = RunFacts(ended, {"middle"}, {"b": 3.0})
    assert decide(STEPS, facts) == (SkipStep(LAST, "step a did not complete"),)
    assert decide(STEPS, RunFacts(ended, {"middle", "last"}, {"b": 3.0})) == (LookAgain(3.0),)


def test_the_next_look_is_at_the_step_that_wants_it_first() -> None:
    """Once this process works on none of them."""
    assert decide((A, B), RunFacts(under_way={"a": 300.0, "b": 2.0})) == (LookAgain(2.0),)
    assert decide((A, B), RunFacts(under_way={"a": None, "b": 2.0})) == ()


def test_a_run_is_over_when_every_step_is() -> None:
    """With the verdict and the sums of all."""
    ended = {"a": _report(A, COMPLETED), "b": _report(B, FAILED)}
    [end] = decide((A, B), RunFacts(ended))
    assert end == Conclude(Verdict(FAILED, "step b: because"), run_counts(ended.values()))


@pytest.mark.parametrize(
    ("how", "reason"),
    [(COMPLETED, None), (FAILED, "step a did not complete"), (None, "step a did not complete")],
)
def test_what_keeps_a_step_from_running(how: VerdictStatus | None, reason: str | None) -> None:
    """A step it needs that did not complete, or was skipped."""
    step = CommandStep(name="then", command="", depends_on=("a",))
    reports = {} if how is None else {"a": _report(A, how)}
    assert blocked_by(step, reports) == reason


@pytest.mark.parametrize(
    ("how", "goes_on", "ends"),
    [(FAILED, False, True), (FAILED, True, False), (COMPLETED, False, False), (CANCELED, False, False)],
)
def test_what_ends_all_other_steps(how: VerdictStatus, goes_on: bool, ends: bool) -> None:
    """A failure, where the pipeline says that one is too many."""
    pipeline = Pipeline(file="", name=None, steps=(A, B), continue_on_step_failure=goes_on)
    assert fails_run(pipeline, _report(A, how)) is ends


def test_a_run_whose_steps_were_ended_by_one_has_failed() -> None:
    """By the reason of that one, although others were canceled."""
    ended = {"a": _report(A, CANCELED), "b": _report(B, FAILED)}
    assert run_verdict((A, B), ended, Cancelation(step="b")) == Verdict(FAILED, "step b: because")
