"""Dead letters become results: what vanished is counted, with its reason, and nothing twice."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from obstore.store import ObjectStore

from fanout.errors import StoreError
from fanout.queues.base import QueuePair
from fanout.queues.sqlite import SqliteQueueService
from fanout.records import messages, mini_batch
from fanout.records.messages import Message
from fanout.records.mini_batch import MiniBatch
from fanout.records.parts import ItemRange
from fanout.results.codec import Cause, Status
from fanout.results.reader import read_index
from fanout.security.signature import Signer, new_key
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.supervision.dead_letters import DeadLetters

AT = StepRound("r", "s")


@pytest.fixture
async def pair(tmp_path: Path, manual_clock: Any) -> AsyncIterator[QueuePair]:
    """A queue whose messages are received at most twice."""
    service = SqliteQueueService(tmp_path / "queues", manual_clock)
    yield await service.create("q", visibility=10.0, max_receives=2)
    await service.close()


@pytest.fixture
def dead_letters(pair: QueuePair, store: ObjectStore, manual_clock: Any) -> DeadLetters:
    """The dead letters of step `r/s`."""
    return DeadLetters(pair.dead, store, AT, manual_clock)


def _message(index: int, run: str = "r", **fields: Any) -> str:
    line = mini_batch.encode(MiniBatch(index, files=("file:///a", "file:///b"), **fields))
    return messages.encode(Message(StepRound(run, "s"), index, 1, line=line))


async def test_a_mini_batch_whose_nodes_vanished(
    dead_letters: DeadLetters, pair: QueuePair, store: ObjectStore, manual_clock: Any
) -> None:
    """The queue gives a message up after its last delivery; it is recorded with all its items and a reason."""
    await pair.main.send([_message(7)])
    for _ in range(3):
        await pair.main.receive(1, 0)
        manual_clock.advance(11)
    assert await dead_letters.drain(5, 1000) == 1
    index = await read_index(store, keys.result(AT, 5, 0))
    assert index is not None
    [entry] = index.entries
    assert (entry.index, entry.attempt, entry.status, entry.items) == (7, 1, Status.DEAD_LETTERED, 2)
    assert entry.failure is not None
    assert entry.failure.cause is Cause.VANISHED
    assert "mini-batch 7" in entry.failure.message
    assert (await pair.dead.depth()).total == 0
    assert await dead_letters.drain(5, 1000) == 0


async def test_letters_that_were_not_signed_are_dropped(pair: QueuePair, store: ObjectStore, manual_clock: Any) -> None:
    """They are no result, whatever they say; that there were some is noted once."""
    signer = Signer(new_key())
    drained = DeadLetters(pair.dead, store, AT, manual_clock, signer)
    line = mini_batch.encode(MiniBatch(8, files=("file:///a",)))
    await pair.dead.send([_message(7), _message(99999), json.dumps({"message": "?", "reason": "none"}), "?"])
    await pair.dead.send([messages.encode(Message(AT, 8, 1, line=line), signer)])
    assert await drained.drain(5, 1000) == 5
    index = await read_index(store, keys.result(AT, 5, 0))
    assert index is not None
    assert [entry.index for entry in index.entries] == [8]
    [event] = index.events
    assert event.failure is not None
    assert event.failure.cause is Cause.FORGED
    await pair.dead.send([_message(7)])
    assert await drained.drain(5, 1000) == 1
    assert await read_index(store, keys.result(AT, 5, 1)) is None
    assert (await pair.dead.depth()).total == 0


async def test_a_dead_letter_of_a_node_is_no_second_result(
    dead_letters: DeadLetters, pair: QueuePair, store: ObjectStore
) -> None:
    """What a node has sent there with its tries was recorded by that node before."""
    await pair.dead.send([json.dumps({**json.loads(_message(1)), "tries": 3, "reason": "ValueError"})])
    assert await dead_letters.drain(5, 1000) == 1
    assert await read_index(store, keys.result(AT, 5, 0)) is None


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (json.dumps({"message": "???", "reason": "message '???': not JSON"}), "message '???'"),
        ("no json at all", "cannot be read"),
        ("[]", "cannot be read"),
        ("5", "cannot be read"),
        ('{"v": 1}', "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        (_message(1, run="another"), "another"),
        (_message(1).replace('"index":1', '"index":2', 1), "cannot be read"),
        (_message(1, items=1).replace('"items":1', '"items":"x"'), "cannot be read"),
    ],
    ids=["rejected", "text", "list", "number", "object", "deep", "of another run", "contradicting", "bad items"],
)
async def test_what_is_no_mini_batch_of_ours_is_an_event(
    dead_letters: DeadLetters, pair: QueuePair, store: ObjectStore, body: str, word: str
) -> None:
    """Whatever else is in the queue is noted with its reason, counts for no mini-batch and stops nobody."""
    await pair.dead.send([body])
    assert await dead_letters.drain(5, 1000) == 1
    index = await read_index(store, keys.result(AT, 5, 0))
    assert index is not None
    assert not index.entries
    [event] = index.events
    assert event.failure is not None
    assert word in event.failure.message
    assert (await pair.dead.depth()).total == 0


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (_message(1000), "mini-batch 1000, and there are 1000"),
        (_message(2**31 - 1), "there are 1000"),
        (_message(1).replace('"index":1,', '"index":1e9,', 1), "cannot be read"),
        (_message(1, items=1).replace('"items":1', '"items":-5'), "cannot be read"),
        (_message(1, items=1).replace('"items":1', f'"items":{2**40}'), "cannot be read"),
        (_message(1, items=1).replace('"items":1', '"items":[]'), "cannot be read"),
        ('["tries"]', "cannot be read"),
        ('"reason"', "cannot be read"),
        ("NaN", "cannot be read"),
    ],
)
async def test_no_letter_poisons_the_results(
    dead_letters: DeadLetters, pair: QueuePair, store: ObjectStore, ledger_of: Callable[..., Any], body: str, word: str
) -> None:
    """Recorded as a result it would make every later look at the step fail: so what cannot be is only told."""
    await pair.dead.send([body, _message(999)])
    assert await dead_letters.drain(5, 1000) == 2
    index = await read_index(store, keys.result(AT, 5, 0))
    assert index is not None
    ledger = ledger_of(total=1000)
    ledger.absorb(5, 0, index)
    assert ledger.counts.dead_lettered == 1
    [event] = index.events
    assert event.failure is not None
    assert word in event.failure.message


async def test_nothing_is_deleted_before_it_is_recorded(
    pair: QueuePair, store: ObjectStore, manual_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the store does not answer the dead letters stay where they are (promise I5)."""

    async def refuse(*_: object) -> bool:
        raise StoreError("cannot create x: 503 SlowDown")

    monkeypatch.setattr("fanout.supervision.dead_letters.create", refuse)
    await pair.dead.send([_message(0), _message(1)])
    with pytest.raises(StoreError):
        await DeadLetters(pair.dead, store, AT, manual_clock).drain(5, 1000)
    assert (await pair.dead.depth()).total == 2


