"""What `fanout cancel` says."""

from typing import Any

import pytest

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.canceled import cancel_fields, cancel_lines
from fanout.cli.render.output import Paint
from fanout.pipeline.model import Pipeline
from fanout.queries.status import RunStatus, State, StepStatus
from fanout.records.run import RunRecord
from fanout.records.seal import Seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.scheduler.cancel import CancelEnd


def _end(status: VerdictStatus, *, earlier: bool) -> CancelEnd:
    record = RunRecord("r", Pipeline("p.yml", None, ()), 1_700_000_000.0)
    return CancelEnd(record, Seal(Verdict(status, "anne canceled the run"), Counts(None), at=1.7e9), earlier)


def _status(end: CancelEnd) -> RunStatus:
    counts = Counts(1000, succeeded=400, canceled=600)
    steps = (
        StepStatus("prepare", seal=Seal(Verdict(VerdictStatus.COMPLETED, "well"), Counts(None))),
        StepStatus("score", seal=end.seal, counts=counts),
        StepStatus("report", state=State.DID_NOT_RUN),
    )
    return RunStatus("r", 1.7e9, "p.yml", end.seal, steps)


def _lines(end: CancelEnd) -> list[str]:
    return list(cancel_lines(end, _status(end), "file:///data/.fanout", Commands(("--store", "x")), Paint()))


def test_who_and_how_far_and_how_to_go_on() -> None:
    """Every step is named, and where its results stay."""
    assert _lines(_end(VerdictStatus.CANCELED, earlier=False)) == [
        "Canceled r: anne canceled the run",
        "  prepare: Completed",
        "  score: Canceled, 400 of 1,000 mini-batches had succeeded",
        "  report: did not run",
        "  what was committed stays  /data/.fanout/runs/r/",
        "  go on from there          fanout redrive r --store x",
    ]


@pytest.mark.parametrize(("earlier", "when"), [(True, "already"), (False, "before it could be canceled")])
def test_a_run_that_was_over(earlier: bool, when: str) -> None:
    """There is nothing to go on from."""
    lines = _lines(_end(VerdictStatus.COMPLETED, earlier=earlier))
    assert lines[0].startswith(f"r was over {when}: Completed at ")
    assert lines[1:] == ["  more  fanout status r --store x"]


@pytest.mark.parametrize("status", list(VerdictStatus))
def test_for_programs(status: VerdictStatus) -> None:
    """The status of the run, and whether it is canceled."""
    end = _end(status, earlier=False)
    fields: dict[str, Any] = cancel_fields(end, _status(end))
    assert (fields["canceled"], fields["earlier"]) == (status is VerdictStatus.CANCELED, False)
    assert fields["steps"][1]["counts"]["canceled"] == 600
