"""Runs that have some items of an earlier run: only what is new runs, whatever happens meanwhile."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fanout.errors import StoreError
from fanout.files import uris
from fanout.pipeline.model import DataInput, DataType, EntryTask, MiniBatchSize, Pipeline, Thresholds
from fanout.scheduler.resident import resume, start
from fanout.scheduler.restart.redrive import RedriveOrder, redrive
from fanout.storage import keys
from fanout.storage.keys import StepRound


@pytest.fixture
def scored(score: Any, pipeline: Any, tmp_path: Path) -> Callable[..., Pipeline]:
    """A parallel step over twelve files with code of its own, in a pipeline that allows reuse."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "score.py").write_text("def run(b): return b\n")
    task = EntryTask("score.py", code=str(tmp_path / "src"), append_row_to="rows")
    return lambda **settings: pipeline(score(**{"task": task, **settings}), force_rerun=False)


def _rows(world: Any) -> list[int]:
    """The index that each row of the output was made under."""
    lines = (world.folder / "rows.txt").read_text().splitlines()
    return [int(line.removeprefix("row of ")) for line in lines]


def _ran(world: Any) -> list[int]:
    """Mini-batches that ran since it was last asked, in order."""
    ran = sorted(world.engine.answered)
    world.engine.answered.clear()
    return ran


async def test_one_more_file_is_one_mini_batch(world: Any, notes: Any, scored: Any) -> None:
    """Its rows are at its place in the order of the input; it is said which file is new."""
    await start(replace(scored(), force_rerun=None), world.context, notes, "one")
    assert _ran(world) == list(range(12))
    (world.folder / "in" / "05b.txt").touch()
    [report] = (await start(scored(), world.context, notes, "two")).steps
    assert (_ran(world), report.seal.counts.succeeded, report.seal.counts.total) == ([6], 13, 13)
    assert _rows(world) == [*range(6), 6, *range(6, 12)]
    said = "notice score: 12 of 13 mini-batches are taken over from run one; 1 runs: 05b.txt"
    assert said in notes.said


async def test_of_a_run_that_took_over_all_is_taken_over(world: Any, notes: Any, scored: Any) -> None:
    """Each run has the results of all of its items, so one more file tomorrow is one mini-batch again."""
    await start(scored(), world.context, notes, "one")
    for number, name in enumerate(("12.txt", "13.txt", "14.txt")):
        _ran(world)
        (world.folder / "in" / name).touch()
        await start(scored(), world.context, notes, f"more-{number}")
        assert _ran(world) == [12 + number]
    assert _rows(world) == list(range(15))


async def test_changed_and_removed_files(world: Any, notes: Any, scored: Any) -> None:
    """A changed one runs, and of a removed one nothing is left in the output."""
    await start(scored(), world.context, notes, "one")
    _ran(world)
    (world.folder / "in" / "03.txt").write_text("other")
    (world.folder / "in" / "07.txt").unlink()
    await start(scored(), world.context, notes, "two")
    assert _ran(world) == [3]
    assert _rows(world) == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]


async def test_larger_mini_batches(world: Any, notes: Any, scored: Any) -> None:
    """Those whose files are all there and unchanged stay together; what is new is cut as usual."""
    five = scored(mini_batch_size=MiniBatchSize(5))
    await start(five, world.context, notes, "one")
    _ran(world)
    for name in ("12.txt", "13.txt"):
        (world.folder / "in" / name).touch()
    [report] = (await start(five, world.context, notes, "two")).steps
    assert (_ran(world), report.seal.counts.total) == ([3], 4)


async def test_only_what_failed_runs_again(world: Any, notes: Any, scored: Any, failure: Any) -> None:
    """Successes of a run that did not complete are taken over."""

    async def answer(index: int) -> Any:
        return failure if index in (3, 8) else None

    world.engine.answer = answer
    report = await start(scored(thresholds=Thresholds(mini_batch_error_threshold=0)), world.context, notes, "one")
    before = _ran(world)
    world.engine.answer = None
    report = await start(scored(thresholds=Thresholds(mini_batch_error_threshold=0)), world.context, notes, "two")
    assert report.verdict.completed
    assert {3, 8} & set(before) <= set(_ran(world))
    assert sorted(_rows(world)) == list(range(12))


async def test_killed_in_the_middle_it_is_resumed(world: Any, notes: Any, scored: Any) -> None:
    """To the same bytes, from the same earlier run, although there is a later one by then."""
    await start(scored(), world.context, notes, "one")
    _ran(world)
    (world.folder / "in" / "00b.txt").touch()
    reached = asyncio.Event()

    async def wait(_: int) -> None:
        reached.set()
        await asyncio.Event().wait()

    world.engine.answer = wait
    work = asyncio.create_task(start(scored(), world.context, notes, "two"))
    await reached.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    world.engine.answer = None
    assert set(_ran(world)) == {1}
    for noted in (world.folder / "store/reuse").iterdir():
        noted.unlink()
    report = await resume("two", world.context, notes)
    assert report.verdict.completed
    assert set(_ran(world)) == {1}
    assert _rows(world) == [0, 1, *range(1, 12)]


