"""Which runs `fanout list` and `fanout redrive --all-failed` mean."""

from dataclasses import replace

import pytest

from fanout.pipeline.model import Pipeline
from fanout.queries.run_filter import RunFilter, RunState
from fanout.queries.runs import ListedRun
from fanout.records.run import RunRecord
from fanout.records.seal import Seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus

RECORD = RunRecord("drop-a-0123456789abcdef", Pipeline("p.yml", None, (), tags={"team": "blue", "kind": ""}), 1000.0)
PLAIN = ListedRun(RECORD, None)


def ended(status: VerdictStatus, failed: int = 0) -> ListedRun:
    """A run that ended so."""
    return ListedRun(RECORD, Seal(Verdict(status, ""), Counts(2, succeeded=2 - failed, failed=failed)))


@pytest.mark.parametrize(
    ("run", "states"),
    [
        (PLAIN, {RunState.NOT_ENDED}),
        (ended(VerdictStatus.COMPLETED), {RunState.COMPLETED}),
        (ended(VerdictStatus.COMPLETED, 1), {RunState.COMPLETED, RunState.WITH_FAILURES}),
        (ended(VerdictStatus.FAILED, 1), {RunState.FAILED}),
        (ended(VerdictStatus.CANCELED), {RunState.CANCELED}),
    ],
)
def test_runs_by_their_end(run: ListedRun, states: set[RunState]) -> None:
    """Each run is found by what is true of it, and by nothing else."""
    assert {state for state in RunState if RunFilter(frozenset({state})).takes(run)} == states


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (RunFilter(), True),
        (RunFilter(since=1000.0), True),
        (RunFilter(since=1000.1), False),
        (RunFilter(tags={"team": None}), True),
        (RunFilter(tags={"team": "blue", "kind": ""}), True),
        (RunFilter(tags={"team": "red"}), False),
        (RunFilter(tags={"other": None}), False),
        (RunFilter(trigger="drop"), True),
        (RunFilter(trigger="dro"), False),
        (RunFilter(trigger="drop-a"), True),
    ],
)
def test_runs_by_age_tags_and_trigger(wanted: RunFilter, taken: bool) -> None:
    """All that is asked for has to be true."""
    assert wanted.takes(PLAIN) is taken


def test_a_run_with_a_name_of_its_own_is_of_no_trigger() -> None:
    """A trigger's names end with a digest."""
    assert not RunFilter(trigger="drop").takes(replace(PLAIN, record=replace(RECORD, name="drop-by-hand")))
