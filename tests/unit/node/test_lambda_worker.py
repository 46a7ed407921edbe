"""A worker: batches in, what is to come again out, with real slots, a folder and the embedded queue."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from obstore.store import LocalStore

from fanout.clock import SystemClock
from fanout.code_snapshots.archive import snapshot
from fanout.errors import RunError, StoreError
from fanout.node.lambda_worker import LambdaWorker, sorted_out
from fanout.node.serve import NodeServices
from fanout.pipeline.model import EntryTask, ParallelStep, RetrySettings
from fanout.queues.base import Delivery, QueuePair
from fanout.queues.sqlite import SqliteQueueService
from fanout.records import messages, mini_batch
from fanout.records import step as step_record
from fanout.records.messages import Message
from fanout.records.mini_batch import MiniBatch
from fanout.records.row_format import RowFormat
from fanout.records.seal import Seal, seal
from fanout.records.step import BoundInput, StepRecord
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.results.ledger import Ledger
from fanout.results.reader import ResultReader
from fanout.security.signature import Signer, new_key
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import put

AT, OTHER = StepRound("r", "s"), StepRound("other", "s")
KEY = new_key()
SIGNER = Signer(KEY)
SCRIPT = """
import os, time
def init(): open(f"{PLACE}/init-{os.getpid()}", "w").close()
def run(batch, context):
    if os.environ.get("AZUREML_RUN_ID") == "r" and context.minibatch_index == 13:
        time.sleep(300)
    return [context.minibatch_index]
def shutdown(): open(f"{PLACE}/bye-{os.getpid()}", "w").close()
"""
LONG = 300.0


@dataclass
class Shop:
    """A store with steps in it, a standing queue, and a worker."""

    folder: Path
    worker: LambdaWorker
    queues: QueuePair
    commands: list[StepRound] = field(default_factory=list)
    trouble: Exception | None = None

    async def step(self, at: StepRound = AT, script: str = SCRIPT, limit: float = 60.0) -> None:
        code = self.folder / f"code-{at.run}"
        code.mkdir()
        (code / "score.py").write_text(f"PLACE = {str(self.folder)!r}\n{script}")
        packed, store = snapshot(code), self.worker.services.store
        await put(store, keys.code(packed.digest), packed.archive)
        step = ParallelStep(
            name=at.step,
            task=EntryTask("score.py"),
            input_data="files",
            max_concurrency_per_instance=2,
            retry_settings=RetrySettings(timeout=limit),
        )
        inputs = {"files": BoundInput(uri="file:///")}
        record = StepRecord(at.run, step, inputs, {}, RowFormat.TEXT, 20.0, packed.digest, message_key=KEY)
        await put(store, keys.step_json(at), step_record.dump(record))

    async def batch(self, *indexes: int, at: StepRound = AT) -> list[Delivery]:
        """Messages of these mini-batches, as the queue delivers them."""
        lines = [(n, mini_batch.encode(MiniBatch(n, files=("file:///a",)))) for n in indexes]
        await self.queues.main.send([messages.encode(Message(at, n, 0, line=line), SIGNER) for n, line in lines])
        return await self.queues.main.receive(100, 0)

    async def work(self, deliveries: list[Delivery], seconds: float = LONG) -> list[Delivery]:
        """What the worker wants again; the rest is deleted, as AWS Lambda does."""
        failed = await self.worker.work(deliveries, self.worker.services.clock.monotonic() + seconds)
        await self.queues.main.delete([delivery for delivery in deliveries if delivery not in failed])
        return failed

    async def ledger(self, at: StepRound = AT) -> Ledger:
        ledger, reader = Ledger(), ResultReader(self.worker.services.store, at)
        await reader.look_for_nodes()
        async for node, seq, index in reader.news():
            ledger.absorb(node, seq, index)
        return ledger

    def marks(self, name: str) -> int:
        return len(list(self.folder.glob(name)))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A worker without work."""
    clock = SystemClock()
    service = SqliteQueueService(tmp_path / "queues", clock)
    queues = await service.create("standing", visibility=300.0, max_receives=5)
    services = NodeServices(LocalStore(tmp_path / "store", mkdir=True), service, Access(), clock, "file:///store")
    made: list[Shop] = []

    async def command(at: StepRound, _: float) -> None:
        made[0].commands.append(at)
        if made[0].trouble is not None:
            raise made[0].trouble

    async def check_order(_: StepRound, body: str) -> None:
        SIGNER.check(body)

    made.append(Shop(tmp_path, LambdaWorker(services, queues, 20.0, command, check_order), queues))
    yield made[0]
    await made[0].worker.close()
    await service.close()


async def test_slots_stay_from_batch_to_batch(shop: Shop) -> None:
    """Every mini-batch is done and nothing is wanted again; init() has run once in each slot, for all batches."""
    await shop.step()
    for first in (0, 5, 10):
        assert await shop.work(await shop.batch(*[n for n in range(first, first + 5) if n != 13])) == []
    assert (await shop.ledger()).counts.succeeded == 14
    assert (await shop.queues.main.depth()).total == 0
    assert shop.marks("init-*") <= 2
    await shop.worker.close()
    assert 1 <= shop.marks("bye-*") <= 2