async def test_killed_while_it_plans_it_is_resumed(
    world: Any, notes: Any, scored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After results were copied, and before the plan was out: they are neither lost nor there twice."""
    await start(scored(), world.context, notes, "one")
    _ran(world)
    (world.folder / "in" / "99.txt").touch()

    async def gone(*_: Any) -> None:
        raise StoreError("cut off")

    with monkeypatch.context() as cut:
        cut.setattr("fanout.planning.publish.write_summary", gone)
        with pytest.raises(StoreError, match="cut off"):
            await start(scored(), world.context, notes, "two")
    report = await resume("two", world.context, notes)
    assert (report.verdict.completed, set(_ran(world))) == (True, {12})
    assert (_rows(world), report.steps[0].seal.counts.succeeded) == (list(range(13)), 13)


async def test_it_is_redriven_like_any_other(world: Any, notes: Any, scored: Any, failure: Any) -> None:
    """Only what failed in it runs again; what it took over stays."""
    await start(scored(), world.context, notes, "one")
    (world.folder / "in" / "99.txt").touch()

    async def answer(index: int) -> Any:
        return failure

    world.engine.answer = answer
    await start(scored(), world.context, notes, "two")
    _ran(world)
    world.engine.answer = None
    report = await redrive("two", RedriveOrder(), world.context, notes)
    assert (report.verdict.completed, _ran(world), _rows(world)) == (True, [12], list(range(13)))


async def test_what_wrote_files_runs_again(world: Any, notes: Any, scored: Any) -> None:
    """Where its files are now is not known: they were moved when they were published."""
    world.engine.files = ("rows/extra.txt",)
    await start(scored(), world.context, notes, "one")
    _ran(world)
    (world.folder / "in" / "99.txt").touch()
    await start(scored(), world.context, notes, "two")
    assert _ran(world) == list(range(13))
    assert any("wrote files into output folders are not taken over" in line for line in notes.said)


async def test_an_earlier_run_that_was_removed(world: Any, notes: Any, scored: Any) -> None:
    """Everything runs again."""
    await start(scored(), world.context, notes, "one")
    _ran(world)
    shutil.rmtree(world.folder / "store" / StepRound("one", "score").root)
    (world.folder / "in" / "99.txt").touch()
    report = await start(scored(), world.context, notes, "two")
    assert (report.verdict.completed, _ran(world)) == (True, list(range(13)))


async def test_a_script_that_gets_the_folder_runs_over_all(world: Any, notes: Any, scored: Any) -> None:
    """It may read other files than those of its mini-batch."""
    whole = scored(task=replace(scored().steps[0].task, program_arguments="--all ${{inputs.files}}"))
    await start(whole, world.context, notes, "one")
    _ran(world)
    (world.folder / "in" / "99.txt").touch()
    await start(whole, world.context, notes, "two")
    assert _ran(world) == list(range(13))
    assert "notice score: nothing is reused: since run one: input files changed" in notes.said


async def test_versions_of_two_plans_are_none(world: Any, notes: Any, scored: Any) -> None:
    """Results may be of either."""
    from fanout.planning.item_versions import read_versions, write_versions

    at = StepRound("r", "s")
    await write_versions(world.context.store, at, 0, [("a", "b"), ("c",)])
    assert list(await read_versions(world.context.store, at, 0)) == [("a", "b"), ("c",)]
    await write_versions(world.context.store, at, 0, [("a", "b"), ("d",)])
    assert list(await read_versions(world.context.store, at, 0)) == []
    assert keys.item_versions(at, 0).endswith("versions/00000.txt")


@pytest.fixture
def by_month(scored: Any, tmp_path: Path) -> Callable[[], Pipeline]:
    """A step over the files of three months, a mini-batch a month."""
    for name in ("m=1/a", "m=1/b", "m=2/a", "m=3/a"):
        file = tmp_path / "data" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (tmp_path / "data" / "MLTable").write_text(
        "paths:\n  - pattern: ./*/*.txt\n"
        "transformations:\n  - extract_columns_from_partition_format:\n      partition_format: /m={m}/{name}.txt\n"
    )
    files = {"files": DataInput(uris.from_path(tmp_path / "data"), DataType.MLTABLE)}
    return lambda: scored(inputs=files, partition_keys=("m",))


async def test_a_partition_with_a_new_file_is_one_mini_batch(world: Any, notes: Any, by_month: Any) -> None:
    """And a partition that is new is another; those that are as they were are taken over."""
    await start(by_month(), world.context, notes, "one")
    assert _ran(world) == [0, 1, 2]
    (world.folder / "data/m=2/b.txt").write_text("new")
    (world.folder / "data/m=0").mkdir()
    (world.folder / "data/m=0/a.txt").write_text("new")
    await start(by_month(), world.context, notes, "two")
    assert (_ran(world), _rows(world)) == ([0, 2], [0, 0, 2, 2])
