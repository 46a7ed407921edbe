from typing import Any

from obstore.store import MemoryStore

from fanout.planning.manifests import SHARD_SIZE, Tally, next_shard, write_shard, write_summary
from fanout.queries.failures import PlannedMiniBatches, failing_mini_batches
from fanout.records.mini_batch import MiniBatch
from fanout.records.verdict import VerdictStatus
from fanout.storage.keys import StepRound


async def test_the_plan_says_what_a_failure_was_about(run_report: Any, step_report: Any, failed: Any) -> None:
    """The mini-batch that a kind of failure names first is read from its manifest."""
    store = MemoryStore()
    batches = [MiniBatch(n, files=(f"file:///{n}",), items=1) for n in range(3)]
    at, shard, tally = StepRound("r", "score"), next_shard(iter(batches), 0), Tally()
    tally.add(shard)
    await write_shard(store, at, shard)
    await write_summary(store, at, tally.summary(None))
    report = run_report(
        step_report(status=VerdictStatus.FAILED, failures=(failed(1), failed(2)), planned=StepRound("r", "score"))
    )
    assert await failing_mini_batches(store, report) == {("score", 1): batches[1]}


async def test_a_plan_that_cannot_be_read_hides_no_failure(run_report: Any, step_report: Any, failed: Any) -> None:
    """Without its manifest a failure is told without items."""
    report = run_report(
        step_report(status=VerdictStatus.FAILED, failures=(failed(1),), planned=StepRound("r", "score"))
    )
    assert await failing_mini_batches(MemoryStore(), report) == {}


async def test_mini_batches_are_read_shard_by_shard() -> None:
    """In ascending order each manifest is read once; what is not in the plan is told without items."""
    store, at, tally = MemoryStore(), StepRound("r", "score"), Tally()
    batches = iter([MiniBatch(n, files=(f"file:///{n}",)) for n in range(SHARD_SIZE + 5)])
    for number in range(2):
        shard = next_shard(batches, number)
        tally.add(shard)
        await write_shard(store, at, shard)
    planned = PlannedMiniBatches(store, at, tally.summary(None))
    for index in (0, 999, 1000, 1004):
        batch = await planned.read(index)
        assert batch is not None
        assert batch.index == index
    assert await planned.read(1005) is None
    assert await planned.read(5000) is None
    assert await PlannedMiniBatches(store, at, None).read(0) is None
