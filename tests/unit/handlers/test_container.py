"""What a function needs around it, and how it holds a message."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from fanout.errors import QueueError, SettingsError, StoreError
from fanout.queues.base import Delivery
from fanout.queues.sqlite import SqliteQueue
from handlers import container
from handlers.container import deadline, held

DELIVERY = Delivery("body", "receipt", 1)


@dataclass
class Invocation:
    """The context of an invocation with so much time left."""

    left: int
    aws_request_id: str = "id"

    def get_remaining_time_in_millis(self) -> int:
        return self.left


class Extending(SqliteQueue):
    """A queue of which nothing is asked but to hold deliveries, and that notes for how long."""

    def __init__(self, *, trouble: bool = False) -> None:
        self.trouble, self.seconds = trouble, list[float]()

    async def extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        assert held == [DELIVERY]
        self.seconds.append(seconds)
        if self.trouble:
            raise QueueError("no answer")
        return []


@pytest.fixture
def _own_loop() -> Iterator[None]:
    """The container's loop is not left behind, nor its logging."""
    level = logging.getLogger("fanout").level
    yield
    logging.getLogger("fanout").setLevel(level)
    asyncio.get_event_loop_policy().get_event_loop().close()
    asyncio.set_event_loop(None)


@pytest.mark.usefixtures("_own_loop")
def test_missing_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them at once, and where they are explained."""
    monkeypatch.setenv("FANOUT_STORE", "s3://bucket/prefix")
    for name in ("FANOUT_DEPLOYMENT", "FANOUT_WORK_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match=r"FANOUT_DEPLOYMENT, FANOUT_WORK_QUEUE_URL.*handlers/README\.md"):
        container.container()


def test_nothing_new_is_begun_near_the_end() -> None:
    """A fifth of what is left, half a minute at the most."""
    assert deadline(Invocation(10_000))()
    assert not deadline(Invocation(0))()


async def test_a_message_is_held_as_long_as_it_is_worked_on() -> None:
    """And comes back on its own when the function dies."""
    queue = Extending()
    async with held(queue, DELIVERY):
        await asyncio.sleep(0)
    assert queue.seconds == [container.HELD]


async def test_a_message_comes_back_soon_after_an_error() -> None:
    """Trouble with the queue does not hide the error."""
    queue = Extending(trouble=True)
    with pytest.raises(StoreError, match="away"):
        async with held(queue, DELIVERY):
            await asyncio.sleep(0)
            raise StoreError("away")
    assert queue.seconds == [container.HELD, container.FAILED]
