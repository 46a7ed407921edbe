"""SQS through a server that fails as it is told: no message is lost, only what failed is sent again, and tries end."""

import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

from fanout.clock import SystemClock
from fanout.errors import QueueError, QueueGoneError
from fanout.queues.base import Delivery, QueuePair
from fanout.queues.sqs import SqsQueueService
from fanout.storage.access import Access
from tests.faulty_server import (
    Asked,
    Fault,
    FaultyServer,
    answer_lost,
    everything,
    expired,
    faulty_server,
    internal_error,
    never,
    refusing,
    reset,
    reset_in_body,
    skewed,
    some_entries_fail,
    throttled,
    truncated,
)

pytestmark = pytest.mark.moto

PATIENCE = 3.0
BODIES = [f"message {number}" for number in range(25)]
NOT_DONE = (throttled, internal_error, reset)
DONE = (answer_lost, reset_in_body, truncated)


@pytest.fixture(scope="module")
def server(moto_endpoint: str) -> Iterator[FaultyServer]:
    """moto behind a proxy that fails."""
    with faulty_server(moto_endpoint) as server:
        yield server


@pytest.fixture
async def service(server: FaultyServer, aws_environ: Callable[[str], dict[str, str]]) -> AsyncIterator[SqsQueueService]:
    """Queues there, for somebody who is soon out of patience."""
    server.heal()
    access = Access.from_environ({**aws_environ(server.endpoint), "FANOUT_PATIENCE": str(PATIENCE)})
    service = SqsQueueService(access, SystemClock())
    yield service
    server.heal()
    await service.close()


@pytest.fixture
async def pair(server: FaultyServer, service: SqsQueueService) -> AsyncIterator[QueuePair]:
    """An empty pair."""
    name = f"faults-{uuid.uuid4().hex}"
    yield await service.create(name, visibility=30, max_receives=5)
    server.heal()
    await service.remove(name)


async def _all(pair: QueuePair) -> list[Delivery]:
    found: list[Delivery] = []
    while more := await pair.main.receive(10, 0):
        found += more
    return found


@pytest.mark.parametrize("fault", [*NOT_DONE, *DONE, some_entries_fail], ids=lambda fault: fault.__name__)
async def test_no_message_is_lost(server: FaultyServer, pair: QueuePair, fault: Fault) -> None:
    """Each is in the queue once; twice at most where SQS took it and could not say so (cases 7 and 9)."""
    server.fail(fault, "SendMessageBatch", count=2)
    await pair.main.send(BODIES)
    server.heal()
    found = Counter(delivery.body for delivery in await _all(pair))
    assert set(found) == set(BODIES)
    if fault not in DONE:
        assert set(found.values()) == {1}
    assert sum(found.values()) <= len(BODIES) + 20


async def test_only_failed_entries_are_sent_again(server: FaultyServer, pair: QueuePair) -> None:
    """Of one batch of ten every second one is refused: five entries more than there are messages (case 9)."""
    entries = 0

    def count(asked: Asked) -> bool:
        nonlocal entries
        if asked.action == "SendMessageBatch":
            entries += len(json.loads(asked.body)["Entries"])
        return False

    server.cut = count
    server.fail(some_entries_fail, "SendMessageBatch", count=1)
    await pair.main.send(BODIES)
    assert entries == len(BODIES) + 5
    server.heal()
    assert sorted(delivery.body for delivery in await _all(pair)) == sorted(BODIES)


@pytest.mark.parametrize("fault", [*NOT_DONE, *DONE, some_entries_fail], ids=lambda fault: fault.__name__)
async def test_what_is_deleted_stays_deleted(server: FaultyServer, pair: QueuePair, fault: Fault) -> None:
    """Also when the server did it and its answer was lost."""
    await pair.main.send(BODIES)
    held = await _all(pair)
    server.fail(fault, "DeleteMessageBatch", count=2)
    await pair.main.delete(held)
    assert (await pair.main.depth()).total == 0


@pytest.mark.parametrize("fault", [*NOT_DONE, *DONE, some_entries_fail], ids=lambda fault: fault.__name__)
async def test_what_is_extended_is_held(server: FaultyServer, pair: QueuePair, fault: Fault) -> None:
    """A heartbeat that had to be repeated loses nothing, and says so (case 5)."""
    await pair.main.send(BODIES)
    held = await _all(pair)
    server.fail(fault, "ChangeMessageVisibilityBatch", count=2)
    assert await pair.main.extend(held, 60) == []