async def test_what_the_time_cuts_off_comes_again_at_once(shop: Shop) -> None:
    """The others are done; that it was received counts, as it does when a node dies."""
    await shop.step(limit=1000.0)
    failed = await shop.work(await shop.batch(12, 13, 14), seconds=8)
    assert [messages.decode(delivery.body).index for delivery in failed] == [13]
    assert (await shop.ledger()).counts.succeeded == 2
    [again] = await shop.queues.main.receive(10, 0)
    assert (messages.decode(again.body).index, again.receive_count) == (13, 2)


async def test_what_there_is_no_time_for_is_not_started(shop: Shop) -> None:
    """It is sent anew, and so is not counted as vanished."""
    await shop.step(script=SCRIPT.replace("return [", "time.sleep(1.2); return ["), limit=1.0e6)
    failed = await shop.work(await shop.batch(*range(10)), seconds=6)
    done = (await shop.ledger()).counts.settled
    anew = await shop.queues.main.receive(100, 0)
    assert 0 < len(anew) <= 10 - done
    assert {delivery.receive_count for delivery in anew if delivery.body not in [d.body for d in failed]} == {1}
    assert done + len(failed) + len([d for d in anew if d.receive_count == 1]) == 10


async def test_nobody_works_for_a_step_that_is_over(shop: Shop) -> None:
    """Its messages are gone, and its script was never started."""
    await shop.step()
    sealed = Seal(Verdict(VerdictStatus.COMPLETED, "all done"), Counts(total=0))
    await seal(shop.worker.services.store, keys.verdict(AT), sealed)
    assert await shop.work(await shop.batch(1, 2)) == []
    assert shop.marks("init-*") == 0
    assert (await shop.queues.main.depth()).total == 0


async def test_messages_of_nobody_are_put_aside(shop: Shop) -> None:
    """One that cannot be read, and one of a step that does not exist, are dead letters with a reason."""
    await shop.queues.main.send(["{"])
    assert await shop.work(await shop.batch(3)) == []
    reasons = sorted(delivery.body for delivery in await shop.queues.dead.receive(10, 0))
    assert "no step s of a run r" in reasons[0] + reasons[1]
    assert len(reasons) == 2


async def test_a_batch_of_several_runs(shop: Shop) -> None:
    """Each goes to the node of its step; a third step takes the place of the one that was used longest ago."""
    third = StepRound("third", "s")
    for at in (AT, OTHER, third):
        await shop.step(at)
    both = [*await shop.batch(1, 2), *await shop.batch(1, 2, 3, at=OTHER)]
    assert await shop.work(both) == []
    assert ((await shop.ledger()).counts.succeeded, (await shop.ledger(OTHER)).counts.succeeded) == (2, 3)
    assert await shop.work(await shop.batch(1, at=third)) == []
    assert shop.marks("bye-*") > 0


async def test_a_script_that_cannot_be_loaded(shop: Shop) -> None:
    """The node gives up and says so among the results; the mini-batches, which it never tried, are there for others."""
    await shop.step(script="import nothing_of_this_name\n")
    await shop.work(await shop.batch(1, 2))
    assert [delivery.receive_count for delivery in await shop.queues.main.receive(10, 0)] == [1, 1]
    ledger = await shop.ledger()
    assert any(event.gave_up for _, event in ledger.events)  # not always the last: another slot may fail after it
    assert ledger.attempts == 0


async def test_a_delivery_that_is_somebody_elses_is_left_alone(shop: Shop) -> None:
    """Its receipt is stale: it is not tried, and not deleted."""
    await shop.step()
    [stale] = await shop.batch(1)
    await shop.queues.main.extend([stale], 0)
    [fresh] = await shop.queues.main.receive(1, 0)
    assert await shop.work([stale]) == [stale]
    assert (await shop.ledger()).attempts == 0
    assert await shop.work([fresh]) == []


Trouble = Callable[[Shop], Awaitable[None]]


@pytest.mark.parametrize(
    ("trouble", "again", "dead"), [(None, 0, 0), (StoreError("no answer"), 1, 0), (RunError("no such run"), 0, 1)]
)
async def test_commands(shop: Shop, trouble: Exception | None, again: int, dead: int) -> None:
    """Run once for each batch; trouble with servers leaves the message, one about nothing is put aside."""
    shop.trouble = trouble
    await shop.queues.main.send([messages.encode_order(messages.COMMAND, AT, SIGNER)] * 2)
    failed = await shop.work(await shop.queues.main.receive(10, 0))
    assert shop.commands == [AT]
    assert len(failed) == 2 * again
    assert (await shop.queues.dead.depth()).total == 2 * dead


def test_deliveries_are_told_apart() -> None:
    """By kind and by step."""
    bodies = [
        messages.encode(Message(AT, 1, 0, line=mini_batch.encode(MiniBatch(1, files=("file:///a",))))),
        messages.encode(Message(OTHER, 1, 0, line=mini_batch.encode(MiniBatch(1, files=("file:///a",))))),
        messages.encode_order(messages.COMMAND, AT),
        messages.encode_order("something", AT),
    ]
    found = sorted_out([Delivery(body, str(number), 1) for number, body in enumerate(bodies)])
    assert [[d.receipt for d in some] for some in found[0].values()] == [["0"], ["1"]]
    assert [[d.receipt for d in some] for some in found[1].values()] == [["2"]]
    assert [delivery.receipt for delivery, _ in found[2]] == ["3"]
