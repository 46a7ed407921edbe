"""Planning in a thread that stops when nobody waits for it any more."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from obstore.store import MemoryStore

from fanout.planning.division import ByCount
from fanout.planning.publish import Outbox, publish
from fanout.planning.source import PlannedInput
from fanout.planning.stop_request import PlanningStopped, in_thread, stoppable, until
from fanout.records.mini_batch import MiniBatch
from fanout.storage.keys import StepRound


async def test_a_canceled_plan_stops_at_its_next_file() -> None:
    """However many there are: the thread is not waited for until it has seen them all."""
    begun, ended = threading.Event(), threading.Event()

    def endless() -> None:
        begun.set()
        try:
            for _ in stoppable(count()):
                pass
        finally:
            ended.set()

    task = asyncio.create_task(in_thread(endless))
    assert await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 30)


async def test_a_canceled_publication_stops_the_shard_that_is_planned_ahead() -> None:
    """One shard may be all partitions of an input, so it may take as long as the whole plan."""
    begun = threading.Event()

    def batches() -> Iterator[MiniBatch]:
        for _ in stoppable(count()):
            begun.set()
        yield MiniBatch(0, items=0)

    nothing_is_sent: Any = None
    at = StepRound("r", "s")
    outbox = Outbox(nothing_is_sent, at, at)
    plan = PlannedInput(batches(), ByCount(1))
    task = asyncio.create_task(publish(lambda: plan, MemoryStore(), outbox))
    assert await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await task


def test_without_a_plan_that_is_stopped_nothing_changes() -> None:
    """All items, in a thread that may be stopped and in any other."""
    assert list(stoppable(iter(range(3)))) == [0, 1, 2]
    stop, here = threading.Event(), contextvars.copy_context()
    assert here.run(until, stop, lambda: list(stoppable(iter(range(3))))) == [0, 1, 2]
    stop.set()
    with pytest.raises(PlanningStopped):
        here.run(until, stop, lambda: list(stoppable(iter(range(3)))))
