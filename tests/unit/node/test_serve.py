"""A node from its start to its end: real slots, a real queue, a real store."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

from fanout.clock import SystemClock
from fanout.code_snapshots.archive import snapshot
from fanout.errors import RunError, StoreError
from fanout.files import uris
from fanout.node.dispatch import committer
from fanout.node.dispatch.agent import Leaving
from fanout.node.serve import NodeServices, serve, slots_of
from fanout.output.row_windows import rows_in_order
from fanout.pipeline.model import EntryTask, ParallelStep, RetrySettings
from fanout.queues.base import QueuePair
from fanout.queues.sqlite import SqliteQueueService
from fanout.queues.step_queues import take_queues
from fanout.records import messages, mini_batch
from fanout.records import step as step_record
from fanout.records.messages import Message
from fanout.records.mini_batch import MiniBatch
from fanout.records.row_format import RowFormat
from fanout.records.step import BoundInput, BoundOutput, StepRecord
from fanout.results.codec import Cause, Entry, Status
from fanout.results.ledger import Ledger
from fanout.results.reader import ResultReader
from fanout.security.signature import Signer, new_key
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import list_keys, put, read

AT = StepRound("r", "s")
KEY = new_key()
SIGNER = Signer(KEY)

ACCESS = Access.from_environ({})
PATIENCE = 30.0
ECHO = "def run(b, c): return [c.minibatch_index] * len(b)\n"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes look for the end of their step more often than they would."""
    monkeypatch.setattr("fanout.node.dispatch.agent.END_CHECK_EVERY", 0.05)
    monkeypatch.setattr("fanout.node.dispatch.intake.RECEIVE_WAIT", 0.1)


@dataclass
class Work:
    """One step in a store, its queues, and what became of it."""

    node_services: NodeServices
    pair: QueuePair
    folder: Path
    leaving: "asyncio.Task[Leaving] | None" = None

    async def send(self, count: int, first: int = 0) -> None:
        """Messages of so many mini-batches of two files each."""
        files = tuple(uris.from_path(self.folder / name) for name in ("a", "b"))
        for name in ("a", "b"):
            (self.folder / name).touch()
        batches = [MiniBatch(index, files=files) for index in range(first, first + count)]
        await self.send_batches(*batches)

    async def send_batches(self, *batches: MiniBatch) -> None:
        """Messages of these mini-batches."""
        bodies = [messages.encode(Message(AT, b.index, 0, line=mini_batch.encode(b)), SIGNER) for b in batches]
        await self.pair.main.send(bodies)

    async def ledger(self) -> Ledger:
        """Everything that is committed now."""
        ledger, reader = Ledger(), ResultReader(self.node_services.store, AT)
        await reader.look_for_nodes()
        async for node, seq, index in reader.news():
            ledger.absorb(node, seq, index)
        return ledger

    async def entries(self) -> list[Entry]:
        """Every entry that is committed now."""
        reader = ResultReader(self.node_services.store, AT)
        await reader.look_for_nodes()
        return [entry async for _, _, index in reader.news() for entry in index.entries]

    async def until(self, holds: Callable[[Ledger], bool]) -> Ledger:
        """The ledger, as soon as this holds of it."""
        async with asyncio.timeout(PATIENCE):
            while not holds(ledger := await self.ledger()):
                self._still_works()
                await asyncio.sleep(0.02)
        return ledger

    def _still_works(self) -> None:
        assert self.leaving is None or not self.leaving.done(), f"the node has left: {self.leaving.result()}"

    async def file(self, name: str) -> None:
        """Returns when a script has written this file."""
        async with asyncio.timeout(PATIENCE):
            while not (self.folder / name).exists():
                self._still_works()
                await asyncio.sleep(0.01)

    async def settle(self) -> None:
        """Says that nothing is left to do."""
        await put(self.node_services.store, keys.settled(AT), b"{}")

    async def rows(self) -> bytes:
        """The rows of all winners, joined."""
        winners = (await self.ledger()).winners()
        return b"".join([bytes(r.payload) async for r in rows_in_order(self.node_services.store, AT, winners)])

    @asynccontextmanager
    async def node(self, slots: int = 2) -> AsyncIterator["asyncio.Task[Leaving]"]:
        """A node at work; it has left at the end."""
        task = self.leaving = asyncio.create_task(serve(AT, self.node_services, slots=slots))
        try:
            yield task
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait([task])
        finally:
            task.cancel()
            await asyncio.wait([task])


