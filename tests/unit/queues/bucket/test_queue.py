"""The queue in the store among several processes: each has a service of its own, and they meet in the store alone."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore, ObjectStore

from fanout.errors import QueueGoneError, SettingsError
from fanout.queues.base import QueuePair
from fanout.queues.bucket import service as service_module
from fanout.queues.bucket.objects import CLEAN_EVERY, GRACE, Listing, PairObjects
from fanout.queues.bucket.queue import LARGEST, PACK_BYTES, packed
from fanout.queues.bucket.service import BucketQueueService
from fanout.storage import objects
from fanout.storage.folder import FolderStore

VISIBILITY = 30.0
Process = Callable[[], Any]


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Where the processes meet."""
    return FolderStore(tmp_path) if request.param == "folder" else MemoryStore()


@pytest.fixture
def process(store: ObjectStore, manual_clock: Any) -> Process:
    """Another process, with its queue pair."""

    async def started(max_receives: int = 5) -> QueuePair:
        service = BucketQueueService(store, "the store", manual_clock)
        return await service.create("pair", visibility=VISIBILITY, max_receives=max_receives)

    return started


async def _versions(store: ObjectStore) -> list[str]:
    found = [listed.key async for listed in objects.list_keys(store, "messages/pair")]
    return sorted(key for key in found if not key.endswith("pair.json"))


async def test_processes_share_what_one_has_sent(process: Process) -> None:
    """Each message reaches one of them."""
    sender, one, other = (await process()).main, (await process()).main, (await process()).main
    bodies = sorted(f"message {number}" for number in range(100))
    await sender.send(bodies)
    found = [await queue.receive(30, 0) for queue in (one, other, one, other)]
    await one.delete([*found[0], *found[2]])
    await other.delete([*found[1], *found[3]])
    rest = await sender.receive(100, 0)
    assert sorted(d.body for some in (*found, rest) for d in some) == bodies
    await sender.delete(rest)
    assert (await other.depth()).total == 0


async def test_what_a_vanished_process_held_is_taken_over(process: Process, manual_clock: Any) -> None:
    """By one that has known the claim for a visibility, on its own clock; not before."""
    gone, heir = (await process()).main, (await process()).main
    await gone.send(["one"])
    [lost] = await gone.receive(1, 0)
    manual_clock.advance(1000)  # what happened before it looked is unknown to it
    assert await heir.receive(1, 0) == []
    manual_clock.advance(VISIBILITY - 1)
    assert await heir.receive(1, 0) == []
    manual_clock.advance(1)
    [taken] = await heir.receive(1, 0)
    assert (taken.body, taken.receive_count) == ("one", 2)
    assert await gone.extend([lost], VISIBILITY) == [lost]


async def test_what_is_renewed_is_not_taken_over(process: Process, manual_clock: Any) -> None:
    """Each renewal is a version: observers count anew."""
    holder, other = (await process()).main, (await process()).main
    await holder.send(["one"])
    held = await holder.receive(1, 0)
    for _ in range(5):
        assert await other.receive(1, 0) == []
        manual_clock.advance(VISIBILITY * 0.6)
        assert await holder.extend(held, VISIBILITY) == []
    assert await other.receive(1, 0) == []


async def test_calls_at_once_make_one_version(process: Process, store: ObjectStore) -> None:
    """What waits while a version is written goes into the next one together."""
    queue = (await process()).main
    await queue.send([str(number) for number in range(20)])
    found = [delivery for number in range(4) for delivery in await queue.receive(5, 0)]
    before = len(await _versions(store))
    await asyncio.gather(*(queue.delete([delivery]) for delivery in found[:19]))
    assert len(await _versions(store)) - before <= 2


async def test_a_process_that_slept_is_not_fooled(process: Process, manual_clock: Any, store: ObjectStore) -> None:
    """The names that follow a version it knows were made by others, and removed since: it looks before it believes."""
    sleeper, other = (await process()).main, (await process()).main
    await other.send([str(number) for number in range(10)])
    [mine] = await sleeper.receive(1, 0)
    for _ in range(6):
        await other.extend(await other.receive(1, 0), VISIBILITY)
    manual_clock.advance(GRACE + CLEAN_EVERY)
    taken = await other.receive(1, 0)
    await asyncio.sleep(0)
    await other.objects.close()
    kept = await _versions(store)
    assert not any(name.endswith("/00000003") for name in kept), "the successor of what the sleeper knows is gone"
    await sleeper.delete([mine])
    assert {d.body for d in taken}.isdisjoint(d.body for d in await sleeper.receive(20, 0))
    assert (await other.depth()).held == 9


