"""Which queue pair a step uses, however often its supervisor was killed."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from obstore.store import ObjectStore

from fanout.clock import SystemClock
from fanout.errors import DamagedRecordError, QueueError, QueueGoneError, StoreError
from fanout.queues.base import QueuePair
from fanout.queues.sqlite import SqliteQueueService
from fanout.queues.step_queues import StepQueues, note_filled, open_queues, queue_name, remove_queues, take_queues
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put

AT = StepRound("r", "s")

URI = "file:///store"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[SqliteQueueService]:
    """Queues in an empty folder."""
    service = SqliteQueueService(tmp_path / "queues", SystemClock())
    yield service
    await service.close()


async def _take(store: ObjectStore, service: SqliteQueueService) -> StepQueues:
    return await take_queues(store, service, AT, URI, visibility=30.0, max_receives=5)


async def test_a_step_starts_with_a_new_pair(store: ObjectStore, service: SqliteQueueService) -> None:
    """The first supervisor makes the pair, nodes find it, and it is not filled yet."""
    assert await open_queues(store, service, AT, URI) is None
    taken = await _take(store, service)
    assert not taken.filled
    await taken.pair.main.send(["hello"])
    found = await open_queues(store, service, AT, URI)
    assert found is not None
    assert [delivery.body for delivery in await found.main.receive(1, 0)] == ["hello"]


async def test_a_filled_pair_is_used_again(store: ObjectStore, service: SqliteQueueService) -> None:
    """Once every message has been sent, whoever goes on takes the same pair with what is left in it."""
    taken = await _take(store, service)
    await taken.pair.main.send(["left"])
    await note_filled(store, AT, taken.name, URI)
    again = await _take(store, service)
    assert again.filled
    assert again.name == taken.name
    assert (await again.pair.main.depth()).total == 1


async def test_a_half_filled_pair_is_given_up(store: ObjectStore, service: SqliteQueueService) -> None:
    """Of a pair whose sender died nobody knows what it holds: a new one takes its place, and it is removed."""
    half = await _take(store, service)
    await half.pair.main.send(["some"])
    fresh = await _take(store, service)
    assert fresh.name != half.name
    assert not fresh.filled
    assert (await fresh.pair.main.depth()).total == 0
    assert await service.names() == [fresh.name]
    pair = await open_queues(store, service, AT, URI)
    assert pair is not None
    assert (await pair.main.depth()).total == 0


async def test_a_filled_pair_that_was_purged_is_replaced(store: ObjectStore, service: SqliteQueueService) -> None:
    """A queue that somebody removed is made anew and filled again, never waited for."""
    taken = await _take(store, service)
    await note_filled(store, AT, taken.name, URI)
    await service.remove(taken.name)
    again = await _take(store, service)
    assert not again.filled
    assert again.name != taken.name


async def test_the_note_of_an_earlier_pair_does_not_count(store: ObjectStore, service: SqliteQueueService) -> None:
    """`filled` is about the pair in use, not about one before it."""
    first = await _take(store, service)
    await note_filled(store, AT, first.name, URI)
    await service.remove(first.name)
    second = await _take(store, service)
    third = await _take(store, service)
    assert not third.filled
    assert len({first.name, second.name, third.name}) == 3


async def test_nothing_is_left_at_the_end(store: ObjectStore, service: SqliteQueueService) -> None:
    """Removing is complete, may be done again, and nodes then find none."""
    await _take(store, service)
    for _ in range(2):
        await remove_queues(store, service, AT, URI)
        assert await service.names() == []
        assert await open_queues(store, service, AT, URI) is None


class _Unreachable(SqliteQueueService):
    """Makes the queue, and dies of the lost answer."""

    async def create(self, name: str, *, visibility: float, max_receives: int) -> QueuePair:
        await super().create(name, visibility=visibility, max_receives=max_receives)
        raise QueueError("the answer was lost")


async def test_a_pair_whose_maker_died_at_once_is_removed(store: ObjectStore, tmp_path: Path) -> None:
    """A queue is noted before it is made, so that whoever ends the step knows of it."""
    service = _Unreachable(tmp_path / "queues", SystemClock())
    with pytest.raises(QueueError):
        await _take(store, service)
    assert len(await service.names()) == 1
    await remove_queues(store, service, AT, URI)
    assert await service.names() == []
    await service.close()


class _Slow(SqliteQueueService):
    """Others take queues, and die, before it has made its own."""

    meanwhile: Callable[[], Awaitable[StepQueues]] | None = None

    async def create(self, name: str, *, visibility: float, max_receives: int) -> QueuePair:
        if (others := self.meanwhile) is not None:
            self.meanwhile = None
            await others()
        return await super().create(name, visibility=visibility, max_receives=max_receives)


async def test_who_was_slow_uses_the_newest_pair(store: ObjectStore, tmp_path: Path) -> None:
    """Nodes open the pair that was noted last: messages sent to an earlier one would wait there for ever."""
    service = _Slow(tmp_path / "queues", SystemClock())
    service.meanwhile = lambda: _take(store, service)
    taken = await _take(store, service)
    assert not taken.filled
    assert await service.names() == [taken.name]
    await taken.pair.main.send(["hello"])
    found = await open_queues(store, service, AT, URI)
    assert found is not None
    assert [delivery.body for delivery in await found.main.receive(1, 0)] == ["hello"]
    await service.close()


async def test_an_earlier_pair_made_again_is_removed_too(store: ObjectStore, service: SqliteQueueService) -> None:
    """A supervisor that was slow to make its pair does so when another one has given it up already."""
    early = await _take(store, service)
    late = await _take(store, service)
    await service.create(early.name, visibility=30.0, max_receives=5)
    assert await service.names() == sorted([early.name, late.name])
    await remove_queues(store, service, AT, URI)
    assert await service.names() == []


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"name": 5}', b'{"name": ""}', b'{"name": {}}', b"\xff", b"[" * 9999])
async def test_a_damaged_note_is_refused(store: ObjectStore, service: SqliteQueueService, body: bytes) -> None:
    """What is no note of a queue is named."""
    await put(store, keys.queue(AT, 0), body)
    with pytest.raises(DamagedRecordError, match=keys.queue(AT, 0)):
        await open_queues(store, service, AT, URI)


def test_names_differ_by_store_run_step_and_number() -> None:
    """Runs of the same name in different stores do not meet in one queue."""
    names = {
        queue_name(uri, StepRound(run, step, round_), number)
        for uri in ("s3://a", "s3://b")
        for run in ("r", "q")
        for step in ("s", "t")
        for round_ in (1, 2)
        for number in (0, 1)
    }
    assert len(names) == 32


async def test_who_uses_a_pair_follows_to_the_one_that_took_its_place(
    store: ObjectStore, service: SqliteQueueService
) -> None:
    """Another supervisor gave up the pair: nodes and the first supervisor go on with the new one, all calls alike."""
    first = await _take(store, service)
    nodes = await open_queues(store, service, AT, URI)
    assert nodes is not None
    await first.pair.main.send(["lost with its queue"])
    [held] = await nodes.main.receive(1, 0)
    second = await _take(store, service)
    await second.pair.main.send(["new"])
    assert await nodes.main.extend([held], 30) == [held], "what was received from the old one is held no more"
    await nodes.main.delete([held])
    [found] = await nodes.main.receive(1, 0)
    assert found.body == "new"
    assert (await first.pair.main.depth()).held == 1
    await first.pair.dead.send(["a dead letter"])
    assert (await second.pair.dead.depth()).total == 1


async def test_pair_without_a_successor_is_gone(store: ObjectStore, service: SqliteQueueService) -> None:
    """That is for the caller to answer: the step may be over."""
    taken = await _take(store, service)
    await remove_queues(store, service, AT, URI)
    with pytest.raises(QueueGoneError):
        await taken.pair.main.send(["x"])


async def test_whoever_filled_a_pair_that_was_replaced_does_not_say_so(
    store: ObjectStore, service: SqliteQueueService
) -> None:
    """The slower supervisor's word would make the next one fill a third pair."""
    first = await _take(store, service)
    second = await _take(store, service)
    await note_filled(store, AT, second.name, URI)
    await note_filled(store, AT, first.name, URI)
    assert (await _take(store, service)).filled


