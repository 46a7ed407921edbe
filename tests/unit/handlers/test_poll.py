"""A worker in a container of one's own: what it takes, deletes and leaves, and how it ends."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from fanout.errors import SettingsError
from fanout.queues.base import Delivery, Queue
from fanout.queues.sqlite import SqliteQueueService
from handlers.poll import poll, seconds_of


async def test_what_is_done_is_deleted_and_what_failed_comes_back(tmp_path: Path, manual_clock: Any) -> None:
    """Batch after batch, each with its deadline; after a signal the batch at hand is the last one."""
    pair = await SqliteQueueService(tmp_path, manual_clock).create("work", visibility=30, max_receives=5)
    await pair.main.send([str(number) for number in range(15)])
    leaving, batches = asyncio.Event(), list[list[str]]()

    async def work(deliveries: Sequence[Delivery], deadline: float) -> list[Delivery]:
        assert deadline == manual_clock.monotonic() + 60
        batches.append([delivery.body for delivery in deliveries])
        if len(batches) == 2:
            leaving.set()
        return [delivery for delivery in deliveries if delivery.body in ("3", "12")]

    await poll(pair.main, work, manual_clock, 60, leaving)
    assert sorted(map(len, batches)) == [5, 10]
    manual_clock.advance(31)
    assert sorted(delivery.body for delivery in await pair.main.receive(10, 0)) == ["12", "3"]


class Silent:
    """A queue that nobody hears of any more."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def receive(self, _limit: int, _wait: float) -> list[Delivery]:
        self.asked.set()
        return await asyncio.get_running_loop().create_future()


async def test_a_queue_that_does_not_answer_keeps_nobody(manual_clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is asked to leave does so, whatever its server does."""
    monkeypatch.setattr("handlers.poll.ANSWER", 0.01)
    queue, leaving = Silent(), asyncio.Event()

    async def work(deliveries: Sequence[Delivery], deadline: float) -> list[Delivery]:
        raise AssertionError("there is nothing to do")

    polling = asyncio.create_task(poll(cast("Queue", queue), work, manual_clock, 60, leaving))
    await queue.asked.wait()
    leaving.set()
    await polling


@pytest.mark.parametrize("text", ["soon", "0", "-1", "1e9", "nan"])
def test_time_that_is_none(text: str) -> None:
    """Said when the process starts, with the variable that holds it."""
    with pytest.raises(SettingsError, match="FANOUT_WORKER_SECONDS"):
        seconds_of(text)


def test_time_that_nobody_gave() -> None:
    """As long as a function has."""
    assert seconds_of(None) == seconds_of("") == 900