async def test_finished_packs_leave_nothing(process: Process, manual_clock: Any, store: ObjectStore) -> None:
    """Messages go when all of them are done, and versions a while after they have a successor."""
    queue = (await process()).main
    for _ in range(3):
        await queue.send(["one", "two"])
        for _ in range(2):
            await queue.delete(await queue.receive(1, 0))
        await queue.objects.close()
        assert not any(name.endswith("/00000000") for name in await _versions(store))
        manual_clock.advance(GRACE + CLEAN_EVERY)
    await queue.send(["last"])
    await queue.receive(1, 0)
    await queue.objects.close()
    assert len({name.split("/")[3] for name in await _versions(store)}) == 1


async def test_packs_of_a_process_that_died_before_it_cleared_up(process: Process, store: ObjectStore) -> None:
    """Messages that are all done, and still there, are received by none and removed."""
    dead, other = (await process()).main, (await process()).main
    await dead.send(["one"])
    dead.objects.remove_soon = lambda *_: None
    await dead.delete(await dead.receive(1, 0))
    assert await other.receive(1, 0) == []
    await other.objects.close()
    assert not any(name.endswith("/00000000") for name in await _versions(store))


async def test_a_removed_pair_is_gone_for_all(process: Process, store: ObjectStore, manual_clock: Any) -> None:
    """Who sends or looks hears of it, and what was sent too late is removed."""
    queue = (await process()).main
    await BucketQueueService(store, "the store", manual_clock).remove("pair")
    for call in (queue.send(["late"]), queue.receive(1, 0), queue.depth()):
        with pytest.raises(QueueGoneError, match="queue pair in the store no longer exists"):
            await call
    assert await _versions(store) == []


async def test_names_are_those_of_pairs_that_are_there(process: Process, store: ObjectStore, manual_clock: Any) -> None:
    """A pair that was removed leaves no name, in a folder no empty folder either."""
    await process()
    service = BucketQueueService(store, "the store", manual_clock)
    await service.create("other", visibility=1, max_receives=1)
    assert (await service.names("p"), await service.names("")) == (["pair"], ["other", "pair"])
    await service.remove("pair")
    assert await service.names("") == ["other"]
    assert await objects.list_names(store, "messages") == ["other"]


async def test_versions_torn_by_a_power_cut_are_received_again(process: Process, tmp_path: Path) -> None:
    """Nothing is certain of them but that the messages were there; torn messages are missing, as if lost."""
    if not list(tmp_path.glob("messages")):
        pytest.skip("a store in memory has no power cuts")
    queue = (await process()).main
    await queue.send(["one"])
    await queue.receive(1, 0)
    [version] = tmp_path.glob("messages/pair/main/*/00000001")
    version.write_bytes(b"")
    assert [d.body for d in await (await process()).main.receive(1, 0)] == ["one"]
    [bodies] = tmp_path.glob("messages/pair/main/*/00000000")
    bodies.write_bytes(b"")
    assert await (await process()).main.receive(1, 0) == []


async def test_a_server_that_creates_what_is_there_is_refused(
    store: ObjectStore, manual_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, before anything is started; a server that keeps its promise is left as it was."""
    service = BucketQueueService(store, "s3://user:secret@bucket/x", manual_clock)
    await service.check()
    assert await objects.list_names(store, "messages") == []

    async def careless(place: ObjectStore, key: str, body: bytes) -> bool:
        await objects.put(place, key, body)
        return True

    monkeypatch.setattr(service_module, "create", careless)
    with pytest.raises(SettingsError, match="replaces an object that it is asked to create only where there is none"):
        await service.check()


def test_messages_are_packed_in_order() -> None:
    """Into several packs, none too large, as small ones share requests and large ones are shared by receivers."""
    for count in (1, 15, 16, 17, 100, 1000, 5000):
        bodies = [str(number) for number in range(count)]
        packs = [list(pack) for pack in packed(bodies)]
        assert [body for pack in packs for body in pack] == bodies
        assert max(map(len, packs)) <= LARGEST
    assert len(list(packed(["x" * PACK_BYTES] * 3))) == 3
    assert list(packed([])) == []


async def test_asking_an_empty_queue_again_and_again_costs_a_request_a_second(
    process: Process, manual_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a node with busy slots asks; what comes is found within a second."""
    queue, sender = (await process()).main, (await process()).main
    listings = 0
    listed = PairObjects.list

    async def counted(place: PairObjects) -> Listing:
        nonlocal listings
        listings += 1
        return await listed(place)

    monkeypatch.setattr(PairObjects, "list", counted)
    for _ in range(1000):
        assert await queue.receive(10, 0) == []
        manual_clock.advance(0.02)
    assert listings <= 20 / 0.5 + 10
    await sender.send(["one"])
    manual_clock.advance(1)
    assert [d.body for d in await queue.receive(10, 0)] == ["one"]