@pytest.mark.parametrize("fault", [*NOT_DONE, *DONE], ids=lambda fault: fault.__name__)
async def test_receiving_goes_on(server: FaultyServer, pair: QueuePair, fault: Fault) -> None:
    """Nothing of it reaches who receives; messages of a lost answer are hidden, and come back when that is over."""
    await pair.main.send(BODIES[:10])
    server.fail(fault, "ReceiveMessage")
    received = await pair.main.receive(10, 0)
    depth = await pair.main.depth()
    assert (len(received), depth.held) == ((0, 10) if fault in DONE else (10, 10))
    assert depth.total == 10


async def test_longest_time_a_message_can_be_held(server: FaultyServer, pair: QueuePair) -> None:
    """Twelve hours from the receive SQS refuses to go on: that delivery is lost to its holder, the others are not."""
    await pair.main.send(BODIES[:2])
    held = await _all(pair)
    text = "Value 60 for parameter VisibilityTimeout is invalid: Total VisibilityTimeout is beyond the limit."

    async def capped(request: Any, asked: Asked, forward: Any) -> Any:
        answer = await forward(asked)
        body = json.loads(answer.body)
        [first, *others] = body["Successful"]
        failed = {"Id": first["Id"], "Code": "InvalidParameterValue", "Message": text, "SenderFault": True}
        return web.json_response({"Successful": others, "Failed": [failed]}, content_type="application/x-amz-json-1.0")

    server.fail(capped, "ChangeMessageVisibilityBatch")
    assert await pair.main.extend(held, 60) == held[:1]


@pytest.mark.parametrize(
    "fault", [throttled, internal_error, reset, never, truncated], ids=lambda fault: fault.__name__
)
async def test_tries_end(server: FaultyServer, pair: QueuePair, fault: Fault) -> None:
    """A server that stays away: after the bound an error says what, where, and for how long (cases 7 and 9)."""
    server.fail(fault, "SendMessageBatch", count=None)
    server.seen.clear()
    begun = time.monotonic()
    with pytest.raises(QueueError) as caught:
        await pair.main.send(["a"])
    assert PATIENCE <= time.monotonic() - begun <= PATIENCE + 5
    said = str(caught.value)
    assert said.startswith(f"SQS send_message_batch at {server.endpoint}: ")
    assert " tried " in said
    assert 2 <= server.actions()["SendMessageBatch"] <= 40


async def test_entries_that_never_succeed(server: FaultyServer, pair: QueuePair) -> None:
    """Bounded, too: it names how many entries and why."""
    server.fail(some_entries_fail, "SendMessageBatch", count=None)
    with pytest.raises(QueueError, match=r"send_message_batch, 1 entries, for \d\.\d s .* InternalError: try again"):
        await pair.main.send(["a"])


async def test_network_that_comes_back(server: FaultyServer, pair: QueuePair) -> None:
    """Cut for a second in the middle of work: the call takes longer, and that is all (case 11)."""
    until = time.monotonic() + 1.0

    def cut(_: Asked) -> bool:
        return time.monotonic() < until

    server.cut = cut
    await pair.main.send(BODIES)
    assert time.monotonic() >= until
    server.heal()
    assert sorted(delivery.body for delivery in await _all(pair)) == sorted(BODIES)


async def test_network_that_stays_away(server: FaultyServer, pair: QueuePair) -> None:
    """Nobody waits for ever."""
    server.cut = everything
    with pytest.raises(QueueError, match=r"tried \d+ times in"):
        await pair.main.receive(10, 1)


async def test_answer_of_a_removal_is_lost(server: FaultyServer, service: SqsQueueService) -> None:
    """The second try finds no queue, which is what was wanted."""
    name = f"faults-{uuid.uuid4().hex}"
    await service.create(name, visibility=30, max_receives=5)
    server.fail(answer_lost, "DeleteQueue", count=2)
    await service.remove(name)
    assert await service.open(name) is None


async def test_queue_that_is_gone_is_not_asked_again(
    server: FaultyServer, service: SqsQueueService, pair: QueuePair
) -> None:
    """That is no trouble of the server's, and told at once."""
    gone = refusing(400, "QueueDoesNotExist", "The specified queue does not exist.")
    server.fail(gone, "ReceiveMessage", count=None)
    server.seen.clear()
    with pytest.raises(QueueGoneError):
        await pair.main.receive(10, 0)
    assert server.actions()["ReceiveMessage"] == 1


async def test_clock_that_is_off_is_told_as_that(server: FaultyServer, pair: QueuePair) -> None:
    """At once, and with what to do (case 14)."""
    server.fail(skewed, count=None)
    with pytest.raises(QueueError, match="this machine's clock is 1 h 0 min behind the server's; set it"):
        await pair.main.receive(10, 0)


async def test_expired_keys_of_the_environment_are_told(server: FaultyServer, pair: QueuePair) -> None:
    """Nobody can renew those: no endless tries (case 21)."""
    server.fail(expired, count=None)
    with pytest.raises(QueueError, match="ExpiredToken"):
        await pair.main.receive(10, 0)
