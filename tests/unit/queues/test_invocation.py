"""Deliveries that were handed over: received once, done when deleted, held as long as they wait."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fanout.clock import SystemClock
from fanout.queues.base import Queue
from fanout.queues.invocation import InvocationQueue
from fanout.queues.sqlite import SqliteQueueService
from tests.conftest import ManualClock


@pytest.fixture
async def behind(tmp_path: Path, manual_clock: ManualClock) -> AsyncIterator[Queue]:
    """The real queue."""
    service = SqliteQueueService(tmp_path / "queues", manual_clock)
    yield (await service.create("q", visibility=10.0, max_receives=5)).main
    await service.close()


async def test_what_is_handed_over_is_received_once(behind: Queue) -> None:
    """In its order, as much as is asked for."""
    await behind.send(["a", "b", "c"])
    queue = InvocationQueue(behind)
    queue.hand_over(await behind.receive(10, 0))
    assert [d.body for d in await queue.receive(2, 0)] == ["a", "b"]
    assert [d.body for d in await queue.receive(2, 0)] == ["c"]
    assert queue.on_its_way
    assert await queue.receive(2, 0) == []
    assert not queue.on_its_way


async def test_who_waits_gets_what_comes(behind: Queue) -> None:
    """As soon as it is handed over."""
    await behind.send(["a"])
    queue = InvocationQueue(behind)
    waiting = asyncio.create_task(queue.receive(1, 30))
    await asyncio.sleep(0)
    queue.hand_over(await behind.receive(1, 0))
    [delivery] = await waiting
    assert delivery.body == "a"


async def test_deleting_is_for_whoever_handed_over(behind: Queue) -> None:
    """What is deleted is done; it is still in the queue, where the caller of the function deletes it."""
    await behind.send(["a", "b"])
    queue = InvocationQueue(behind)
    queue.hand_over(await behind.receive(10, 0))
    one, other = await queue.receive(10, 0)
    await queue.delete([one])
    assert (queue.is_done(one), queue.is_done(other)) == (True, False)
    assert (await behind.depth()).held == 2
    queue.forget([one])
    assert not queue.is_done(one)


async def test_extending_holds_what_waits_as_well(behind: Queue, manual_clock: ManualClock) -> None:
    """And what is somebody else's by now does not wait here any longer."""
    await behind.send(["a", "b"])
    queue = InvocationQueue(behind)
    queue.hand_over(await behind.receive(10, 0))
    [taken] = await queue.receive(1, 0)
    manual_clock.advance(8)
    assert await queue.extend([taken], 10) == []
    manual_clock.advance(8)
    assert await behind.receive(10, 0) == []
    manual_clock.advance(3)
    assert len(await behind.receive(10, 0)) == 2
    assert await queue.extend([taken], 10) == [taken]
    assert await queue.receive(10, 0) == []


async def test_a_change_is_noticed(behind: Queue) -> None:
    """Whoever waits for one does not wait for the whole time."""
    await behind.send(["a"])
    queue = InvocationQueue(behind)
    queue.hand_over(await behind.receive(1, 0))
    clock = SystemClock()
    begun = clock.monotonic()
    waiting = asyncio.create_task(queue.changed(600))
    await asyncio.sleep(0)
    await queue.delete(await queue.receive(1, 0))
    await waiting
    assert clock.monotonic() - begun < 300
