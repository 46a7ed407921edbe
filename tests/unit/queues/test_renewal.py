"""One renewal for all that hold deliveries: nodes, workers of AWS Lambda, and triggers that wait for more objects."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fanout.errors import QueueError
from fanout.queues.base import QueuePair
from fanout.queues.renewal import renew, renew_regularly
from fanout.queues.sqlite import SqliteQueueService
from fanout.tasks import cut_off


@pytest.fixture
async def pair(tmp_path: Path, manual_clock: Any) -> AsyncIterator[QueuePair]:
    """A queue of ten seconds of visibility on the clock of the test."""
    service = SqliteQueueService(tmp_path / "queues", manual_clock)
    yield await service.create("q", visibility=10.0, max_receives=20)
    await service.close()


async def test_what_is_renewed_stays_hidden(pair: QueuePair, manual_clock: Any) -> None:
    """Over many times the visibility, and comes back when nobody renews it any more."""
    await pair.main.send(["a", "b"])
    held = await pair.main.receive(2, 0)
    renewing = asyncio.create_task(renew_regularly(lambda: renew(pair.main, held, 10.0), 10.0, manual_clock))
    await manual_clock.run(60.0)
    assert await pair.main.receive(2, 0) == []
    await cut_off(renewing)
    manual_clock.advance(10.1)
    assert len(await pair.main.receive(2, 0)) == 2


async def test_what_others_have_is_returned(pair: QueuePair, manual_clock: Any) -> None:
    """A delivery whose visibility ran out belongs to who received it next."""
    await pair.main.send(["a"])
    held = await pair.main.receive(1, 0)
    manual_clock.advance(31.0)
    await pair.main.receive(1, 0)
    assert await renew(pair.main, held, 10.0) == held


async def test_a_queue_that_does_not_answer(pair: QueuePair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next renewal is not missed because of it."""

    async def silent(*_: object) -> None:
        await asyncio.Event().wait()

    await pair.main.send(["a"])
    held = await pair.main.receive(1, 0)
    monkeypatch.setattr(type(pair.main), "extend", silent)
    with pytest.raises(QueueError, match="no answer"):
        await renew(pair.main, held, 0.03)


async def test_nothing_held_asks_nothing(pair: QueuePair, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle process leaves the queue alone."""
    monkeypatch.delattr(type(pair.main), "extend")
    assert await renew(pair.main, [], 10.0) == []