Prepare = Callable[..., Any]


@pytest.fixture
async def prepare(tmp_path: Path) -> AsyncIterator[Prepare]:
    """A step with this script and these settings, ready for nodes."""
    services: list[SqliteQueueService] = []

    async def make(
        script: str,
        store: ObjectStore | None = None,
        outputs: Mapping[str, BoundOutput] | None = None,
        recipe: str | None = None,
        visibility: float = 20.0,
        **settings: Any,
    ) -> Work:
        where = store or LocalStore(tmp_path / "store", mkdir=True)
        code = tmp_path / "code"
        code.mkdir()
        (code / "score.py").write_text(f"PLACE = {str(tmp_path)!r}\n" + dedent(script))
        packed = snapshot(code)
        await put(where, keys.code(packed.digest), packed.archive)
        step = replace(ParallelStep(name="s", task=EntryTask("score.py"), input_data="files"), **settings)
        inputs = {"files": BoundInput(uri="file:///"), "rate": BoundInput(literal="0.5")}
        found = StepRecord(
            "r",
            step,
            inputs,
            dict(outputs or {}),
            RowFormat.TEXT,
            visibility,
            packed.digest,
            recipe=recipe,
            message_key=KEY,
        )
        await put(where, keys.step_json(AT), step_record.dump(found))
        clock = SystemClock()
        services.append(service := SqliteQueueService(tmp_path / "queues", clock))
        taken = await take_queues(where, service, AT, "file:///store", visibility=visibility, max_receives=3)
        return Work(NodeServices(where, service, ACCESS, clock, "file:///store"), taken.pair, tmp_path)

    yield make
    for service in services:
        await service.close()


async def test_everything_is_committed_and_nothing_left(prepare: Prepare) -> None:
    """Every mini-batch once, rows in order, an empty queue; shutdown() ran in each slot, and scratch is gone."""
    work = await prepare(ECHO + "def shutdown(): open(f'{PLACE}/bye-{__import__(\"os\").getpid()}', 'w').close()\n")
    await work.send(60)
    async with work.node() as node:
        ledger = await work.until(lambda ledger: ledger.counts.succeeded == 60)
        await work.settle()
    assert node.result() is Leaving.FINISHED
    assert ledger.counts.items_succeeded == 120
    assert await work.rows() == "".join(f"{n}\n{n}\n" for n in range(60)).encode()
    assert (await work.pair.main.depth()).total == 0
    assert 1 <= len(list(work.folder.glob("bye-*"))) <= 2  # a slot that was not ready yet has nothing to shut down
    assert list((work.folder / "store" / "scratch").iterdir()) == []


async def test_a_retry_that_succeeds(prepare: Prepare) -> None:
    """A failed attempt is recorded, tried again after its back-off, and counts as nothing in the end."""
    work = await prepare("def run(b, c):\n    if not c.retry_count: raise ValueError('first')\n    return b\n")
    await work.send(3)
    async with work.node():
        ledger = await work.until(lambda ledger: ledger.counts.succeeded == 3)
        await work.settle()
    assert ledger.counts.retried == 3
    assert ledger.counts.items_failed == 0
    assert {failure.failure.message for failure in ledger.failures} == {"ValueError: first"}
    assert (await work.pair.dead.depth()).total == 0


