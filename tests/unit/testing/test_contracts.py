"""The contract suites for adapters of others: they find an adapter, and a store, that keep a promise only in part."""

from collections.abc import Sequence

import pytest
from obstore.store import MemoryStore

from fanout.clock import Clock, SystemClock
from fanout.queues.base import Delivery
from fanout.storage import objects
from fanout.testing.contracts import QueueBench, QueueContract, StoreContract
from tests.simulation.ports.memory_queues import MemoryQueue, MemoryQueueService


def _bench(clock: Clock) -> QueueBench:
    return QueueBench(MemoryQueueService(clock), receive_timeout=0)


async def test_a_queue_that_keeps_its_promises_passes() -> None:
    """No assertion fails by itself."""
    await QueueContract().test_extend_tells_what_is_lost(_bench(SystemClock()))
    await QueueContract().test_deleting_twice_is_no_error(_bench(SystemClock()))


async def test_a_queue_that_deletes_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """`delete` of an adapter that forgets its own work."""

    async def delete(self: MemoryQueue, done: Sequence[Delivery]) -> None:
        pass

    monkeypatch.setattr(MemoryQueue, "delete", delete)
    with pytest.raises(AssertionError):
        await QueueContract().test_deleting_twice_is_no_error(_bench(SystemClock()))


async def test_a_store_without_conditional_create_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two creators that both hear True would seal a step twice."""

    async def create(store: MemoryStore, key: str, body: bytes) -> bool:
        await objects.put(store, key, body)
        return True

    await StoreContract().test_create_once(MemoryStore())
    monkeypatch.setattr(objects, "create", create)
    with pytest.raises(AssertionError):
        await StoreContract().test_create_once(MemoryStore())
