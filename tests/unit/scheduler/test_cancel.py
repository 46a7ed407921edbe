"""Canceling a run: one that is carried out, one that nobody carries out any more, one that is over."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fanout.errors import RunError
from fanout.pipeline.model import CommandStep, Thresholds
from fanout.records.seal import step_seal
from fanout.records.verdict import VerdictStatus
from fanout.results.codec import Failure
from fanout.scheduler import cancel as canceling
from fanout.scheduler.cancel import cancel
from fanout.scheduler.resident import resume, start
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read
from fanout.supervision import step_machine

CANCELED = VerdictStatus.CANCELED


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds where tenths show the same."""
    monkeypatch.setattr(step_machine, "SELDOM", 0.1)
    monkeypatch.setattr("fanout.records.cancelation.LOOK_EVERY", 0.1)


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110 - the run tells nobody
            await asyncio.sleep(0.01)


def _first(answered: int) -> Callable[[int], Any]:
    """The first mini-batches succeed; the others never end."""

    async def answer(index: int) -> Failure | None:
        if index >= answered:
            await asyncio.Event().wait()
        return None

    return answer


async def test_a_run_that_is_carried_out(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """Whoever carries it out ends it: what was committed counts, the rest is canceled, later steps do not start."""
    world.engine.answer = _first(2)
    later = CommandStep(name="later", command="true", depends_on=("score",))
    running = asyncio.create_task(start(pipeline(score(), later), world.context, notes, "r"))
    at = StepRound("r", "score")

    async def one_is_done() -> bool:
        return await read(world.store, keys.result(at, 0, 1)) is not None

    await _until(one_is_done)
    end = await cancel("r", world.context)
    report = await running
    assert end.canceled
    assert not end.earlier
    assert end.seal.verdict == report.verdict
    assert report.verdict.reason.endswith(" canceled the run")
    counts = report.steps[0].seal.counts
    assert (counts.total, counts.succeeded, counts.canceled) == (12, 2, 10)
    assert not world.keys("queues")
    assert [line for line in notes.said if line.startswith("later")] == ["later skipped: step score did not complete"]


async def test_a_run_that_nobody_carries_out_any_more(
    world: Any, notes: Any, score: Any, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisor is gone: whoever cancels seals it from the store alone, without a node, its input gone too."""
    monkeypatch.setattr(canceling, "TAKE_OVER_AFTER", 0.0)
    world.engine.answer = _first(2)
    running = asyncio.create_task(start(pipeline(score()), world.context, notes, "r"))

    async def both_are_done() -> bool:
        return await read(world.store, keys.result(StepRound("r", "score"), 0, 1)) is not None

    await _until(both_are_done)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for path in (world.folder / "in").iterdir():
        path.unlink()
    nobody = world.paper()
    end = await cancel("r", world.with_engine(nobody))
    assert end.canceled
    assert nobody.placed == []
    sealed = await step_seal(world.store, StepRound("r", "score"))
    assert sealed is not None
    assert sealed.verdict.status is CANCELED
    assert (sealed.counts.succeeded, sealed.counts.canceled) == (2, 10)
    assert not world.keys("queues")
    assert "job_result.txt" in " ".join(world.keys("runs/r/score/logs"))
    again = await resume("r", world.context, notes)
    assert again.verdict == end.seal.verdict, "resuming does not bring it back"


async def test_a_run_that_had_not_begun(
    world: Any, notes: Any, score: Any, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its first step was planned: nothing is planned, no step has a verdict, the run has."""
    monkeypatch.setattr(canceling, "TAKE_OVER_AFTER", 0.0)
    from fanout.records.run import RunRecord, create_record

    await create_record(world.store, RunRecord("r", pipeline(score()), 1_700_000_000.0))
    end = await cancel("r", world.context)
    assert end.canceled
    assert world.engine.placed == []
    assert world.keys("runs/r") == ["runs/r/cancel.json", "runs/r/run.json", "runs/r/verdict.json"]


async def test_a_run_that_is_over(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """It stays as it is, and nothing in the store says otherwise."""
    await start(pipeline(score()), world.context, notes, "r")
    before = world.keys()
    end = await cancel("r", world.context)
    assert (end.canceled, end.earlier) == (False, True)
    assert end.seal.verdict.status is VerdictStatus.COMPLETED
    assert world.keys() == before


async def test_a_run_that_is_faster(world: Any, notes: Any, score: Any, pipeline: Any) -> None:
    """All mini-batches are in when it is asked to stop: it completes, with its outputs."""
    running = asyncio.create_task(start(pipeline(score()), world.context, notes, "r"))
    at = StepRound("r", "score")

    async def sealed() -> bool:
        return await step_seal(world.store, at) is not None

    await _until(sealed)
    end = await cancel("r", world.context)
    report = await running
    assert report.verdict == end.seal.verdict
    assert report.verdict.completed
    assert not end.canceled
    assert (world.folder / "rows.txt").read_text().count("\n") == 12


async def test_a_failed_run_stays_failed(world: Any, notes: Any, score: Any, pipeline: Any, failure: Failure) -> None:
    """Who cancels too late learns how it ended."""

    async def fail(index: int) -> Failure | None:
        return failure

    world.engine.answer = fail
    await start(pipeline(score(thresholds=Thresholds(error_threshold=0))), world.context, notes, "r")
    end = await cancel("r", world.context)
    assert end.seal.verdict.status is VerdictStatus.FAILED


async def test_a_command_is_ended(world: Any, notes: Any, pipeline: Any) -> None:
    """Its process is gone when the step has its verdict; what it wrote so far is no output."""
    text = f"echo $$ > '{world.folder}/pid.part'; mv '{world.folder}/pid.part' '{world.folder}/pid'; sleep 1000"
    step = CommandStep(name="wait", command=text)
    running = asyncio.create_task(start(pipeline(step), world.context, notes, "r"))

    async def is_there() -> bool:
        return (world.folder / "pid").exists()

    await _until(is_there)
    end = await cancel("r", world.context)
    report = await running
    pid = int((world.folder / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert end.canceled
    assert report.steps[0].seal.verdict.status is CANCELED
    assert report.steps[0].seal.verdict.reason.endswith("canceled the run")
    assert report.steps[0].outputs == {}


async def test_no_such_run(world: Any) -> None:
    """The name is what is wrong, and nothing is written."""
    with pytest.raises(RunError, match="no run named nobody"):
        await cancel("nobody", world.context)
    assert world.keys() == []