async def test_many_dead_letters(
    dead_letters: DeadLetters, pair: QueuePair, store: ObjectStore, ledger_of: Callable[..., Any]
) -> None:
    """All of them are recorded, in objects that are numbered without gaps."""
    await pair.dead.send([_message(index) for index in range(150)])
    drained = 0
    while count := await dead_letters.drain(5, 1000):
        drained += count
    assert drained == 150
    ledger = ledger_of(total=150)
    for seq in range(2):
        index = await read_index(store, keys.result(AT, 5, seq))
        assert index is not None
        ledger.absorb(5, seq, index)
    assert ledger.counts.dead_lettered == 150


async def test_a_part_and_a_copy_that_vanished(
    dead_letters: DeadLetters, pair: QueuePair, store: ObjectStore, manual_clock: Any
) -> None:
    """A part is recorded with its own items; of a copy nobody hears, as the original answers for itself."""
    sent = messages.decode(_message(7))
    await pair.dead.send(
        [messages.encode(replace(sent, part=ItemRange(1, 2))), messages.encode(replace(sent, copy=True))]
    )
    assert await dead_letters.drain(5, 1000) == 2
    index = await read_index(store, keys.result(AT, 5, 0))
    assert index is not None
    [entry] = index.entries
    assert (entry.part, entry.items, entry.status) == (ItemRange(1, 2), 1, Status.DEAD_LETTERED)
    assert entry.failure is not None
    assert "mini-batch 7, item 1," in entry.failure.message
