"""Plans to manifests and messages: complete, in step with each other, and again after a stop anywhere."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from fanout.clock import SystemClock
from fanout.errors import DamagedRecordError, InputError, QueueError, RunError
from fanout.planning.division import ByCount
from fanout.planning.manifests import SHARD_SIZE, Shard, read_line, read_summary
from fanout.planning.publish import Outbox, publish, send_some
from fanout.planning.source import PlannedInput
from fanout.queues.base import Delivery, Queue
from fanout.queues.sqlite import SqliteQueueService
from fanout.records.messages import INLINE_LIMIT, Message, decode
from fanout.records.mini_batch import MiniBatch, encode
from fanout.records.parts import ItemRange
from fanout.storage import folder, keys
from fanout.storage.folder import FolderStore
from fanout.storage.keys import StepRound

AT = StepRound("r", "s")


def batches(count: int) -> Iterator[MiniBatch]:
    return (MiniBatch(n, files=(f"file:///{n}",), items=1) for n in range(count))


def plan(count: int) -> PlannedInput:
    return PlannedInput(batches(count), ByCount(1))


@pytest.fixture
async def queue(tmp_path_factory: pytest.TempPathFactory) -> Queue:
    """An empty embedded queue."""
    service = SqliteQueueService(tmp_path_factory.mktemp("queues"), SystemClock())
    return (await service.create("step", visibility=30, max_receives=5)).main


async def received(queue: Queue) -> list[Message]:
    """Every message of the queue, by index and attempt."""
    found: list[Delivery] = []
    while more := await queue.receive(limit=1000, wait=0):
        found += more
    return sorted((decode(delivery.body) for delivery in found), key=lambda m: (m.index, m.attempt))


async def test_every_mini_batch_has_a_line_and_a_message(queue: Queue) -> None:
    """Shards of a thousand, one message each, and the summary when all is written."""
    store, heard = MemoryStore(), []
    summary = await publish(lambda: plan(2300), store, Outbox(queue, AT, AT, on_shard=heard.append))
    messages = await received(queue)
    assert [m.line for m in messages] == [encode(batch) for batch in batches(2300)]
    assert {(m.at, m.attempt) for m in messages} == {(AT, 0)}
    assert (summary.mini_batches, summary.items, summary.shards) == (2300, 2300, 3)
    assert await read_summary(store, AT) == summary
    assert heard == [1000, 2000, 2300]


async def test_manifests_are_durable_before_the_plan_is_complete(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages do not wait for the disk; plan.json, which says that all manifests are there, does."""
    store, synced = FolderStore(tmp_path), list[tuple[str, bool]]()
    sync = folder._sync_object

    def noted(path: Path) -> None:
        synced.append((path.name, (tmp_path / keys.plan_json(AT)).exists()))
        sync(path)

    monkeypatch.setattr(folder, "_sync_object", noted)
    await publish(lambda: plan(2300), store, Outbox(queue, AT, AT))
    assert sorted(synced) == [(f"{number:05d}.jsonl", False) for number in range(3)]
    assert (tmp_path / keys.plan_json(AT)).exists()


@pytest.mark.parametrize("left", [0, 1, 4096, "page"])
async def test_manifests_that_a_power_cut_tore_are_made_again(queue: Queue, tmp_path: Path, left: int | str) -> None:
    """Empty, cut within a line, and cut at the end of a page where a line ends."""
    store = FolderStore(tmp_path)
    whole = Shard(0, tuple(encode(batch) for batch in batches(SHARD_SIZE))).body
    if left == "page":
        name = "x" * (4096 - len(encode(MiniBatch(0, files=("file:///",), items=1))) - 1)
        first = MiniBatch(0, files=(f"file:///{name}",), items=1)
        found, torn = PlannedInput(iter([first, *batches(3)][:2]), ByCount(1)), encode(first).encode() + b"\n"
        assert len(torn) == 4096
    else:
        found, torn = plan(SHARD_SIZE), whole[:left]
    manifest = tmp_path / keys.manifest(AT, 0)
    manifest.parent.mkdir(parents=True)
    manifest.write_bytes(torn)
    summary = await publish(lambda: found, store, Outbox(queue, AT, AT))
    assert len(manifest.read_bytes().splitlines()) == summary.mini_batches
    assert await read_summary(store, AT) == summary


async def test_nothing_to_do(queue: Queue) -> None:
    """An input without rows has a plan of no mini-batches."""
    store = MemoryStore()
    summary = await publish(lambda: plan(0), store, Outbox(queue, AT, AT))
    assert (summary.mini_batches, summary.items, await received(queue)) == (0, 0, [])
    assert await read_summary(store, AT) == summary


async def test_exactly_one_full_shard(queue: Queue) -> None:
    """There is no empty shard behind it."""
    store = MemoryStore()
    summary = await publish(lambda: plan(SHARD_SIZE), store, Outbox(queue, AT, AT))
    assert summary.shards == 1
    assert len(await received(queue)) == SHARD_SIZE


