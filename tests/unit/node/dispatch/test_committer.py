"""Group commit: durable first, settled then, and nothing lost wherever it is cut (promise I5)."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from obstore.store import LocalStore

from fanout.errors import QueueError, StoreError
from fanout.node.dispatch import committer as committing
from fanout.node.dispatch.committer import Committer, Finished
from fanout.queues.base import Depth, QueuePair
from fanout.records import messages, mini_batch
from fanout.records.messages import Message
from fanout.records.mini_batch import Cut, MiniBatch, Piece
from fanout.records.parts import ItemRange
from fanout.results.codec import Cause, Entry, Event, Failure, Status
from fanout.results.reader import read_index
from fanout.slot.lease import Lease, LeaseTable
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create

AT = StepRound("r", "s")

PIECES = (Piece("file:///t.csv", 0, 900, Cut.BYTES),)
FAILURE = Failure(Cause.EXCEPTION, "ValueError: no", "Traceback ...")


@dataclass
class Desk:
    """A committer over a real queue and a folder, and what the test may change about them."""

    pair: QueuePair
    store: LocalStore
    clock: Any
    leases: LeaseTable = field(default_factory=LeaseTable)
    staged: list[tuple[str, int, Sequence[str]]] = field(default_factory=list)
    store_error: StoreError | None = None
    idle: bool = True

    def __post_init__(self) -> None:
        self.committer = Committer(self._write, self._stage, self.pair, self.leases, self.clock, lambda: self.idle)

    async def _write(self, seq: int, body: bytes) -> None:
        if self.store_error:
            raise self.store_error
        await create(self.store, keys.result(AT, 0, seq), body)

    async def _stage(self, folder: str, seq: int, files: Sequence[str]) -> None:
        if self.store_error:
            raise self.store_error
        self.staged.append((folder, seq, files))

    async def receive(self, *wanted: Message) -> list[Lease]:
        """Sends these and takes them into the node's hands."""
        await self.pair.main.send([messages.encode(message) for message in wanted])
        lease = []
        for delivery in await self.pair.main.receive(len(wanted), 0):
            lease.append(Lease(delivery, messages.decode(delivery.body), b"", 1e9))
            self.leases.take(lease[-1])
        return lease

    async def finish(self) -> None:
        """Everything given is committed and settled."""
        self.committer.close()
        async with asyncio.timeout(20):
            await self.committer.run()

    async def entries(self) -> list[Entry]:
        """All that was committed, in order."""
        found: list[Entry] = []
        seq = 0
        while (index := await read_index(self.store, keys.result(AT, 0, seq))) is not None:
            found += index.entries
            seq += 1
        return found


@pytest.fixture
def desk(pair: QueuePair, tmp_path: Path, manual_clock: Any) -> Desk:
    """A committer with nothing to do."""
    return Desk(pair, LocalStore(tmp_path / "store", mkdir=True), manual_clock)


def _finished(
    lease: Lease, status: Status = Status.SUCCEEDED, retry_after: float | None = None, **more: Any
) -> Finished:
    failure = None if status is Status.SUCCEEDED else FAILURE
    message = lease.message
    entry = Entry(
        message.index,
        message.attempt,
        status,
        2,
        0 if failure else 2,
        "process000",
        0.0,
        0.0,
        0.1,
        failure=failure,
        **more,
    )
    return Finished(lease, entry, b"" if failure else b"row\n", retry_after)


async def test_several_results_are_one_object(desk: Desk, message: Callable[..., Message]) -> None:
    """What has finished together is one write, one delete, and none of it is held any more."""
    for lease in await desk.receive(*(message(index) for index in range(5))):
        desk.committer.add(_finished(lease))
    await desk.finish()
    assert [entry.index for entry in await desk.entries()] == [0, 1, 2, 3, 4]
    assert await read_index(desk.store, keys.result(AT, 0, 1)) is None
    assert (await desk.pair.main.depth()).total == 0
    assert len(desk.leases) == 0


async def test_a_second_try_stages_beside_the_first(desk: Desk, message: Callable[..., Message]) -> None:
    """Both deliveries of one message ran in the same process: the files of the one that was committed first stay."""
    first, second = await desk.receive(message(3), message(3))
    committing = asyncio.create_task(desk.committer.run())
    async with asyncio.timeout(20):
        for lease in (first, second):
            desk.committer.add(_finished(lease, files=("plots/a",)))
            while lease in desk.leases.all():  # noqa: ASYNC110 - settling tells nobody
                await asyncio.sleep(0)
    desk.committer.close()
    await committing
    assert desk.staged == [("3-0-process000", seq, ("plots/a",)) for seq in (0, 1)]


async def test_a_store_that_fails_deletes_nothing(desk: Desk, message: Callable[..., Message]) -> None:
    """When the result cannot be made durable the committer says so, and every delivery comes back (promise I5)."""
    [lease] = await desk.receive(message(0))
    desk.store_error = StoreError("cannot create x: disk full")
    desk.committer.add(_finished(lease))
    with pytest.raises(StoreError, match="disk full"):
        await desk.finish()
    assert (await desk.pair.main.depth()).held == 1
    desk.clock.advance(10.1)
    assert [d.body for d in await desk.pair.main.receive(1, 0)] == [lease.delivery.body]


async def test_output_files_are_durable_before_their_result(desk: Desk, message: Callable[..., Message]) -> None:
    """Files of attempts and of shutdown() are staged under the names that the ledger will look for."""
    [lease] = await desk.receive(message(3, attempt=1))
    desk.committer.add(_finished(lease, files=("plots/a",)))
    desk.committer.note(Event("process000", 0.0, None, files=("plots/b",)))
    await desk.finish()
    assert desk.staged == [("3-1-process000", 0, ("plots/a",)), ("shutdown-process000", 0, ("plots/b",))]


async def test_a_retry_is_sent_before_the_old_delivery_is_deleted(desk: Desk, message: Callable[..., Message]) -> None:
    """The mini-batch comes back with the next attempt number after its back-off, on a fresh receive count, and says on
    which node it has failed."""
    [lease] = await desk.receive(message(0, attempt=1))
    desk.committer.add(_finished(lease, Status.RETRIED, retry_after=3.0))
    await desk.finish()
    assert await desk.pair.main.depth() == Depth(visible=0, held=0, delayed=1)
    desk.clock.advance(3.1)
    [again] = await desk.pair.main.receive(1, 0)
    assert again.receive_count == 1
    assert messages.decode(again.body) == replace(message(0, attempt=2), failed_on=(0,))


async def test_a_line_that_is_no_json_becomes_a_dead_letter_as_it_is(desk: Desk) -> None:
    """A checksum that fits says that it was composed so: whoever looks finds the text and the reason."""
    [lease] = await desk.receive(Message(AT, 4, 2, line='{"index":4,]'))
    desk.committer.add(_finished(lease, Status.FAILED))
    await desk.finish()
    [dead] = await desk.pair.dead.receive(1, 0)
    fields = json.loads(dead.body)
    assert (fields["message"], fields["tries"]) == (lease.delivery.body, 3)
    assert fields["reason"] == "ValueError: no\nTraceback ..."


async def test_a_failed_mini_batch_goes_to_the_dead_letters_with_its_reason(
    desk: Desk, message: Callable[..., Message]
) -> None:
    """The dead letter is the message itself, with the number of tries, the reason and the traceback."""
    [lease] = await desk.receive(message(4, attempt=2))
    desk.committer.add(_finished(lease, Status.FAILED))
    await desk.finish()
    [dead] = await desk.pair.dead.receive(1, 0)
    fields = json.loads(dead.body)
    assert (fields["index"], fields["attempt"], fields["tries"]) == (4, 2, 3)
    assert fields["reason"] == "ValueError: no\nTraceback ..."
    assert messages.decode(dead.body) == message(4, attempt=2)
    assert (await desk.pair.main.depth()).total == 0


async def test_what_somebody_else_holds_by_now_is_left_to_them(desk: Desk, message: Callable[..., Message]) -> None:
    """A lost delivery is neither sent again nor dead-lettered; its attempt is recorded all the same (fault 5)."""
    retried, failed = await desk.receive(message(0), message(1))
    retried.lost = failed.lost = True
    desk.committer.add(_finished(retried, Status.RETRIED, retry_after=0.0))
    desk.committer.add(_finished(failed, Status.FAILED))
    desk.clock.advance(10.1)
    theirs = await desk.pair.main.receive(2, 0)
    await desk.finish()
    assert len(await desk.entries()) == 2
    assert (await desk.pair.dead.depth()).total == 0
    assert await desk.pair.main.extend(theirs, 10.0) == [], "a stale receipt deletes nothing"
    assert (await desk.pair.main.depth()).total == 2


async def test_a_lost_delivery_that_nobody_has_received_since_comes_back(
    desk: Desk, message: Callable[..., Message]
) -> None:
    """Its visibility ran out and its attempt failed: the message is the only one there is, so it is not deleted."""
    [lease] = await desk.receive(message(0))
    lease.lost = True
    desk.clock.advance(10.1)
    desk.committer.add(_finished(lease, Status.RETRIED))
    await desk.finish()
    [back] = await desk.pair.main.receive(1, 0)
    assert messages.decode(back.body) == message(0)


async def test_what_ran_out_while_the_queue_did_not_answer_is_not_acted_upon(
    desk: Desk, message: Callable[..., Message]
) -> None:
    """No heartbeat could say that it is lost, and it may be somebody else's: their try is the one to come (fault 5)."""
    [retried, unstarted] = await desk.receive(message(0), message(1))
    for lease in (retried, unstarted):
        lease.expires = desk.clock.monotonic() + 10.0
    desk.clock.advance(10.1)
    theirs = await desk.pair.main.receive(2, 0)
    desk.committer.add(_finished(retried, Status.RETRIED, retry_after=0.0))
    await desk.committer.requeue([unstarted])
    await desk.finish()
    assert (await desk.pair.main.depth()).total == 2, "nothing was sent a second time"
    assert await desk.pair.main.extend(theirs, 10.0) == []


@dataclass
class Journal:
    """A queue that notes the order of calls, and refuses one kind of them."""

    name: str
    calls: list[str]
    refuse: str = ""

    async def send(self, *_: object, **__: object) -> None:
        self._note("send")

    async def delete(self, _: object) -> None:
        self._note("delete")

    def _note(self, what: str) -> None:
        self.calls.append(f"{self.name} {what}")
        if what == self.refuse:
            raise QueueError("refused")


@pytest.mark.parametrize(
    ("main_refuses", "dead_refuses", "expected"),
    [
        ("", "", ["main send", "dead send", "main delete"]),
        ("send", "", ["main send"]),
        ("", "send", ["main send", "dead send"]),
        ("delete", "", ["main send", "dead send", "main delete"]),
    ],
)
async def test_the_order_of_settling_loses_nothing(
    desk: Desk, lease: Callable[..., Lease], main_refuses: str, dead_refuses: str, expected: list[str]
) -> None:
    """Sent anew, dead-lettered, and only then deleted; a refusal ends the settling, not the node."""
    calls: list[str] = []
    main: Any = Journal("main", calls, main_refuses)
    dead: Any = Journal("dead", calls, dead_refuses)
    desk.pair = QueuePair(main, dead)
    desk.__post_init__()
    desk.committer.add(_finished(lease(0), Status.RETRIED, retry_after=0.0))
    desk.committer.add(_finished(lease(1), Status.FAILED))
    desk.committer.add(_finished(lease(2)))
    await desk.finish()
    assert calls == expected
    assert len(await desk.entries()) == 3
    assert len(desk.leases) == 0


async def test_giving_back_does_not_count_as_a_vanished_node(desk: Desk, message: Callable[..., Message]) -> None:
    """However often nodes drain, the receive count does not grow towards the dead-letter queue."""
    sent = message(0)
    await desk.pair.main.send([messages.encode(sent)])
    for _ in range(5):
        [delivery] = await desk.pair.main.receive(1, 0)
        assert delivery.receive_count == 1
        lease = Lease(delivery, messages.decode(delivery.body), b"", 1e9)
        desk.leases.take(lease)
        await desk.committer.requeue([lease])
        assert len(desk.leases) == 0
    assert (await desk.pair.main.depth()).visible == 1


async def test_what_was_lost_is_not_given_back(desk: Desk, message: Callable[..., Message]) -> None:
    """Somebody else has it: sending it again would only be work done twice."""
    [lease] = await desk.receive(message(0))
    lease.lost = True
    await desk.committer.requeue([lease])
    assert (await desk.pair.main.depth()).total == 1
    assert len(desk.leases) == 0


async def test_a_foreign_message_is_put_aside(desk: Desk) -> None:
    """It is kept, with the reason, where somebody can look at it, and no node sees it again."""
    await desk.pair.main.send(["{not ours}"])
    [delivery] = await desk.pair.main.receive(1, 0)
    await desk.committer.dead_letter(delivery, "not JSON")
    assert (await desk.pair.main.depth()).total == 0
    [dead] = await desk.pair.dead.receive(1, 0)
    assert json.loads(dead.body) == {"message": "{not ours}", "reason": "not JSON"}


async def test_results_wait_for_company_while_others_run(desk: Desk, message: Callable[..., Message]) -> None:
    """Attempts that finish within a moment of each other are one group, unless nothing else is running."""
    first, second = await desk.receive(message(0), message(1))
    desk.idle = False
    running = asyncio.create_task(desk.committer.run())
    desk.committer.add(_finished(first))
    await desk.clock.run(committing.LINGER / 2, step=committing.LINGER / 4)
    desk.committer.add(_finished(second))
    assert await desk.entries() == []
    await desk.clock.run(committing.LINGER, step=committing.LINGER / 4)
    desk.committer.close()
    await running
    index = await read_index(desk.store, keys.result(AT, 0, 0))
    assert index is not None
    assert len(index.entries) == 2


async def test_hurry_ends_the_waiting(desk: Desk, message: Callable[..., Message]) -> None:
    """When nothing more will come, nobody waits for company."""
    [lease] = await desk.receive(message(0))
    desk.idle = False
    running = asyncio.create_task(desk.committer.run())
    desk.committer.add(_finished(lease))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    desk.committer.hurry()
    async with asyncio.timeout(20):
        while not await desk.entries():  # noqa: ASYNC110 - the clock stands still: only the hurry can end the wait
            await asyncio.sleep(0.005)
    desk.committer.close()
    await running


async def test_full_says_when_to_stop_taking_work(
    desk: Desk, message: Callable[..., Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store slower than the slots makes the node wait instead of filling its memory."""
    monkeypatch.setattr(committing, "FULL_BYTES", 3)
    [lease] = await desk.receive(message(0))
    assert not desk.committer.full
    desk.committer.add(_finished(lease))
    assert desk.committer.full
    await desk.finish()
    assert not desk.committer.full


async def test_events_alone_are_committed(desk: Desk) -> None:
    """What is said about a slot reaches the store though no mini-batch has finished."""
    desk.committer.note(Event("process000", 1.0, FAILURE, gave_up=True))
    await desk.finish()
    index = await read_index(desk.store, keys.result(AT, 0, 0))
    assert index is not None
    assert index.events == (Event("process000", 1.0, FAILURE, gave_up=True),)


async def test_halves_are_sent_in_place_of_what_was_split(desk: Desk, message: Callable[..., Message]) -> None:
    """Both, each as its first try, before the old delivery is deleted; halves of a part are parts again."""
    whole, part = await desk.receive(message(0, attempt=2), replace(message(1, attempt=2), part=ItemRange(4, 7)))
    desk.committer.add(_finished(whole, Status.SPLIT, 0.0))
    desk.committer.add(_finished(part, Status.SPLIT, 0.0, part=ItemRange(4, 7)))
    await desk.finish()
    sent = [messages.decode(delivery.body) for delivery in await desk.pair.main.receive(10, 0)]
    assert [(m.index, m.attempt, m.part) for m in sent] == [
        (0, 0, ItemRange(0, 1)),
        (0, 0, ItemRange(1, 2)),
        (1, 0, ItemRange(4, 5)),
        (1, 0, ItemRange(5, 7)),
    ]
    assert {m.line for m in sent} == {whole.message.line, part.message.line}
    assert (await desk.pair.main.depth()).total == 4
    assert (await desk.pair.dead.depth()).total == 0


async def test_what_was_split_after_it_was_lost_stays_with_its_new_holder(
    desk: Desk, message: Callable[..., Message], manual_clock: Any
) -> None:
    """Somebody else has it now: no halves are sent, and it is not deleted."""
    [lease] = await desk.receive(message(0))
    lease.lost = True
    desk.committer.add(_finished(lease, Status.SPLIT, 0.0))
    await desk.finish()
    manual_clock.advance(11)
    assert [messages.decode(d.body).part for d in await desk.pair.main.receive(10, 0)] == [None]


async def test_a_copy_that_failed_is_gone(desk: Desk, message: Callable[..., Message]) -> None:
    """It is recorded, deleted, and nothing is sent after it."""
    [lease] = await desk.receive(replace(message(0), copy=True))
    desk.committer.add(_finished(lease, Status.RETRIED, copy=True))
    await desk.finish()
    assert [entry.copy for entry in await desk.entries()] == [True]
    assert ((await desk.pair.main.depth()).total, (await desk.pair.dead.depth()).total) == (0, 0)


@pytest.mark.parametrize(
    ("batch", "part", "item"),
    [
        (MiniBatch(0, files=("file:///data/a", "file:///data/b%20c")), ItemRange(1, 2), "/data/b c"),
        (MiniBatch(0, files=("s3://u:secret@bucket/a", "s3://bucket/b")), ItemRange(1, 2), "s3://bucket/b"),
        (MiniBatch(0, pieces=PIECES, first_row=100), ItemRange(7, 8), "row 107 of the input"),
        (MiniBatch(0, pieces=PIECES), ItemRange(7, 8), "row 7 of the mini-batch"),
        (MiniBatch(0, files=("file:///data/a", "file:///data/b")), ItemRange(0, 2), None),
        (MiniBatch(0, files=("file:///data/a", "file:///data/b")), None, None),
    ],
)
async def test_a_dead_letter_names_its_item(
    desk: Desk, batch: MiniBatch, part: ItemRange | None, item: str | None
) -> None:
    """A file by its place, a row by its number, from 0; what consists of several items is told as it was sent."""
    [lease] = await desk.receive(Message(AT, 0, 2, line=mini_batch.encode(batch), part=part))
    desk.committer.add(_finished(lease, Status.FAILED, part=part))
    await desk.finish()
    [letter] = await desk.pair.dead.receive(10, 0)
    fields = json.loads(letter.body)
    assert fields.get("item") == item
    assert fields.get("part") == (None if part is None else [part.start, part.stop])
