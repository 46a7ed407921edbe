"""The verdict of a run, as a table."""

import pytest

from fanout.run.observer import StepReport
from fanout.run.story import run_verdict
from fanout.spec.steps import CommandStep
from fanout.step.seal import Seal
from fanout.step.verdict import Counts, Verdict, VerdictStatus

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
