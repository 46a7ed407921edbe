"""The story of a parallel step: cut anywhere and told again, it has the same end."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fanout.errors import DamagedRecordError, StoreError
from fanout.pipeline.model import Limits, Output, Thresholds
from fanout.queues.step_queues import take_queues
from fanout.records.verdict import Verdict, VerdictStatus
from fanout.reports.remaining import NO_RESULT, Again, Remaining
from fanout.results import codec
from fanout.results.codec import Entry, Failure, Status
from fanout.scheduler.resident import resume, start
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import delete, put, read

ROWS = b"".join(b"row of %d\n" % index for index in range(12))


async def _forever(index: int) -> None:
    await asyncio.Event().wait()


def _failing(failure: Failure, *indexes: int) -> Callable[[int], Any]:
    async def answer(index: int) -> Failure | None:
        return failure if index in indexes else None

    return answer


async def test_a_step_from_its_plan_to_its_output(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """Rows in mini-batch order, the counts add up, the queues are gone, and the report says where everything is."""
    step = score(instance_count=3)
    report = await start(pipeline(step), world.context, notes, "r")
    assert report.verdict == Verdict(VerdictStatus.COMPLETED, "completed")
    assert (world.folder / "rows.txt").read_bytes() == ROWS
    assert world.engine.placed == [(StepRound("r", "score"), 3)]
    [ended] = report.steps
    assert (ended.seal.counts.total, ended.seal.counts.succeeded, ended.seal.counts.rows) == (12, 12, 12)
    assert ended.outputs == {"rows": f"file://{world.folder}/rows.txt"}
    assert ended.logs == f"file://{world.folder}/store/runs/r/score/logs/"
    assert not world.keys("queues")
    assert notes.said == ["run r started: score", "score started", "score Completed", "run Completed: completed"]


async def test_rows_in_a_folder_have_the_references_name(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """An output without a place of its own is in the run's (reference, section 7)."""
    report = await start(pipeline(score(outputs={"rows": Output()})), world.context, notes, "r")
    place = world.folder / "store/runs/r/score/outputs/rows/parallel_run_step.txt"
    assert place.read_bytes() == ROWS
    assert report.steps[0].outputs == {"rows": f"file://{place}"}