async def test_poison_is_dead_lettered_and_the_others_finish(prepare: Prepare) -> None:
    """A mini-batch that kills its slot at every try ends with its reason after max_retries + 1 tries (fault 2)."""
    script = "import os\ndef run(b, c):\n    if c.minibatch_index == 2: os._exit(7)\n    return b\n"
    work = await prepare(script, retry_settings=RetrySettings(max_retries=1))
    await work.send(6)
    async with work.node():
        ledger = await work.until(lambda ledger: ledger.counts.settled == 6)
        await work.settle()
    assert (ledger.counts.succeeded, ledger.counts.failed, ledger.counts.retried) == (5, 1, 1)
    assert [f.attempt for f in ledger.failures] == [0, 1]
    assert all(f.failure.cause is Cause.EXIT and "exit code 7" in f.failure.message for f in ledger.failures)
    assert ledger.counts.items_failed == 2, "all its items, as its files tell"
    [dead] = await work.pair.dead.receive(10, 0)
    fields = json.loads(dead.body)
    assert (fields["index"], fields["tries"]) == (2, 2)
    assert "exit code 7" in fields["reason"]


@pytest.mark.parametrize("death", ["raise ValueError(bad)", "os._exit(7)", "os.kill(os.getpid(), 9)", "return None"])
async def test_bad_items_are_found_and_the_good_ones_are_done(prepare: Prepare, death: str) -> None:
    """With isolate_failures halves are tried until each bad file stands alone, however it fails; the others count."""
    script = f"""
        import os
        def run(batch, context):
            bad = [path for path in batch if path in ("/data/1", "/data/6")]
            if bad: {death}
            return [f"{{context.minibatch_index}} {{path}}" for path in batch]
    """
    retries = RetrySettings(max_retries=0)
    work = await prepare(script, retry_settings=retries, isolate_failures=True)
    files = tuple(f"file:///data/{n}" for n in range(8))
    await work.send_batches(MiniBatch(0, files=files[:4]), MiniBatch(1, files=files[4:]))
    async with work.node():
        ledger = await work.until(lambda ledger: ledger.counts.settled == 2)
        await work.settle()
    counts = ledger.counts
    assert (counts.succeeded, counts.failed, counts.items, counts.items_failed) == (2, 0, 8, 2)
    assert await work.rows() == b"".join(b"%d /data/%d\n" % (n // 4, n) for n in range(8) if n not in (1, 6))
    letters = [json.loads(letter.body) for letter in await work.pair.dead.receive(10, 0)]
    assert sorted((letter["index"], letter["item"], letter["tries"]) for letter in letters) == [
        (0, "/data/1", 1),
        (1, "/data/6", 1),
    ]


async def test_a_slow_mini_batch_holds_up_no_other(prepare: Prepare) -> None:
    """All others end while it still runs, though many had been handed to its slot behind it (fault 26)."""
    script = """
        import pathlib, time
        def run(batch, context):
            while context.minibatch_index == 40 and not pathlib.Path(PLACE, "gate").exists(): time.sleep(0.01)
            return [context.minibatch_index] * len(batch)
    """
    work = await prepare(script)
    await work.send(200)
    async with work.node():
        await work.until(lambda ledger: ledger.counts.succeeded == 199)
        (work.folder / "gate").touch()
        ledger = await work.until(lambda ledger: ledger.counts.succeeded == 200)
        await work.settle()
    assert ledger.attempts == 200
    assert await work.rows() == "".join(f"{n}\n{n}\n" for n in range(200)).encode()


async def test_a_busy_node_hoards_nothing(prepare: Prepare) -> None:
    """A node whose only slot is held up gives what waits there to one that has a free slot."""
    script = """
        import os, pathlib, time
        def run(batch, context):
            first = pathlib.Path(PLACE, "first")
            try:
                os.close(os.open(first, os.O_CREAT | os.O_EXCL))
                while not pathlib.Path(PLACE, "gate").exists(): time.sleep(0.01)
            except FileExistsError:
                pass
            return batch
    """
    work = await prepare(script)
    await work.send(4)
    other = replace(work)
    async with work.node(slots=1):
        await work.file("first")
        async with other.node(slots=1):
            await work.until(lambda ledger: ledger.counts.succeeded == 3)
            (work.folder / "gate").touch()
            ledger = await work.until(lambda ledger: ledger.counts.succeeded == 4)
            await work.settle()
    assert ledger.attempts == 4


async def test_a_time_limit_kills_and_goes_on(prepare: Prepare) -> None:
    """An endless run() is ended at its limit, by name; the slot's next process goes on with the others."""
    script = "def run(b, c):\n    while c.minibatch_index == 0: pass\n    return b\n"
    work = await prepare(script, retry_settings=RetrySettings(max_retries=0, timeout=0.3))
    await work.send(3)
    async with work.node(slots=1):
        ledger = await work.until(lambda ledger: ledger.counts.settled == 3)
        await work.settle()
    [failure] = ledger.failures
    assert failure.failure.cause is Cause.TIME_LIMIT
    assert "0.3 seconds" in failure.failure.message
    assert ledger.counts.succeeded == 2


async def test_the_first_signal_drains(prepare: Prepare) -> None:
    """What runs is finished and committed, what has not started goes back as if it had never been received."""
    work = await prepare(
        """
        import os, time
        def run(b, c):
            open(f"{PLACE}/running", "w").close()
            while not os.path.exists(f"{PLACE}/go"): time.sleep(0.01)
            return b
        """
    )
    await work.send(5)
    async with work.node(slots=1) as node:
        await work.file("running")
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        (work.folder / "go").touch()
    assert node.result() is Leaving.DRAINED
    assert (await work.ledger()).counts.succeeded == 1
    assert (await work.pair.main.depth()).visible == 4
    assert {delivery.receive_count for delivery in await work.pair.main.receive(10, 0)} == {1}


async def test_a_canceled_run_stops_at_once(prepare: Prepare) -> None:
    """User code is ended in the middle; nothing of it counts, and nothing goes back to nodes that may not want it."""
    work = await prepare(
        """
        import time
        def run(b, c):
            open(f"{PLACE}/running", "w").close()
            time.sleep(1000)
        """
    )
    await work.send(3)
    async with work.node(slots=1) as node:
        await work.file("running")
        await put(work.node_services.store, keys.cancel("r"), b"{}")
    assert node.result() is Leaving.CANCELED
    assert await work.entries() == []
    assert (await work.pair.main.depth()).total == 3


async def test_a_script_that_never_starts(prepare: Prepare) -> None:
    """After three useless starts for each slot the node gives up, says why, and gives its work back."""
    work = await prepare("def init(): raise ValueError('no model')\n" + ECHO)
    await work.send(4)
    async with work.node() as node:
        pass
    assert node.result() is Leaving.GAVE_UP
    events = [event for _, event in (await work.ledger()).events]
    assert len(events) == 6
    assert [event.gave_up for event in events] == [False] * 5 + [True]
    assert {event.failure.message for event in events if event.failure} == {"ValueError: no model"}
    assert (await work.pair.main.depth()).visible == 4


async def test_slots_that_are_killed_while_they_idle(prepare: Prepare, caplog: pytest.LogCaptureFixture) -> None:
    """They have started, so the node does not give up, however often it happens; work that comes later is done."""
    caplog.set_level(logging.INFO, "fanout")
    work = await prepare("import os\ndef init(): open(f'{PLACE}/{os.getpid()}.pid', 'w').close()\n" + ECHO)
    async with work.node(slots=1) as node:
        for times in range(1, 6):
            async with asyncio.timeout(PATIENCE):
                while sum("is ready" in record.getMessage() for record in caplog.records) < times:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            for file in work.folder.glob("*.pid"):
                file.unlink()
                os.kill(int(file.stem), signal.SIGKILL)
        await work.send(2)
        await work.until(lambda ledger: ledger.counts.succeeded == 2)
        await work.settle()
    assert node.result() is Leaving.FINISHED


async def test_messages_that_cannot_be_read(prepare: Prepare) -> None:
    """They are put aside with their reason, and the work goes on."""
    work = await prepare(ECHO)
    foreign = messages.encode(Message(StepRound("another", "s"), 0, 0, line='{"index":0}'), SIGNER)
    await work.pair.main.send([SIGNER.sign('{"message":0}'), foreign, SIGNER.sign('{"v":99}')])
    await work.send(2)
    async with work.node():
        await work.until(lambda ledger: ledger.counts.succeeded == 2)
        await work.settle()
    reasons = [json.loads(delivery.body)["reason"] for delivery in await work.pair.dead.receive(10, 0)]
    assert len(reasons) == 3
    assert any("another/s" in reason for reason in reasons)
    assert (await work.pair.main.depth()).total == 0


async def test_a_message_may_point_to_its_mini_batch(prepare: Prepare) -> None:
    """A long mini-batch is read from its manifest; a pointer to nowhere is a failure that says so."""
    work = await prepare("def run(b): return [len(b)]\n")
    line = mini_batch.encode(MiniBatch(0, files=tuple(f"file:///{n}" for n in range(1000))))
    key = keys.manifest(AT, 0)
    await put(work.node_services.store, key, f"{line}\n".encode())
    pointer = messages.Pointer.to(key, 0, line)
    nowhere = messages.Pointer(keys.manifest(AT, 7), 0, 10, 0)
    await work.pair.main.send([messages.encode(Message(AT, 1, 0, pointer=nowhere), SIGNER)])
    await work.pair.main.send([messages.encode(Message(AT, 0, 0, pointer=pointer), SIGNER)])
    async with work.node():
        ledger = await work.until(lambda ledger: ledger.is_settled(0) and ledger.is_settled(1))
        await work.settle()
    assert (await work.rows()).splitlines()[0] == b"1000"
    [failed] = ledger.failures
    assert (failed.index, failed.failure.cause) == (1, Cause.DAMAGED)
    assert "manifests/00007.jsonl: is missing" in failed.failure.message


async def test_rows_larger_than_the_committers_memory(prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that has stopped receiving because too much waited goes on as soon as it is written."""
    monkeypatch.setattr(committer, "FULL_BYTES", 100)
    work = await prepare("import time\ndef run(b):\n    time.sleep(0.3)\n    return ['x' * 1000]\n")
    await work.send(4)
    async with work.node(slots=1):
        ledger = await work.until(lambda ledger: ledger.counts.succeeded == 4)
        await work.settle()
    assert ledger.counts.rows == 4


@pytest.mark.parametrize("kind", ["local", "memory"])
async def test_output_files_are_staged_by_attempt(prepare: Prepare, kind: str) -> None:
    """Only successful attempts leave files, each under its own name; what shutdown() wrote comes too."""
    store = None if kind == "local" else MemoryStore()
    work = await prepare(
        """
        import pathlib, sys
        out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
        def run(b, c):
            (out / f"{c.minibatch_index}-{c.retry_count}").write_text("x")
            print("ran", c.minibatch_index)
            if c.minibatch_index == 1 and not c.retry_count: raise ValueError
            return b
        def shutdown(): (out / "bye").write_text("y")
        """,
        store=store,
        outputs={"plots": BoundOutput("file:///nowhere")},
        task=EntryTask("score.py", program_arguments="--out ${{outputs.plots}} --rate ${{inputs.rate}}"),
    )
    await work.send(2)
    async with work.node(slots=1):
        await work.until(lambda ledger: ledger.counts.succeeded == 2)
        await work.settle()
    staged = list((await work.ledger()).staged())
    assert sorted(name for files in staged for name in files.names) == ["plots/0-0", "plots/1-1", "plots/bye"]
    found = [listed.key async for listed in list_keys(work.node_services.store, keys.staged(AT))]
    expected = [f"{keys.staged(StepRound('r', 's'))}{files.folder}/{name}" for files in staged for name in files.names]
    assert sorted(found) == sorted(expected)
    log = await read(work.node_services.store, f"{keys.logs(StepRound('r', 's'))}user/stdout/0/process000.stdout.txt")
    assert log is not None
    assert b"ran 0\n" in log


async def test_output_files_of_parts_never_meet(prepare: Prepare) -> None:
    """Each part that succeeded has its own, in the order of the items; parts that failed have left none."""
    work = await prepare(
        """
        import pathlib, sys
        out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
        def run(batch):
            (out / batch[0].rsplit("/", 1)[1]).write_text("x")
            if "/data/2" in batch: raise ValueError
            return batch
        """,
        outputs={"plots": BoundOutput("file:///nowhere")},
        task=EntryTask("score.py", program_arguments="--out ${{outputs.plots}}"),
        retry_settings=RetrySettings(max_retries=0),
        isolate_failures=True,
    )
    await work.send_batches(MiniBatch(0, files=tuple(f"file:///data/{n}" for n in range(4))))
    async with work.node(slots=1):
        ledger = await work.until(lambda ledger: ledger.counts.settled == 1)
        await work.settle()
    assert [files.names for files in ledger.staged()] == [("plots/0",), ("plots/3",)]
    found = [listed.key async for listed in list_keys(work.node_services.store, keys.staged(AT))]
    assert sorted(found) == [f"{keys.staged(AT)}{f.folder}/{n}" for f in ledger.staged() for n in f.names]


async def test_the_same_message_twice_on_one_node(prepare: Prepare) -> None:
    """Two deliveries of one mini-batch at the same time: files and rows of one of them count (fault 3)."""
    work = await prepare(
        """
        import os, pathlib, sys, time
        def run(b, c):
            (pathlib.Path(sys.argv[1]) / "same").write_text("x" * 1000)
            open(f"{PLACE}/running-{os.getpid()}", "w").close()
            while len([n for n in os.listdir(PLACE) if n.startswith("running")]) < 2: time.sleep(0.01)
            return b
        """,
        outputs={"plots": BoundOutput("file:///nowhere")},
        task=EntryTask("score.py", program_arguments="${{outputs.plots}}"),
    )
    await work.send(1)
    await work.send(1)
    async with work.node():
        async with asyncio.timeout(PATIENCE):
            while len(await work.entries()) < 2:  # noqa: ASYNC110 - the node commits without telling us
                await asyncio.sleep(0.02)
        await work.settle()
    assert {entry.status for entry in await work.entries()} == {Status.SUCCEEDED}
    ledger = await work.ledger()
    assert ledger.counts.succeeded == 1
    [files] = ledger.staged()
    key = f"{keys.staged(StepRound('r', 's'))}{files.folder}/plots/same"
    assert await read(work.node_services.store, key) == b"x" * 1000


async def test_an_empty_block_of_a_table_has_no_items(prepare: Prepare) -> None:
    """A mini-batch whose rows were all filtered out has no items, so none of them has failed."""
    from fanout.records.mini_batch import Cut, Piece
    from fanout.tables.mltable_file import load_mltable
    from fanout.tables.resolution import resolve_recipe

    work = await prepare("def run(frame): return [1] * len(frame)\n")
    table = work.folder / "table"
    table.mkdir()
    (table / "a.csv").write_text("x\n1\n2\n3\n")
    (table / "MLTable").write_text(
        "paths:\n- file: ./a.csv\ntransformations:\n- read_delimited\n- filter: 'col(\"x\") > 2'\n"
    )
    uri, access = uris.from_path(table / "a.csv"), ACCESS
    recipe = resolve_recipe(
        load_mltable(uris.from_path(table), access), [uri], lambda _uri, _size: (table / "a.csv").read_bytes()
    )
    key = keys.step_json(AT)
    found = step_record.load(await read(work.node_services.store, key) or b"", key)
    await put(work.node_services.store, key, step_record.dump(replace(found, recipe=recipe.to_json())))
    halves = [MiniBatch(n, pieces=(Piece(uri, *cut, Cut.BYTES),)) for n, cut in enumerate([(0, 6), (6, 8)])]
    await work.send_batches(*halves)
    async with work.node(slots=1):
        ledger = await work.until(lambda ledger: ledger.counts.succeeded == 2)
        await work.settle()
    assert (ledger.counts.items, ledger.counts.items_failed) == (1, 0)


async def test_a_store_that_refuses_ends_the_node(prepare: Prepare) -> None:
    """When results cannot be made durable nothing is deleted, and the node says so and ends (promise I5)."""
    work = await prepare(ECHO, visibility=1.0)
    (work.folder / "store" / "runs" / "r" / "s" / "results").write_text("in the way")
    await work.send(2)
    async with work.node() as node:
        pass
    with pytest.raises(StoreError, match="results"):
        node.result()
    assert (await work.pair.main.depth()).total == 2


async def test_a_slot_that_cannot_be_started_again(prepare: Prepare) -> None:
    """A script that deletes its folder and dies takes its node with it, at once and without hanging."""
    script = "import os, shutil\ndef run(b):\n    shutil.rmtree(os.getcwd())\n    os._exit(1)\n"
    work = await prepare(script, retry_settings=RetrySettings(max_retries=5))
    await work.send(1)
    async with work.node(slots=1) as node:
        pass
    assert node.result() is Leaving.FAILED
    assert [entry.status for entry in await work.entries()] == [Status.RETRIED]
    assert (await work.pair.main.depth()).total == 1


async def test_where_there_is_nothing_to_serve(prepare: Prepare) -> None:
    """An unknown step, and a step whose queue is gone, are errors that say which."""
    work = await prepare(ECHO)
    with pytest.raises(RunError, match="there is no step other of a run r"):
        await serve(StepRound("r", "other"), work.node_services)
    (work.folder / "queues").rename(work.folder / "gone")
    with pytest.raises(RunError, match="step s of run r has no queue"):
        await serve(AT, replace(work.node_services, queues=SqliteQueueService(work.folder / "queues", SystemClock())))


async def test_slots_follow_the_step_or_the_cores(prepare: Prepare) -> None:
    """max_concurrency_per_instance decides; without it there is a slot for each core (reference, section 2)."""
    work = await prepare(ECHO, max_concurrency_per_instance=3)
    key = keys.step_json(AT)
    found = step_record.load(await read(work.node_services.store, key) or b"", key)
    assert slots_of(found) == 3
    plain = replace(found, step=replace(found.step, max_concurrency_per_instance=None))
    assert slots_of(plain) == len(os.sched_getaffinity(0))


async def test_what_a_process_sees_and_what_is_written_down_beside_it(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One GPU of two each, of which a process that dies gives back its own; what the machine did is in the logs."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("AZ_BATCHAI_GPU_COUNT_FOUND", "2")
    script = """
        import os, time
        from pathlib import Path

        def init():
            mine = os.environ["CUDA_VISIBLE_DEVICES"]
            Path(PLACE, f"gpu-{mine}").touch()
            while not (Path(PLACE, "gpu-0").exists() and Path(PLACE, "gpu-1").exists()):
                time.sleep(0.01)

        def run(batch, context):
            if not context.retry_count:
                os._exit(1)
            used = Path(PLACE, "store/runs/r/s/logs/sys/perf/0/node_resource_usage.csv")
            while not used.exists():
                time.sleep(0.01)
            return [os.environ["CUDA_VISIBLE_DEVICES"] for _ in batch]
    """
    work = await prepare(script, resource_monitor_interval=0.05)
    await work.send(2)
    async with work.node(slots=2):
        await work.until(lambda ledger: ledger.counts.succeeded == 2)
        await work.settle()
    assert set((await work.rows()).decode().split()) <= {"0", "1"}
    perf = work.folder / "store/runs/r/s/logs/sys/perf/0"
    assert {path.name for path in perf.iterdir()} >= {"node_resource_usage.csv", "processes_resource_usage.csv", "os"}


async def test_warnings_of_a_node_have_a_file(prepare: Prepare) -> None:
    """Errors, too; what says nothing is not there."""
    work = await prepare("def init(): raise RuntimeError('no model')\ndef run(b): return b\n")
    await work.send(1)
    async with work.node(slots=1) as node:
        pass
    assert node.result() is Leaving.GAVE_UP
    logs = work.folder / "store/runs/r/s/logs/sys"
    lines = [line.split("|") for line in (logs / "error/0/_main.txt").read_text().splitlines()]
    assert [(line[1], line[4]) for line in lines] == [
        ("ERROR", f"process00{n}: RuntimeError: no model") for n in range(3)
    ]
    assert not (logs / "warning").exists()
