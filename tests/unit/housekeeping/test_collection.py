"""What piles up is found and removed; what is needed, or begins just then, stays."""

from typing import Any

import pytest

from fanout.errors import RunError
from fanout.housekeeping.collection import Garbage, collect, find_garbage
from fanout.queues.step_queues import queue_name
from fanout.records.run import load_record
from fanout.scheduler.code_folders import store_snapshots, take_snapshots
from fanout.scheduler.resident import new_record, resume, start
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, put, read

MONTH, A_DAY = 30 * 86400.0, 86400.0


async def test_old_runs_and_all_that_only_they_needed(world: Any, notes: Any, scored: Any, aged: Any) -> None:
    """Runs, code, notes for reuse, queues and what is left of runs; a young run keeps what is its own."""
    await start(scored(force_rerun=False), world.context, notes, "old")
    await put(world.store, "runs/bare/s/results/000/00000000", b"x")
    await world.queues.create(
        queue_name(world.context.settings.store, StepRound("gone", "s"), 0), visibility=1.0, max_receives=5
    )
    aged(2 * MONTH)
    (world.folder / "src" / "score.py").write_text("def run(b): return b[:0]\n")
    await start(scored(force_rerun=False), world.context, notes, "new")
    before = world.keys()
    garbage = await find_garbage(world.context, MONTH, keep=0)
    assert world.keys() == before
    assert [content.run for content in garbage.runs] == ["old"]
    assert [content.run for content in garbage.left] == ["bare"]
    assert (len(garbage.code), len(garbage.reuse), len(garbage.queues)) == (1, 2, 1)
    said: list[str] = []
    await collect(garbage, world.context, said.append)
    assert said == []
    [code] = (await load_record(world.store, "new")).code.values()
    assert world.keys("code") == [keys.code(code)]
    assert len(world.keys("reuse")) == 3  # what "new" made, whose items are known, and how the step ended last
    assert {key.split("/")[1] for key in world.keys("runs")} == {"new"}
    assert await world.queues.names() == []
    assert (await find_garbage(world.context, MONTH, keep=0)).is_empty
    await resume("new", world.context, notes)


async def test_the_newest_and_the_unfinished_stay(world: Any, notes: Any, scored: Any, aged: Any) -> None:
    """However old they are; of an old one that is not over it is said."""
    await start(scored(), world.context, notes, "first")
    await start(scored(), world.context, notes, "second")
    (world.folder / "store" / keys.run_verdict("first")).unlink()
    aged(2 * MONTH)
    assert [c.run for c in (await find_garbage(world.context, MONTH, keep=1)).runs] == []
    garbage = await find_garbage(world.context, MONTH, keep=0)
    assert [content.run for content in garbage.runs] == ["second"]
    assert [(kept.run, kept.reason) for kept in garbage.kept] == [("first", "is not over")]


async def test_a_run_that_begins_meanwhile_loses_no_code(world: Any, notes: Any, scored: Any, aged: Any) -> None:
    """Its code was there for months, needed by an old run only, when it was looked for what can go."""
    await start(scored(), world.context, notes, "old")
    aged(2 * MONTH)
    garbage = await find_garbage(world.context, MONTH, keep=0)
    taken = await take_snapshots(scored(), world.context)
    code = await store_snapshots(taken, world.context)  # as `start` does before its record is there
    said: list[str] = []
    await collect(garbage, world.context, said.append)
    [digest] = code.values()
    assert said == [f"code {digest[:12]} stays: a run has begun to use it"]
    from fanout.records.run import create_record

    await create_record(world.store, new_record("new", scored(), code, world.context))
    assert (await resume("new", world.context, notes)).verdict.completed


async def test_a_run_redriven_meanwhile_stays(world: Any, notes: Any, scored: Any, aged: Any) -> None:
    """It had been over when it was looked for what can go."""
    from dataclasses import replace

    from fanout.records.run import open_round

    await start(scored(), world.context, notes, "old")
    aged(2 * MONTH)
    garbage = await find_garbage(world.context, MONTH, keep=0)
    await open_round(world.store, replace(await load_record(world.store, "old"), round=2))
    said: list[str] = []
    await collect(replace(garbage, code=()), world.context, said.append)
    assert said == ["run old is not over; end it first: `fanout cancel old`"]
    assert await read(world.store, keys.run_json("old")) is not None


async def test_queues_of_a_run_that_is_under_way_stay(world: Any, notes: Any, scored: Any) -> None:
    """Those it has noted; those of other stores in the same folder are left alone."""
    await start(scored(), world.context, notes, "r")
    at = StepRound("r", "score")
    mine, foreign = queue_name(world.context.settings.store, at, 1), queue_name("file:///other", at, 1)
    await create(world.store, keys.queue(at, 1), b'{"name": "%s"}' % mine.encode())
    for name in (mine, foreign):
        await world.queues.create(name, visibility=1.0, max_receives=5)
    assert (await find_garbage(world.context, 0.0, keep=10)).queues == ()


async def test_a_record_that_cannot_be_read_stops_it(world: Any, notes: Any, scored: Any, aged: Any) -> None:
    """It might need any code."""
    await start(scored(), world.context, notes, "r")
    await put(world.store, keys.run_json("damaged"), b"{ not JSON }")
    aged(2 * MONTH)
    with pytest.raises(RunError, match=r"runs/damaged/run\.json cannot be read.*nothing was removed"):
        await find_garbage(world.context, MONTH, keep=0)


async def test_code_of_deployments_stays(world: Any, aged: Any) -> None:
    """Whichever version has brought it; their runs begin without storing it."""
    await put(world.store, keys.code("a" * 64), b"zip")
    await put(world.store, keys.code("b" * 64), b"zip")
    await put(world.store, keys.deployment_code("d", "a" * 64), b"")
    aged(MONTH)
    assert (await find_garbage(world.context, MONTH, keep=0)).code == ("b" * 64,)


async def test_an_empty_store(world: Any) -> None:
    """There is nothing to do."""
    garbage = await find_garbage(world.context, MONTH, keep=0)
    assert garbage == Garbage()
    await collect(garbage, world.context, pytest.fail)