async def test_a_note_without_its_pair_leads_nobody_astray(store: ObjectStore, service: SqliteQueueService) -> None:
    """Its maker died before it made the pair: nodes open the newest one that is there, supervisors stay with it."""
    taken = await _take(store, service)
    await put(store, keys.queue(AT, 1), json.dumps({"name": queue_name(URI, AT, 1)}).encode())
    await taken.pair.main.send(["hello"])
    found = await open_queues(store, service, AT, URI)
    assert found is not None
    assert (await found.main.depth()).total == 1
    await taken.follow()
    assert (await taken.pair.main.depth()).total == 1


async def test_a_supervisor_goes_over_to_a_newer_pair(store: ObjectStore, service: SqliteQueueService) -> None:
    """Whoever made it may have died before it sent anything: nodes that start would wait there for ever."""
    taken = await _take(store, service)
    await taken.pair.main.send(["where no new node looks"])
    newer = queue_name(URI, AT, 1)
    await put(store, keys.queue(AT, 1), json.dumps({"name": newer}).encode())
    await service.create(newer, visibility=30.0, max_receives=5)
    await taken.follow()
    assert await service.names() == [newer]
    await taken.pair.main.send(["hello"])
    found = await open_queues(store, service, AT, URI)
    assert found is not None
    assert [delivery.body for delivery in await found.main.receive(9, 0)] == ["hello"]


class _Fickle(SqliteQueueService):
    """Queues beside a store that cannot be read for a while."""

    away = False

    async def open(self, name: str) -> QueuePair | None:
        if self.away:
            raise StoreError(f"cannot read the note of {name}: the connection was reset")
        return await super().open(name)


async def test_trouble_while_a_new_pair_is_looked_for_is_trouble_with_queues(
    store: ObjectStore, tmp_path: Path
) -> None:
    """Nodes answer to that: they try again, and let what they could not settle come back."""
    service = _Fickle(tmp_path / "queues", SystemClock())
    taken = await _take(store, service)
    await service.remove(taken.name)
    service.away = True
    with pytest.raises(QueueError, match="its successor is unknown: cannot read"):
        await taken.pair.main.depth()
    await service.close()


@pytest.mark.parametrize(
    "forged", ["another-queue", "fanout-000000-r-s-0", f"{queue_name(URI, AT, 1)}-dead", "../main"]
)
@pytest.mark.parametrize("note", ["000", "001", "007", "x"])
async def test_a_note_names_no_queue_of_others(
    store: ObjectStore, service: SqliteQueueService, forged: str, note: str
) -> None:
    """Whoever can write notes has nothing removed, emptied or filled that was not made for this step."""
    taken = None if note == "000" else await _take(store, service)
    others = await service.create("another-queue", visibility=30.0, max_receives=5)
    await others.main.send(["precious"])
    await put(store, f"{keys.queues(AT)}{note}", json.dumps({"name": forged}).encode())
    found = await open_queues(store, service, AT, URI)
    assert (found is None) == (taken is None)
    again = await _take(store, service)
    assert again.name != forged
    await again.pair.main.send(["ours"])
    await again.follow()
    await remove_queues(store, service, AT, URI)
    assert await service.open(again.name) is None
    assert (await others.main.depth()).total == 1
