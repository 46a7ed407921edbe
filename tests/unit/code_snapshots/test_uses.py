"""Of a snapshot that is removed and a run that begins to use it, whichever comes second sees the other."""

import asyncio
from typing import Any

import pytest
from obstore.store import LocalStore, ObjectStore

from fanout.clock import SystemClock
from fanout.code_snapshots import uses
from fanout.code_snapshots.uses import forget_use, note_use, remove_unused
from fanout.storage import keys
from fanout.storage.objects import delete, list_names, put, read

DIGEST = "d" * 64
CLOCK = SystemClock()


async def test_what_nobody_uses_goes(store: ObjectStore) -> None:
    """With its notes."""
    await put(store, keys.code(DIGEST), b"zip")
    assert await remove_unused(store, DIGEST, CLOCK)
    assert await read(store, keys.code(DIGEST)) is None
    assert await list_names(store, keys.code_uses(DIGEST)) == []


async def test_what_a_run_is_about_to_use_stays(store: ObjectStore) -> None:
    """The mark is gone, so that no run waits for it."""
    await put(store, keys.code(DIGEST), b"zip")
    await note_use(store, DIGEST, CLOCK)
    assert not await remove_unused(store, DIGEST, CLOCK)
    assert await read(store, keys.code(DIGEST)) == b"zip"
    assert await list_names(store, keys.code_uses(DIGEST)) == ["use"]


async def test_a_note_of_ones_own_is_taken_back(store: ObjectStore) -> None:
    """That of a deployment, when its record keeps the code; that of a run stays."""
    await put(store, keys.code(DIGEST), b"zip")
    await note_use(store, DIGEST, CLOCK, "daily")
    assert not await remove_unused(store, DIGEST, CLOCK)
    await note_use(store, DIGEST, CLOCK)
    await forget_use(store, DIGEST, "daily")
    assert await list_names(store, keys.code_uses(DIGEST)) == ["use"]
    await delete(store, f"{keys.code_uses(DIGEST)}use")
    await note_use(store, DIGEST, CLOCK, "daily")
    await forget_use(store, DIGEST, "daily")
    assert await remove_unused(store, DIGEST, CLOCK)


async def test_a_run_waits_for_a_removal(store: ObjectStore) -> None:
    """Only when the mark has gone it may look whether the code is there."""
    mark = f"{keys.code_uses(DIGEST)}removing-x"
    await put(store, mark, b"")
    waiting = asyncio.create_task(note_use(store, DIGEST, CLOCK))
    while await list_names(store, keys.code_uses(DIGEST)) != ["removing-x", "use"]:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert not waiting.done()
    await delete(store, mark)
    await waiting


async def test_a_mark_that_was_left_behind_is_waited_for_once(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process was killed."""
    monkeypatch.setattr(uses, "MARKS_STAY", 0.3)
    await put(store, f"{keys.code_uses(DIGEST)}removing-x", b"")
    await note_use(store, DIGEST, CLOCK)
    assert await list_names(store, keys.code_uses(DIGEST)) == ["use"]


async def test_many_runs_beside_many_removals(store: ObjectStore) -> None:
    """After each run has stored its code it is there, however often it is removed meanwhile."""
    if isinstance(store, LocalStore):
        pytest.skip("the same calls, at a hundredth of the pace")

    async def run(number: int) -> None:
        digest = f"{number % 3}" * 64
        await note_use(store, digest, CLOCK)
        if await read(store, keys.code(digest)) is None:
            await put(store, keys.code(digest), b"zip")
        for _ in range(20):
            await asyncio.sleep(0)
            assert await read(store, keys.code(digest)) == b"zip"

    async def sweep() -> Any:
        for number in range(60):
            await remove_unused(store, f"{number % 3}" * 64, CLOCK)

    for number in range(3):
        await put(store, keys.code(f"{number}" * 64), b"zip")
    await asyncio.gather(*(run(number) for number in range(30)), sweep(), sweep())
