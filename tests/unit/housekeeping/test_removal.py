"""A run is removed with all that is its own, and whoever comes in the middle loses nothing."""

from dataclasses import replace
from typing import Any

import pytest

from fanout.errors import RunError
from fanout.housekeeping import removal
from fanout.housekeeping.removal import check_removable, content_of, removable_name, remove_run
from fanout.records.run import create_record, load_record, open_round
from fanout.scheduler.resident import start
from fanout.storage import keys
from fanout.storage.objects import delete, put, read


async def remove(name: str, world: Any) -> None:
    """As `fanout rm`."""
    await check_removable(name, world.context)
    await remove_run(await content_of(name, world.context), world.context)


async def test_nothing_of_it_is_left(world: Any, notes: Any, scored: Any) -> None:
    """Neither objects nor queues; another run, the code it shares, and outputs elsewhere stay as they are."""
    await start(scored(), world.context, notes, "one")
    await start(scored(), world.context, notes, "two")
    content = await content_of("one", world.context)
    assert content.objects == len(world.keys("runs/one"))
    assert [uri.rpartition("/")[2] for uri in content.kept] == ["rows.txt"]
    before = [key for key in world.keys("") if not key.startswith("runs/one/")]
    await remove("one", world)
    assert world.keys() == before
    assert not (world.folder / "store/runs/one").exists()
    assert (world.folder / "rows.txt").exists()
    assert await world.queues.names() == []


async def test_a_run_that_is_not_over_stays(world: Any, notes: Any, scored: Any) -> None:
    """It says how to end it; nothing has changed."""
    await start(scored(), world.context, notes, "one")
    await delete(world.store, keys.run_verdict("one"))
    before = world.keys()
    with pytest.raises(RunError, match="run one is not over; end it first: `fanout cancel one`"):
        await remove("one", world)
    content = await content_of("one", world.context)
    with pytest.raises(RunError, match="is not over"):
        await remove_run(content, world.context)
    assert world.keys() == before


async def test_what_another_run_has_taken_over_stays(world: Any, notes: Any, scored: Any) -> None:
    """Until that run is removed, also where an earlier version of fanout has left no note of it."""
    await start(scored(force_rerun=False), world.context, notes, "one")
    report = await start(scored(force_rerun=False), world.context, notes, "two")
    assert report.steps[0].taken_from == "one"
    with pytest.raises(RunError, match="needed by them; remove these first: two"):
        await remove_run(await content_of("one", world.context), world.context)
    await delete(world.store, f"{keys.run_uses('one')}two")
    with pytest.raises(RunError, match="needed by them; remove these first: two"):
        await check_removable("one", world.context)
    await remove("two", world)
    await remove("one", world)
    assert world.keys("runs") == []


async def test_a_removal_that_was_cut_goes_on(
    world: Any, notes: Any, scored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no such run any more, its name is not free yet, and removing it again finishes it."""
    await start(scored(), world.context, notes, "one")
    record = await load_record(world.store, "one")

    async def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(removal, "remove_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            await remove("one", world)
    assert len(world.keys("runs/one")) > 5
    with pytest.raises(RunError, match="there is no run named one"):
        await load_record(world.store, "one")
    with pytest.raises(RunError, match="`fanout rm one --yes` finishes it"):
        await create_record(world.store, record)
    assert await removable_name("one", world.context) == "one"
    await remove("one", world)
    assert world.keys("runs") == world.keys("removals") == []
    await create_record(world.store, record)


async def test_of_a_removal_and_a_redrive_one_gives_way(world: Any, notes: Any, scored: Any) -> None:
    """A round that was opened first keeps the run; a removal that came first keeps the round from being opened."""
    await start(scored(), world.context, notes, "one")
    record = await load_record(world.store, "one")
    await put(world.store, keys.removal("one"), b"{}")
    with pytest.raises(RunError, match="is being removed"):
        await open_round(world.store, replace(record, round=2))
    with pytest.raises(RunError, match="is not over"):
        await remove_run(await content_of("one", world.context), world.context)
    assert await read(world.store, keys.removal("one")) is None
    assert await load_record(world.store, "one")


async def test_of_a_removal_and_a_run_that_takes_over_one_gives_way(world: Any, notes: Any, scored: Any) -> None:
    """Nothing is taken over from a run that is being removed: the step runs."""
    await start(scored(force_rerun=False), world.context, notes, "one")
    await put(world.store, keys.removal("one"), b"{}")
    report = await start(scored(force_rerun=False), world.context, notes, "two")
    assert (report.steps[0].taken_from, report.verdict.completed) == (None, True)


async def test_a_run_of_a_trigger_is_not_started_anew(world: Any, notes: Any, scored: Any) -> None:
    """Its objects start no other run, and no watch carries it out; copies that were made for it go."""
    from fanout.triggers.records import TriggerRecords

    name = "drop-photo-0123456789abcdef"
    await start(scored(), world.context, notes, name)
    records = TriggerRecords(world.store, "drop")
    await put(world.store, keys.trigger_start("drop", name), b"{}")
    await put(world.store, f"{keys.trigger_copies('drop', name)}/folder/x", b"x")
    await remove(name, world)
    assert not await records.is_forgotten(name)
    assert await records.starts() == []
    assert world.keys("triggers/drop/copies") == []


async def test_a_name_that_no_run_has(world: Any) -> None:
    """Is an error, and so is one that leads out of the store."""
    for name in ("nothing", "../store"):
        with pytest.raises(RunError):
            await content_of(name, world.context)