async def test_summary_only_joins_no_rows(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """Without append_row_to the step completes and nothing is written."""
    step = score(outputs={})
    report = await start(pipeline(replace(step, task=replace(step.task, append_row_to=None))), world.context, notes)
    assert report.steps[0].seal.verdict.completed
    assert report.steps[0].outputs == {}
    assert not (world.folder / "rows.txt").exists()


async def test_what_has_ended_is_not_touched_again(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """Resuming an ended run places no node, writes nothing, and reports the same end."""
    first = await start(pipeline(score()), world.context, notes, "r")
    (world.folder / "rows.txt").write_text("edited since")
    before, world.engine.placed[:] = world.keys(), []
    again = await resume("r", world.context, notes)
    assert again.verdict == first.verdict
    assert again.steps[0] == replace(first.steps[0], earlier=True)
    assert world.engine.placed == []
    assert world.keys() == before
    assert (world.folder / "rows.txt").read_text() == "edited since"


async def test_the_queue_of_a_supervisor_that_came_too_late_is_removed(
    world: Any, notes: Any, score: Any, pipeline: Any
) -> None:
    """It had made one for a step that was over by then, and died: whoever resumes leaves none behind."""
    await start(pipeline(score()), world.context, notes, "r")
    settings = {"visibility": 1.0, "max_receives": 5}
    await take_queues(world.store, world.queues, StepRound("r", "score"), world.context.settings.store, **settings)
    assert await world.queues.names()
    report = await resume("r", world.context, notes)
    assert report.verdict.completed
    assert not await world.queues.names()


@pytest.mark.parametrize("cut_at", [0, 1, 7])
async def test_a_run_that_was_cut_has_the_same_end(
    world: Any, notes: Any, score: Any, pipeline: Any, cut_at: int
) -> None:
    """What was committed is kept and not done again; the rest follows; the output is the same, byte for byte."""
    engine, reached = world.paper(), asyncio.Event()

    async def answer(index: int) -> None:
        if len(engine.answered) > cut_at:
            reached.set()
            await asyncio.Event().wait()

    engine.answer = answer
    task = asyncio.create_task(start(pipeline(score()), world.with_engine(engine), notes, "r"))
    async with asyncio.timeout(20):
        await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    report = await resume("r", world.context, notes)
    assert report.verdict.completed
    assert (world.folder / "rows.txt").read_bytes() == ROWS
    assert set(engine.answered[:cut_at]).isdisjoint(world.engine.answered)
    assert not world.keys("queues")


async def test_a_run_cut_while_it_was_planned_has_the_same_end(
    world: Any, notes: Any, score: Any, pipeline: Any
) -> None:
    """Nobody knows what the first queue holds: it is given up, and every mini-batch is sent to another one."""
    engine = replace(world.paper(), answer=_forever)
    task = asyncio.create_task(start(pipeline(score()), world.with_engine(engine), notes, "r"))
    async with asyncio.timeout(20):
        while not engine.answered:  # noqa: ASYNC110 - the paper node tells nobody
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await delete(world.store, keys.plan_json(StepRound("r", "score")), keys.published_json(StepRound("r", "score")))
    report = await resume("r", world.context, notes)
    assert report.verdict.completed
    assert set(world.engine.answered) == set(range(12))
    assert (world.folder / "rows.txt").read_bytes() == ROWS


async def test_what_is_sent_again_starts_from_its_next_attempt(
    world: Any, notes: Any, score: Any, pipeline: Any, failure: Failure
) -> None:
    """Attempts go on counting in another queue, and end at max_retries: also after a last one that was held no more."""
    at = StepRound("r", "score")
    engine = replace(world.paper(), answer=_forever)
    task = asyncio.create_task(start(pipeline(score()), world.with_engine(engine), notes, "r"))
    async with asyncio.timeout(20):
        while not engine.answered or await read(world.store, keys.published_json(at)) is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    tried = [
        Entry(i, a, Status.RETRIED, 1, 0, "process000", 0.0, 0.0, 0.0, failure=failure) for i, a in ((3, 0), (4, 2))
    ]
    await put(world.store, keys.result(at, 0, 0), codec.encode(tried, [b"", b""]))
    await delete(world.store, keys.published_json(at))
    report = await resume("r", world.context, notes)
    assert report.verdict.completed
    assert world.engine.attempts == {index: {3: 1, 4: 2}.get(index, 0) for index in range(12)}


async def test_what_follows_from_the_seal_is_done_again(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """A run that could not write its output is sealed; once there is room, resuming writes it without any work."""
    blocked = world.folder / "file"
    blocked.write_text("in the way")
    step = score(outputs={"rows": Output(uri=f"file://{blocked}/out")})
    with pytest.raises((StoreError, ExceptionGroup)):
        await start(pipeline(step), world.context, notes, "r")
    sealed = await read(world.store, keys.verdict(StepRound("r", "score")))
    assert sealed is not None
    blocked.unlink()
    world.engine.placed.clear()
    report = await resume("r", world.context, notes)
    assert report.verdict.completed
    assert (blocked / "out" / "parallel_run_step.txt").read_bytes() == ROWS
    assert world.engine.placed == []
    assert await read(world.store, keys.verdict(StepRound("r", "score"))) == sealed
    assert not world.keys("queues")


async def test_two_supervisors_agree(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """Both at once on one run: one seal, the same report, the output once."""
    record = asyncio.create_task(start(pipeline(score()), world.context, notes, "r"))
    async with asyncio.timeout(20):
        while await read(world.store, keys.published_json(StepRound("r", "score"))) is None:  # noqa: ASYNC110 - no event to hear
            await asyncio.sleep(0.005)
    second = await resume("r", world.with_engine(world.paper()), notes)
    first = await record
    assert first.verdict == second.verdict
    assert first.steps[0].seal == second.steps[0].seal
    assert (world.folder / "rows.txt").read_bytes() == ROWS


async def test_failures_within_the_thresholds(
    world: Any, notes: Any, score: Any, pipeline: Any, failure: Failure
) -> None:
    """The step completes without their rows, and the report names them."""
    world.engine.answer = _failing(failure, 3, 5)
    report = await start(pipeline(score()), world.context, notes, "r")
    assert report.verdict.completed
    assert sorted(attempt.index for attempt in report.steps[0].failures) == [3, 5]
    assert (world.folder / "rows.txt").read_bytes() == ROWS.replace(b"row of 3\n", b"").replace(b"row of 5\n", b"")


async def test_a_threshold_exceeded_ends_the_step(
    world: Any, notes: Any, score: Any, pipeline: Any, failure: Failure
) -> None:
    """Failed with the threshold in the reason, no output, the counts add up, no queue is left."""
    world.engine.answer = _failing(failure, 0)
    step = score(thresholds=Thresholds(mini_batch_error_threshold=0))
    report = await start(pipeline(step), world.context, notes, "r")
    assert report.verdict.status is VerdictStatus.FAILED
    assert "mini_batch_error_threshold" in report.verdict.reason
    [ended] = report.steps
    assert ended.outputs == {}
    assert ended.seal.counts.settled == ended.seal.counts.total == 12
    assert not (world.folder / "rows.txt").exists()
    assert not world.keys("queues")


async def test_a_canceled_run(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """The marker in the store ends it as Canceled, with all that was not done counted as canceled."""

    async def cancel(index: int) -> None:
        await put(world.store, keys.cancel("r"), b"{}")
        await asyncio.Event().wait()

    world.engine.answer = cancel
    report = await start(pipeline(score()), world.context, notes, "r")
    assert report.verdict == Verdict(VerdictStatus.CANCELED, "a user canceled the run")
    assert report.steps[0].seal.counts.canceled == 12


async def test_no_node_can_be_had(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """The engine's own sentence is the reason."""
    world.engine.trouble = "no node is left: no such store"
    report = await start(pipeline(score()), world.context, notes, "r")
    assert report.verdict == Verdict(VerdictStatus.FAILED, "step score: no node is left: no such store")


async def test_no_progress_ends_the_step(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """progress_update_timeout is measured from the last news (reference, section 9)."""
    world.engine.answer = _forever
    report = await start(pipeline(score(limits=Limits(progress_update_timeout=0.3))), world.context, notes, "r")
    assert report.verdict.status is VerdictStatus.FAILED
    assert "progress_update_timeout" in report.verdict.reason


async def test_an_input_that_is_gone_fails_the_step(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """Before a node is placed, with the input's place as the reason, sealed like any other end."""
    step = score()
    for path in (world.folder / "in").iterdir():
        path.unlink()
    report = await start(pipeline(step), world.context, notes, "r")
    assert report.verdict.status is VerdictStatus.FAILED
    assert str(world.folder / "in") in report.verdict.reason
    assert world.engine.placed == []
    assert await read(world.store, keys.verdict(StepRound("r", "score"))) is not None


async def test_trouble_after_the_seal_is_not_the_verdict(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """A result that names a file outside of its output stops the run with an error, not as if it had completed."""
    world.engine.files = ("rows/../../x",)
    with pytest.raises(DamagedRecordError, match="one of them names the file"):
        await start(pipeline(score(outputs={"rows": Output()})), world.context, notes, "r")
    assert await read(world.store, keys.verdict(StepRound("r", "score"))) is not None
    assert await read(world.store, keys.concluded_json(StepRound("r", "score"))) is None
    assert notes.said[-1] == "score started"


async def test_a_step_that_is_taken_up_again_says_what_runs_again(
    world: Any, notes: Any, score: Any, pipeline: Any
) -> None:
    """Cut after two results: the others are named with the reason; a first start has nothing to explain."""

    async def first_two(index: int) -> Failure | None:
        if index >= 2:
            await asyncio.Event().wait()
        return None

    task = asyncio.create_task(
        start(pipeline(score()), world.with_engine(replace(world.paper(), answer=first_two)), notes, "r")
    )
    async with asyncio.timeout(20):
        while await read(world.store, keys.result(StepRound("r", "score"), 0, 1)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert notes.remaining == []
    report = await resume("r", world.context, notes)
    assert report.verdict.completed
    assert notes.remaining == [Remaining(2, 12, (Again(((2, 11),), NO_RESULT),))]
