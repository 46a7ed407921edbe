"""The heartbeat: what a node holds stays hidden from others as long as it lives."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from fanout.errors import QueueError
from fanout.node.dispatch.renewal import renew_leases, renew_once
from fanout.queues.base import Delivery, QueuePair
from fanout.records import messages
from fanout.records.messages import Message
from fanout.slot.lease import Lease, LeaseTable

Take = Callable[..., Any]


@pytest.fixture
def take(pair: QueuePair, message: Callable[..., Message], manual_clock: Any) -> Take:
    """Sends mini-batches and receives them into holdings."""

    async def fill(count: int) -> LeaseTable:
        await pair.main.send([messages.encode(message(index)) for index in range(count)])
        leases = LeaseTable()
        for delivery in await pair.main.receive(count, 0):
            found = messages.decode(delivery.body)
            leases.take(Lease(delivery, found, b"", manual_clock.monotonic() + 10.0))
        return leases

    return fill


async def test_everything_held_stays_hidden(pair: QueuePair, take: Take, manual_clock: Any) -> None:
    """Started or not, over many times the visibility; when the heart stops, it all comes back."""
    leases = await take(30)
    beating = asyncio.create_task(renew_leases(pair.main, leases, 10.0, manual_clock))
    await manual_clock.run(60.0)
    assert (await pair.main.depth()).held == 30
    assert all(lease.startable(manual_clock.monotonic()) for lease in leases.all())
    beating.cancel()
    with suppress(asyncio.CancelledError):
        await beating
    manual_clock.advance(10.1)
    assert (await pair.main.depth()).visible == 30


async def test_lost_deliveries_are_noticed_and_not_extended_again(
    pair: QueuePair, take: Take, manual_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """After a pause that was too long the other receiver's claim holds (fault 4)."""
    leases = await take(2)
    manual_clock.advance(10.1)
    [theirs] = await pair.main.receive(1, 0)
    await renew_once(pair.main, leases, 10.0, manual_clock)
    lost = [lease for lease in leases.all() if lease.lost]
    assert theirs.body in [lease.delivery.body for lease in lost]
    assert "no longer held by this node" in caplog.text
    assert await pair.main.extend([theirs], 10.0) == []


class Refusing:
    """A queue that does not answer."""

    def __init__(self) -> None:
        self.asked = 0

    async def extend(self, *_: object) -> list[Delivery]:
        self.asked += 1
        raise QueueError("throttled")


async def test_a_queue_that_does_not_answer_is_a_warning(
    take: Take, manual_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The heart goes on beating; what runs out meanwhile is not started any more (fault 5)."""
    leases, queue = await take(1), Refusing()
    port: Any = queue
    beating = asyncio.create_task(renew_leases(port, leases, 10.0, manual_clock))
    with caplog.at_level(logging.WARNING):
        await manual_clock.run(10.5)
    assert queue.asked == 3
    assert not beating.done()
    [lease] = leases.all()
    assert not lease.lost, "nobody has said so"
    assert not lease.startable(manual_clock.monotonic())
    assert "throttled" in caplog.text
    beating.cancel()


async def test_nothing_held_costs_nothing(manual_clock: Any) -> None:
    """An idle node asks the queue for nothing."""
    queue = Refusing()
    port: Any = queue
    await renew_once(port, LeaseTable(), 10.0, manual_clock)
    assert queue.asked == 0


class Silent(Refusing):
    """A queue that takes the request and never answers."""

    async def extend(self, *_: object) -> list[Delivery]:
        self.asked += 1
        await asyncio.Event().wait()
        return []


async def test_an_answer_that_takes_longer_than_a_beat_is_none(
    take: Take, manual_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One silent request does not stop the heart: the next beat asks again (fault 5)."""
    leases, queue = await take(1), Silent()
    port: Any = queue
    for _ in range(2):
        await renew_once(port, leases, 0.1, manual_clock)
    assert queue.asked == 2
    assert "leases could not be renewed, will try again: no answer" in caplog.text


class Capped(Refusing):
    """A queue that holds nothing any longer, as SQS after twelve hours."""

    async def extend(self, lease: Any, _: float) -> list[Delivery]:
        self.asked += 1
        return list(lease)


async def test_what_cannot_be_held_any_longer_is_lost(
    take: Take, manual_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Warned of once and not extended again; it is not started, and a failure of it is not acted upon (fault 5)."""
    leases, queue = await take(1), Capped()
    port: Any = queue
    for _ in range(2):
        await renew_once(port, leases, 10.0, manual_clock)
    assert queue.asked == 1
    assert caplog.text.count("is no longer held by this node") == 1
    [lease] = leases.all()
    assert lease.lost
    assert not lease.startable(manual_clock.monotonic())