async def test_long_mini_batches_travel_as_pointers(queue: Queue) -> None:
    """A line of eight KiB or more stays in its manifest, where the pointer finds it."""
    store = MemoryStore()
    long = MiniBatch(1, files=tuple(f"file:///{n}" for n in range(INLINE_LIMIT // 8)))
    short = [MiniBatch(0, files=("file:///é",)), MiniBatch(2)]
    found = PlannedInput(iter([short[0], long, short[1]]), ByCount(1))
    await publish(lambda: found, store, Outbox(queue, AT, AT))
    first, second, third = await received(queue)
    assert (first.line, third.line) == (encode(short[0]), encode(short[1]))
    assert second.line is None
    assert second.pointer is not None
    at = second.pointer
    assert at.key == keys.manifest(AT, 0)
    assert await read_line(store, at) == encode(long).encode()


async def test_resumed_plans_are_read_and_not_made(queue: Queue) -> None:
    """Messages for those not done yet, with the attempts they had; the input is not looked at again."""
    store = MemoryStore()
    await publish(lambda: plan(1500), store, Outbox(queue, AT, AT))
    await received(queue)

    def never() -> PlannedInput:
        raise AssertionError("planned although the manifests are complete")

    await publish(never, store, Outbox(queue, AT, AT, skip=frozenset(range(3, 1499)), attempts={1: 2}))
    assert [(m.index, m.attempt) for m in await received(queue)] == [(0, 0), (1, 2), (2, 0), (1499, 0)]


async def test_open_parts_are_sent_in_place_of_the_whole(queue: Queue) -> None:
    """Each with the attempt it has come to; mini-batches without parts are sent as they are."""
    store = MemoryStore()
    await publish(lambda: plan(3), store, Outbox(queue, AT, AT))
    await received(queue)
    parts = {1: [(ItemRange(0, 2), 0), (ItemRange(5, 6), 1)]}
    await publish(lambda: plan(3), store, Outbox(queue, AT, AT, skip={0}, attempts={1: 2}, parts=parts))
    sent = [(m.index, m.attempt, m.part) for m in await received(queue)]
    assert sent == [(1, 0, ItemRange(0, 2)), (1, 1, ItemRange(5, 6)), (2, 0, None)]


async def test_some_are_sent_without_reading_the_others(queue: Queue) -> None:
    """Copies of chosen mini-batches, from the manifests that hold them."""
    store = MemoryStore()
    await publish(lambda: plan(3 * SHARD_SIZE), store, Outbox(queue, AT, AT))
    await received(queue)
    await store.delete_async(keys.manifest(AT, 1))
    await send_some(store, Outbox(queue, AT, AT, attempts={7: 1}, copies=True), [7, 2 * SHARD_SIZE + 3])
    assert [(m.index, m.attempt, m.copy) for m in await received(queue)] == [(7, 1, True), (2003, 0, True)]


async def test_nothing_is_sent_of_a_plan_that_is_gone(queue: Queue) -> None:
    """It was complete, or nobody would ask."""
    with pytest.raises(DamagedRecordError, match=r"plan\.json"):
        await send_some(MemoryStore(), Outbox(queue, AT, AT), [0])


@dataclass
class Flaky:
    """A queue that takes so many sends and then fails."""

    sends: int
    depth_lag: float = 0
    bodies: list[str] = field(default_factory=list)

    async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
        assert delay == 0
        if not self.sends:
            raise QueueError("the queue is gone")
        self.sends -= 1
        self.bodies += bodies


async def test_stopped_halfway_and_done_again(queue: Queue) -> None:
    """What was written is found to be the same, and everything has its message in the end."""
    store = MemoryStore()
    with pytest.raises(QueueError):
        await publish(lambda: plan(3500), store, Outbox(Flaky(2), AT, AT))
    assert await read_summary(store, AT) is None
    summary = await publish(lambda: plan(3500), store, Outbox(queue, AT, AT))
    assert [m.index for m in await received(queue)] == list(range(3500))
    assert summary.mini_batches == 3500


async def test_input_that_changed_in_between(queue: Queue) -> None:
    """A plan that differs from the one half written is refused."""
    store = MemoryStore()
    with pytest.raises(QueueError):
        await publish(lambda: plan(3500), store, Outbox(Flaky(1), AT, AT))
    changed = PlannedInput((MiniBatch(b.index, files=("file:///x",)) for b in batches(3500)), ByCount(1))
    with pytest.raises(RunError, match="input has changed"):
        await publish(lambda: changed, store, Outbox(queue, AT, AT))


async def test_error_while_planning_comes_out() -> None:
    """Shards before it were published, the plan is not complete."""

    def broken() -> Iterator[MiniBatch]:
        yield from batches(SHARD_SIZE)
        raise InputError("x.csv: permission denied")

    store, queue = MemoryStore(), Flaky(9)
    with pytest.raises(InputError, match="permission denied"):
        await publish(lambda: PlannedInput(broken(), ByCount(1)), store, Outbox(queue, AT, AT))
    assert len(queue.bodies) == SHARD_SIZE
    assert await read_summary(store, AT) is None


async def test_the_next_shard_is_planned_while_messages_are_sent() -> None:
    """Sending does not wait for the whole plan, nor planning for the sending."""
    planned_more, sent = threading.Event(), asyncio.Event()

    def watched() -> Iterator[MiniBatch]:
        for batch in batches(2 * SHARD_SIZE):
            if batch.index == SHARD_SIZE:
                planned_more.set()
            yield batch

    class Waiting(Flaky):
        async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
            assert await asyncio.to_thread(planned_more.wait, 10)
            await super().send(bodies, delay)
            sent.set()

    await publish(lambda: PlannedInput(watched(), ByCount(1)), MemoryStore(), Outbox(Waiting(9), AT, AT))
    assert sent.is_set()


async def test_cancelled_while_a_shard_is_planned() -> None:
    """Whoever gives up leaves only when no thread is reading input any more."""
    reading, go_on, ended = threading.Event(), threading.Event(), []

    def slow() -> Iterator[MiniBatch]:
        reading.set()
        assert go_on.wait(10)
        ended.append(True)
        yield from batches(1)

    found = PlannedInput(slow(), ByCount(1))
    task = asyncio.create_task(publish(lambda: found, MemoryStore(), Outbox(Flaky(1), AT, AT)))
    assert await asyncio.to_thread(reading.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended
