"""Intake: what is received, what can be started, and what goes back."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from obstore.store import MemoryStore

from fanout.errors import DiskFullError, InputError, QueueError, StoreError
from fanout.files import uris
from fanout.node.dispatch import committer as committing
from fanout.node.dispatch.committer import Committer
from fanout.node.dispatch.intake import Intake, IntakeEvents
from fanout.node.dispatch.plan_check import PlanCheck
from fanout.node.dispatch.retry_policy import Decision, retry_decision
from fanout.planning.manifests import Shard, write_shard
from fanout.queues.base import Delivery, QueuePair
from fanout.records import messages, mini_batch
from fanout.records.messages import Message, Pointer
from fanout.records.mini_batch import MiniBatch
from fanout.records.parts import ItemRange
from fanout.records.step import StepRecord
from fanout.results.codec import Cause, Failure, Status
from fanout.security.signature import UNSIGNED, Signer, new_key
from fanout.slot.lease import Lease, LeaseTable
from fanout.storage.keys import StepRound
from fanout.storage.objects import put

AT = StepRound("r", "s")

VISIBILITY = 10.0
RECEIVE_WAIT = 0.1
PATIENCE = 20.0
REMOTE = "s3://bucket/data"


async def _nothing(*_: object) -> None:
    """Nothing is committed here."""


class Refusing:
    """A queue that refuses for a while, and then receives from another one."""

    def __init__(self, queue: Any, refusals: int) -> None:
        self.queue, self.refusals = queue, refusals

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        self.refusals -= 1
        if self.refusals >= 0:
            raise QueueError("not now")
        return list(await self.queue.receive(limit, wait))


@dataclass
class Fetching:
    """Brings copies of files here, when the test lets it; knows which are still here."""

    trouble: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    here: list[str] = field(default_factory=list)

    def needs_no_fetch(self, line: bytes) -> bool:
        return all(map(uris.is_local, mini_batch.decode(line, "test").files))

    async def fetch(self, line: bytes, _: ItemRange | None = None) -> tuple[bytes, tuple[str, ...]]:
        await self.gate.wait()
        if self.trouble:
            raise self.trouble
        name = f"copy-{mini_batch.decode(line, 'test').index}"
        self.here.append(name)
        return line, (name,)

    def release(self, names: Sequence[str]) -> None:
        for name in names:
            self.here.remove(name)


@dataclass
class Door:
    """An intake over a real queue, and everything it says."""

    pair: QueuePair
    clock: Any
    queue: Any = None
    fetcher: Any = None
    wanted: int = 4
    receive_timeout: float = RECEIVE_WAIT
    signer: Signer = UNSIGNED
    plan: Callable[[MemoryStore], Any] = lambda _: None
    failed: list[tuple[int, Failure]] = field(default_factory=list)
    store: MemoryStore = field(default_factory=MemoryStore)
    leases: LeaseTable = field(default_factory=LeaseTable)

    def __post_init__(self) -> None:
        self.intake = Intake(
            AT,
            self.queue or self.pair.main,
            self.store,
            self.fetcher,
            VISIBILITY,
            Committer(_nothing, _nothing, self.pair, self.leases, self.clock, lambda: True, signer=self.signer),
            self.leases,
            self.clock,
            IntakeEvents(lambda: self.wanted, lambda: None, self._failed, lambda: self.receive_timeout),
            self.plan(self.store),
        )

    def _failed(self, lease: Lease, failure: Failure) -> None:
        self.failed.append((lease.message.index, failure))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """It receives."""
        task = asyncio.create_task(self.intake.run())
        try:
            yield
            self.intake.close()
            await self.until(task.done)
            task.result()
        finally:
            task.cancel()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns when this holds; meanwhile the clock goes, so that a receive that waits ends."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0.001)
                await self.clock.run(RECEIVE_WAIT / 10, step=RECEIVE_WAIT / 10)

    def start(self, count: int = 100) -> list[int]:
        """Which mini-batches a slot would get."""
        return [lease.message.index for lease in self.intake.start(count)]

    async def send(self, *wanted: Message) -> None:
        await self.pair.main.send([messages.encode(message, self.signer) for message in wanted])


@pytest.fixture
def door(pair: QueuePair, manual_clock: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Door]:
    """An intake with these changes."""
    monkeypatch.setattr("fanout.node.dispatch.intake.RECEIVE_WAIT", RECEIVE_WAIT)
    return lambda **changes: Door(changes.pop("pair", pair), manual_clock, **changes)


MakeDoor = Callable[..., Door]
MakeMessage = Callable[..., Message]


async def test_no_more_is_received_than_wanted(door: MakeDoor, message: MakeMessage) -> None:
    """What waits here is hidden from other nodes, so only as much as the slots will soon need."""
    here = door(wanted=3)
    await here.send(*map(message, range(10)))
    async with here.open():
        await here.until(lambda: len(here.leases) == 3)
        assert (await here.pair.main.depth()).visible == 7
        assert here.start(2) == [0, 1]
        here.intake.ask()
        await here.until(lambda: len(here.leases) == 5)
    assert here.start() == [2, 3, 4]


async def test_without_patience_the_queue_is_asked_once(door: MakeDoor, message: MakeMessage) -> None:
    """And again when somebody asks: waiting would be asking over and over, while the slots have work."""
    asked = []

    class Counting(Refusing):
        async def receive(self, limit: int, wait: float) -> list[Delivery]:
            asked.append(wait)
            return list(await self.queue.receive(limit, wait))

    here = door(receive_timeout=0.0)
    here.intake._queue = Counting(here.pair.main, 0)
    async with here.open():
        await here.until(lambda: asked == [0.0])
        await here.send(message(0))
        for _ in range(3):
            await asyncio.sleep(0)
        assert asked == [0.0]
        here.intake.ask()
        await here.until(lambda: here.start() == [0])


async def test_what_waits_is_counted(door: MakeDoor, message: MakeMessage) -> None:
    """Of what can be started each slot gets its share."""
    here = door(wanted=5)
    assert here.intake.waiting == 0
    await here.send(*map(message, range(5)))
    async with here.open():
        await here.until(lambda: len(here.leases) == 5)
        assert here.intake.waiting == 5
        assert here.start(3) == [0, 1, 2]
        assert here.intake.waiting == 2
    assert here.start() == [3, 4]


async def test_nothing_is_received_while_too_much_waits_for_the_store(
    door: MakeDoor, message: MakeMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded by the committer, whatever the slots could do."""
    monkeypatch.setattr(committing, "FULL_COUNT", -1)
    here = door()
    await here.send(message(0))
    async with here.open():
        await asyncio.sleep(0)
        assert (await here.pair.main.depth()).visible == 1
        monkeypatch.setattr(committing, "FULL_COUNT", 10)
        here.intake.ask()
        await here.until(lambda: not here.intake.empty)


async def test_what_ran_out_is_not_started(door: MakeDoor, message: MakeMessage, manual_clock: Any) -> None:
    """After its visibility a mini-batch may be somebody else's: it is dropped, and its copies with it."""
    fetching = Fetching()
    fetching.gate.set()
    here = door(fetcher=fetching, wanted=2)
    await here.send(message(0, folder=REMOTE), message(1, folder=REMOTE))
    async with here.open():
        await here.until(lambda: len(fetching.here) == 2)
        here.wanted = 0
        extended = next(lease for lease in here.leases.all() if lease.message.index == 1)
        extended.expires += 1000
        manual_clock.advance(VISIBILITY + 1)
        assert here.start() == [1]
    assert [lease.message.index for lease in here.leases.all()] == [1]
    assert fetching.here == ["copy-1"]


async def test_what_a_dead_slot_had_not_begun_is_next(door: MakeDoor, message: MakeMessage) -> None:
    """In the order in which it was handed over."""
    here = door(wanted=5)
    await here.send(*map(message, range(5)))
    async with here.open():
        await here.until(lambda: len(here.leases) == 5)
    given = here.intake.start(3)
    here.intake.put_back(given[1:])
    assert here.start() == [1, 2, 3, 4]


async def test_what_nodes_vanished_with_is_taken_one_by_one(
    door: MakeDoor, message: MakeMessage, manual_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them may be why: each gets a node for itself, so that the next one to vanish takes no other with it."""
    monkeypatch.setattr("fanout.node.dispatch.intake.SUSPECT", 2)
    here = door(wanted=8)
    await here.send(*map(message, range(3)))
    assert len(await here.pair.main.receive(10, 0)) == 3
    manual_clock.advance(10 * VISIBILITY)
    done = list[int]()
    async with here.open():
        while len(done) < 3:
            await here.until(lambda: len(here.leases) == 1 and not here.intake.empty)
            [lease] = here.intake.start(8)
            assert here.start() == []
            assert (lease.message.alone, lease.delivery.receive_count) == (True, 1)
            await here.pair.main.delete([lease.delivery])
            here.leases.forget([lease])
            here.intake.ask()
            done.append(lease.message.index)
        await here.send(*map(message, range(5)))
        await here.until(lambda: len(here.leases) == 5)
    assert sorted(done) == [0, 1, 2]


async def test_what_must_be_alone_waits_for_the_rest(door: MakeDoor, message: MakeMessage) -> None:
    """It starts when everything else is settled; of two, the one that came back more often is kept."""
    here = door(wanted=8)
    await here.send(message(0), replace(message(1), alone=True), message(2), replace(message(3), alone=True))
    async with here.open():
        await here.until(lambda: len(here.leases) == 3)
        others = here.intake.start(8)
        assert [lease.message.index for lease in others] == [0, 2]
        assert here.start() == []
        here.leases.forget(others)
        assert here.start() == [3]
        assert (await here.pair.main.depth()).visible == 1


async def test_what_has_not_started_goes_back(door: MakeDoor, message: MakeMessage) -> None:
    """Others can receive it at once, as if it had never been received."""
    here = door()
    await here.send(*map(message, range(4)))
    async with here.open():
        await here.until(lambda: len(here.leases) == 4)
        assert here.start(1) == [0]
    await here.intake.requeue()
    back = await here.pair.main.receive(10, 0)
    assert sorted(messages.decode(delivery.body).index for delivery in back) == [1, 2, 3]
    assert {delivery.receive_count for delivery in back} == {1}
    assert here.intake.empty


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("no message", "JSONDecodeError"),
        ('{"v":99}', "version 99"),
        ('{"v":1}', "KeyError"),
        (None, "message for other/s: this is the queue of another step"),
    ],
)
async def test_messages_of_others_are_put_aside(
    door: MakeDoor, message: MakeMessage, body: str | None, reason: str
) -> None:
    """They are kept with their reason, and block nobody."""
    here = door()
    await here.pair.main.send([body or messages.encode(message(0, run="other"))])
    await here.send(message(1))
    async with here.open():
        await here.until(lambda: not here.intake.empty)
    assert here.start() == [1]
    [dead] = await here.pair.dead.receive(10, 0)
    assert reason in json.loads(dead.body)["reason"]
    assert (await here.pair.main.depth()).total == 1, "only the one that is held"


def _forged(signer: Signer) -> list[str]:
    """What may be sent by somebody who can send, and has seen messages of this step and of others, but has no key."""
    genuine = messages.encode(Message(AT, 0, 0, line='{"index":0,"files":["file:///data/a"],"items":1}'), signer)
    elsewhere = Message(StepRound("r", "other"), 0, 0, line='{"index":0,"files":["file:///data/a"],"items":1}')
    return [
        messages.encode(Message(AT, 0, 0, line='{"index":0,"files":["file:///etc/hostname"],"items":1}')),
        messages.encode(Message(AT, 0, 0, line='{"index":0,"files":["http://169.254.169.254/"],"items":1}')),
        messages.encode(Message(AT, 99999, 0, line='{"index":99999,"files":["file:///data/a"],"items":1}')),
        messages.encode(Message(AT, 0, 0, pointer=Pointer("run.json", 0, 10, 0))),
        genuine.replace("file:///data/a", "file:///etc/hostname"),
        genuine.replace('"index":0', '"index":99999'),
        genuine.replace('"attempt":0', '"attempt":9'),
        genuine.replace('"attempt":0', '"attempt":0,"part":[0,1]'),
        messages.encode(elsewhere, Signer(new_key())),
        "no message",
        "\u00e9" * 100,
    ]


async def test_what_was_not_signed_is_dropped(door: MakeDoor, message: MakeMessage) -> None:
    """Not started, not failed, not kept: somebody who may only send makes noise. One message is delivered beside it."""
    here = door(signer=Signer(new_key()), wanted=100)
    forged = _forged(here.signer)
    await here.pair.main.send(forged)
    await here.send(message(1))
    async with here.open():
        await here.until(lambda: not here.intake.empty)
        await here.until(lambda: here.intake.forged == len(forged))
    assert here.start() == [1]
    assert here.failed == []
    assert (await here.pair.main.depth()).total == 1, "only the one that is held"
    assert (await here.pair.dead.depth()).total == 0


async def test_what_is_not_in_the_plan_is_dropped(
    door: MakeDoor, message: MakeMessage, record: Callable[..., StepRecord]
) -> None:
    """In a run that was begun without a key: the rest goes on. A store that does not answer is waited for."""
    planned = [message(index) for index in range(2)]
    here = door(plan=lambda store: PlanCheck(record(), store), wanted=100)
    await write_shard(here.store, AT, Shard(0, tuple(str(one.line) for one in planned)))
    await here.send(message(99_999), replace(planned[0], attempt=99), *planned)
    async with here.open():
        await here.until(lambda: here.intake.waiting == 2)
        await here.until(lambda: here.intake.forged == 2)
    assert sorted(here.start()) == [0, 1]
    assert here.failed == []
    assert (await here.pair.dead.depth()).total == 0


async def test_a_plan_that_cannot_be_read_costs_a_delivery(door: MakeDoor, message: MakeMessage) -> None:
    """What could not be compared is neither started nor lost: it comes back."""

    class NoAnswer:
        """A plan whose store does not answer."""

        asked = 0

        async def check(self, _: Message) -> None:
            self.asked += 1
            raise StoreError("no answer")

    plan = NoAnswer()
    here = door(plan=lambda _: plan)
    await here.send(message(0))
    async with here.open():
        await here.until(lambda: plan.asked == 1)
    assert here.start() == []
    assert (await here.pair.main.depth()).total == 1


async def test_what_goes_back_is_signed(door: MakeDoor, message: MakeMessage) -> None:
    """So that the next node takes it."""
    here = door(signer=Signer(new_key()))
    await here.send(message(1))
    async with here.open():
        await here.until(lambda: not here.intake.empty)
    await here.intake.requeue()
    [back] = await here.pair.main.receive(10, 0)
    here.signer.check(back.body)
    assert messages.decode(back.body).index == 1


async def test_signed_messages_of_others_are_put_aside(door: MakeDoor, message: MakeMessage) -> None:
    """The key of a step signs for this step alone; what it says about another one is no less a mistake."""
    here = door(signer=Signer(new_key()))
    await here.send(message(0, run="other"), message(1))
    async with here.open():
        await here.until(lambda: not here.intake.empty)
    [dead] = await here.pair.dead.receive(10, 0)
    here.signer.check(dead.body)
    assert "the queue of another step" in json.loads(dead.body)["reason"]


async def test_a_pointer_is_followed(door: MakeDoor) -> None:
    """A long mini-batch stands in its manifest; the slot gets it as it stands there."""
    here = door(wanted=1)
    line = mini_batch.encode(MiniBatch(3, files=("file:///a",))).encode()
    await put(here.store, "manifest", b"before\n" + line + b"\nafter")
    await here.send(Message(AT, 3, 0, pointer=Pointer.to("manifest", 7, line.decode())))
    started: list[Lease] = []
    async with here.open():
        await here.until(lambda: bool(started.extend(here.intake.start(1)) or started))
        here.wanted = 0
    assert [lease.line for lease in started] == [line]


@pytest.mark.parametrize("found", [None, b"befor", b"before\n{}", b"before\n" + b"x" * 100])
async def test_a_damaged_manifest_is_told_at_once(door: MakeDoor, found: bytes | None) -> None:
    """A plan that is missing, cut or altered is not the script's fault, and nothing that another try would mend."""
    here = door(wanted=1)
    line = mini_batch.encode(MiniBatch(3, files=("file:///a",)))
    if found is not None:
        await put(here.store, "manifests/00000.jsonl", found)
    await here.send(Message(AT, 3, 0, pointer=Pointer.to("manifests/00000.jsonl", 7, line)))
    async with here.open():
        await here.until(lambda: bool(here.failed))
        here.wanted = 0
    [(index, failure)] = here.failed
    assert (index, failure.cause) == (3, Cause.DAMAGED)
    assert "manifests/00000.jsonl" in failure.message
    assert retry_decision(failure, 0, 3, 0.5) == Decision(Status.FAILED)


@pytest.mark.parametrize("trouble", [StoreError("cannot read x: timed out"), OSError(5, "Input/output error")])
async def test_trouble_of_the_store_is_no_failed_attempt(
    door: MakeDoor, message: MakeMessage, manual_clock: Any, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody tried user code: the mini-batch comes back when its visibility runs out."""
    fetching = Fetching(trouble)
    fetching.gate.set()
    here = door(fetcher=fetching, wanted=1)
    await here.send(message(0, folder=REMOTE))
    with caplog.at_level(logging.WARNING):
        async with here.open():
            await here.until(lambda: "cannot be fetched now" in caplog.text)
            here.wanted = 0
    assert here.failed == []
    assert len(here.leases) == 0
    manual_clock.advance(VISIBILITY + 1)
    assert len(await here.pair.main.receive(1, 0)) == 1


@pytest.mark.parametrize("trouble", [DiskFullError("no space left in /x"), OSError(28, "No space left", "/dev/null")])
async def test_no_room_for_what_is_brought_ends_the_node(
    door: MakeDoor, message: MakeMessage, trouble: Exception
) -> None:
    """The next one would find none either, and a mini-batch that comes back five times would be given up."""
    fetching = Fetching(trouble)
    fetching.gate.set()
    here = door(fetcher=fetching, wanted=1)
    await here.send(message(0, folder=REMOTE))
    with pytest.raises(DiskFullError, match="no space left in /"):
        await here.intake.run()
    assert here.failed == []


async def test_missing_data_is_a_failed_attempt(door: MakeDoor, message: MakeMessage) -> None:
    """A file that is not there will not be there for the next node either: the reason is told."""
    fetching = Fetching(InputError("s3://b/gone: there is no such object"))
    fetching.gate.set()
    here = door(fetcher=fetching, wanted=1)
    await here.send(message(0, folder=REMOTE))
    async with here.open():
        await here.until(lambda: bool(here.failed))
        here.wanted = 0
    assert here.failed == [(0, Failure(Cause.LOAD, "s3://b/gone: there is no such object"))]


async def test_closing_gives_up_what_is_being_fetched(door: MakeDoor, message: MakeMessage) -> None:
    """A node that leaves does not wait for files; the mini-batch goes back with the others."""
    here = door(fetcher=Fetching(), wanted=2)
    await here.send(message(0, folder=REMOTE), message(1, folder=REMOTE))
    async with here.open():
        await here.until(lambda: len(here.leases) == 2)
        assert here.start() == []
        assert not here.intake.empty
    await here.intake.requeue()
    assert (await here.pair.main.depth()).visible == 2


async def test_a_queue_that_refuses_for_a_moment(
    door: MakeDoor, message: MakeMessage, pair: QueuePair, manual_clock: Any
) -> None:
    """It is asked again after growing pauses, and the work goes on."""
    here = door(queue=Refusing(pair.main, refusals=8))
    await here.send(message(0))
    async with here.open():
        async with asyncio.timeout(PATIENCE):
            while here.intake.empty:
                await manual_clock.run(0.5, step=0.5)
    assert len(here.leases) == 1


async def test_a_queue_that_refuses_for_minutes_ends_the_node(
    door: MakeDoor, pair: QueuePair, manual_clock: Any
) -> None:
    """The error is the queue's own."""
    here = door(queue=Refusing(pair.main, refusals=1000))
    receiving = asyncio.create_task(here.intake.run())
    async with asyncio.timeout(PATIENCE):
        while not receiving.done():
            await manual_clock.run(0.5, step=0.5)
    with pytest.raises(QueueError, match="not now"):
        receiving.result()
    assert 60 < manual_clock.monotonic() < 180


async def test_what_waits_for_long_goes_to_nodes_with_free_slots(door: MakeDoor, message: MakeMessage) -> None:
    """What no slot takes goes back as if it had never been received; nothing is received before one has room."""
    here = door(wanted=3)
    await here.send(*map(message, range(3)))
    async with here.open():
        await here.until(lambda: len(here.leases) == 3)
        assert here.start(1) == [0]
        here.clock.advance(0.9)
        here.intake.return_idle(1.0)
        assert len(here.leases) == 3
        here.clock.advance(0.2)
        here.intake.return_idle(1.0)
        await here.until(lambda: len(here.leases) == 1)
        here.intake.ask()
        assert [d.receive_count for d in await here.pair.main.receive(10, 0)] == [1, 1]
        await here.send(message(7))
        here.intake.ask()
        await here.until(lambda: True)
        assert len(here.leases) == 1
        assert here.start(1) == []
        here.intake.ask()
        await here.until(lambda: len(here.leases) == 2)
        assert here.start(1) == [7]


async def test_nothing_is_given_back_where_nothing_waits(door: MakeDoor, message: MakeMessage) -> None:
    """However long the slots take; what comes then has its own time."""
    here = door(wanted=1)
    here.clock.advance(100)
    here.intake.return_idle(1.0)
    await here.send(message(0))
    async with here.open():
        await here.until(lambda: len(here.leases) == 1)
        here.intake.return_idle(1.0)
        assert here.start(1) == [0]


async def test_copies_of_what_is_given_back_go(door: MakeDoor, message: MakeMessage) -> None:
    """Files that were brought for it are no longer needed here."""
    fetching = Fetching()
    fetching.gate.set()
    here = door(fetcher=fetching, wanted=2)
    await here.send(message(0, folder=REMOTE), message(1, folder=REMOTE))
    async with here.open():
        await here.until(lambda: len(fetching.here) == 2)
        here.clock.advance(5.0)
        here.intake.return_idle(1.0)
        await here.until(lambda: not fetching.here)
