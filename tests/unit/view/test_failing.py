from typing import Any

from obstore.store import MemoryStore

from fanout.plan.manifests import next_shard, write_shard
from fanout.plan.minibatch import MiniBatch
from fanout.step.verdict import VerdictStatus
from fanout.store.keys import StepRound
from fanout.view.failing import failing_mini_batches


async def test_the_plan_says_what_a_failure_was_about(run_report: Any, step_report: Any, failed: Any) -> None:
    """The mini-batch that a kind of failure names first is read from its manifest."""
    store = MemoryStore()
    batches = [MiniBatch(n, files=(f"file:///{n}",), items=1) for n in range(3)]
    await write_shard(store, StepRound("r", "score"), next_shard(iter(batches), 0))
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
