from typing import Any

import pytest
from obstore.store import MemoryStore, ObjectStore

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import Paint
from fanout.cli.render.status_text import status_fields, status_lines
from fanout.config.settings import Settings
from fanout.errors import RunError
from fanout.pipeline.model import Pipeline
from fanout.planning.manifests import PlanSummary, write_summary
from fanout.queries.status import RunStatus, State, live_counts, pick, read_status
from fanout.records.run import RunRecord
from fanout.records.seal import Seal, seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.results import codec
from fanout.results.codec import Cause, Entry, Failure, Status
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put

SETTINGS = Settings(store="file:///store")
GOOD = Seal(Verdict(VerdictStatus.COMPLETED, "exit code 0"), Counts(None), seconds=2.0)


@pytest.fixture
def store() -> ObjectStore:
    return MemoryStore()


@pytest.fixture
def record(steps: Any) -> RunRecord:
    return RunRecord("r", Pipeline("/p/pipeline.yml", None, steps), 1_700_000_000.0)


async def begin_score(store: ObjectStore) -> None:
    """`score` has started: a plan of four mini-batches, one result object of one node."""
    await put(store, keys.step_json(StepRound("r", "score")), b"{}")
    await write_summary(store, StepRound("r", "score"), PlanSummary(4, 8, "0" * 64, shard_digests=("0" * 64,)))
    await put(store, keys.node(StepRound("r", "score"), 0), b"{}")
    done = Entry(0, 0, Status.SUCCEEDED, 2, 2, "process000", 0.0, 0.0, 0.1, rows=1)
    lost = Entry(1, 2, Status.FAILED, 2, 0, "process000", 0.0, 0.0, 0.1, failure=Failure(Cause.EXIT, "gone"))
    await put(store, keys.result(StepRound("r", "score"), 0, 0), codec.encode([done, lost], [b"", b""]))


def told(status: RunStatus) -> str:
    return "\n".join(status_lines(status, Commands(), Paint()))


async def test_a_run_that_has_just_started(store: ObjectStore, record: RunRecord) -> None:
    """Without anything in the store the first step is not started, and the others wait."""
    status = await read_status(store, record, SETTINGS)
    assert [step.state for step in status.steps] == [State.STARTING, State.WAITING]
    assert "r  not ended" in told(status)
    assert "fanout resume r" in told(status)


async def test_numbers_of_a_step_under_way_are_counted_from_its_results(
    store: ObjectStore, record: RunRecord, steps: Any
) -> None:
    """Nobody is asked: what nodes have committed says where the step stands."""
    await seal(store, keys.verdict(StepRound("r", "prepare")), GOOD)
    await begin_score(store)
    status = await read_status(store, record, SETTINGS)
    text = told(status)
    assert "prepare  Completed in 2.0 s" in text
    assert "score    under way, 1 failed, 1 of 4 mini-batches succeeded, 2 items failed, 1 node so far" in text
    assert (await live_counts(store, record, steps[1])).rows == 1


async def test_planning_is_told(store: ObjectStore, record: RunRecord) -> None:
    """Before the plan is complete there is no total to compare with."""
    await put(store, keys.step_json(StepRound("r", "score")), b"{}")
    assert "score    under way, 0 mini-batches succeeded, still planning" in told(
        await read_status(store, record, SETTINGS)
    )


async def test_a_run_that_is_over(store: ObjectStore, record: RunRecord) -> None:
    """Verdict and reason of the run and of each step; a step that never ran says so."""
    bad = Seal(Verdict(VerdictStatus.FAILED, "exit code 4"), Counts(None), seconds=2.0)
    await seal(store, keys.verdict(StepRound("r", "prepare")), bad)
    await seal(
        store, keys.run_verdict("r"), Seal(Verdict(VerdictStatus.FAILED, "step prepare: exit code 4"), Counts(None))
    )
    status = await read_status(store, record, SETTINGS)
    text = told(status)
    assert text.startswith("r  Failed in 0.0 s\n")
    assert "look closer: fanout logs r --step prepare" in text
    assert "score    did not run" in text
    fields: Any = status_fields(status)
    assert fields["status"] == "Failed"
    assert [step["status"] for step in fields["steps"]] == ["Failed", None]


def test_a_step_is_picked_by_name(record: RunRecord) -> None:
    """A name that is none of them names those there are."""
    assert pick(record, "score").name == "score"
    with pytest.raises(RunError, match="run r has no step scores; it has prepare, score"):
        pick(record, "scores")
