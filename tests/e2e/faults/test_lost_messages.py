"""Messages that are lost are noticed and sent again, and a step never waits for what will not come (fault 10)."""

import asyncio
import sqlite3
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from obstore.store import MemoryStore

from fanout.clock import SystemClock
from fanout.pipeline.model import EntryTask, ParallelStep
from fanout.planning.division import ByCount
from fanout.planning.publish import Outbox, publish
from fanout.planning.source import PlannedInput
from fanout.queues.base import QueuePair
from fanout.queues.sqs import SqsQueueService
from fanout.records import messages
from fanout.records.mini_batch import MiniBatch
from fanout.records.row_format import RowFormat
from fanout.records.step import BoundInput, StepRecord
from fanout.results import codec
from fanout.results.codec import Entry, Status
from fanout.results.ledger import Ledger
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import put
from fanout.supervision.progress import Observers
from fanout.supervision.supervisor import Supervisor, supervise

AT = StepRound("r", "s")
BATCHES = 30


@pytest.mark.parametrize(
    "which", ["", " WHERE id % 2", " WHERE receive_count = 0"], ids=["purged", "half of them", "what waited"]
)
def test_an_embedded_queue_that_loses_messages(project: Any, which: str) -> None:
    """In the middle of a run, held ones among them: the run says so, sends them again, and misses no row."""
    project.hold_after(5)
    process = project.start("run", "pipeline.yml")
    project.wait_for_attempts(6, process)
    [database] = (project.folder / ".fanout").rglob("queue.sqlite3")
    with sqlite3.connect(database, timeout=30) as connection:
        assert connection.execute(f"DELETE FROM main{which}").rowcount > 5  # noqa: S608 - three constants
    connection.close()
    project.let_go()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stdout + stderr
    assert "messages were lost" in stdout + stderr
    expected = "".join(f"{n:03d}.txt: content {n}\n" for n in range(60)).encode()
    assert project.output() == expected


class Nodes:
    """Stands for nodes that answer whatever they receive, until they are told to leave."""

    def __init__(self, store: MemoryStore, pair: QueuePair) -> None:
        self._store, self._pair, self.seq = store, pair, 0

    async def work(self, rounds: int | None = None) -> None:
        """Receives so often, or for ever, and commits a success for each message."""
        await put(self._store, keys.node(AT, 0), b"{}")
        while rounds is None or rounds > 0:
            rounds = None if rounds is None else rounds - 1
            deliveries = await self._pair.main.receive(5, 1)
            done = [messages.decode(delivery.body).index for delivery in deliveries]
            if not done:
                continue
            entries = [Entry(index, 0, Status.SUCCEEDED, 1, 1, "p", 0.0, 0.0, 0.1, rows=1) for index in done]
            body = codec.encode(entries, [b"%d\n" % index for index in done])
            await put(self._store, keys.result(AT, 0, self.seq), body)
            self.seq += 1
            await self._pair.main.delete(deliveries)

    async def finish(self) -> None:
        """They have nothing to finish."""

    async def stop(self) -> None:
        """They have nothing to stop."""

    def news(self) -> list[str]:
        return []

    def trouble(self) -> str | None:
        return None


@pytest.mark.parametrize("server", [pytest.param(s, marks=getattr(pytest.mark, s)) for s in ("moto", "localstack")])
async def test_a_purged_sqs_queue(
    server: str,
    request: pytest.FixtureRequest,
    aws_environ: Callable[[str], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PurgeQueue in the middle of a step: what has no result yet is sent again, and the step completes."""
    monkeypatch.setattr("fanout.supervision.step_machine.SELDOM", 0.2)
    endpoint = request.getfixturevalue(f"{server}_endpoint")
    environ = aws_environ(endpoint)
    clock, store = SystemClock(), MemoryStore()
    service, name = SqsQueueService(Access.from_environ(environ), clock, depth_lag=0.5), f"lost-{uuid.uuid4().hex}"
    pair = await service.create(name, visibility=30, max_receives=5)
    try:
        planned = PlannedInput((MiniBatch(n, files=(f"file:///{n}",), items=1) for n in range(BATCHES)), ByCount(1))
        await publish(lambda: planned, store, Outbox(pair.main, AT, AT))
        nodes = Nodes(store, pair)
        await nodes.work(rounds=2)
        _purge(environ, endpoint, name)
        resent: list[int] = []

        class Again:
            async def resend(self, ledger: Ledger) -> None:
                resent.extend(ledger.missing())
                await publish(lambda: planned, store, Outbox(pair.main, AT, AT, skip=ledger.settled_indexes))

            async def send_again(self, *_: object) -> None: ...
            async def speculate(self, *_: object) -> None: ...

        step = ParallelStep(name="s", task=EntryTask("score.py"), input_data="files")
        record = StepRecord("r", step, {"files": BoundInput(uri="file:///")}, {}, RowFormat.NONE, visibility=30.0)
        observers = Observers(lambda _: None, lambda _node, _index: None)
        supervisor = Supervisor(record, store, pair, clock, observers, _no_number, Again())
        supervisor.plan_is_complete(BATCHES)
        working = asyncio.create_task(nodes.work())
        async with asyncio.timeout(60):
            outcome = await supervise(supervisor, nodes, clock)
        working.cancel()
        await asyncio.wait([working])
    finally:
        await service.remove(name)
        await service.close()
    assert outcome.verdict.completed
    assert outcome.ledger.counts.rows == BATCHES
    assert 0 < len(set(resent)) < BATCHES
    assert [winner.index for winner in outcome.ledger.winners()] == list(range(BATCHES))


async def _no_number() -> int:
    raise AssertionError("there are no dead letters")


def _purge(environ: dict[str, str], endpoint: str, name: str) -> None:
    import boto3

    client = boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name=environ["AWS_DEFAULT_REGION"] if "AWS_DEFAULT_REGION" in environ else environ["AWS_REGION"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )
    client.purge_queue(QueueUrl=client.get_queue_url(QueueName=name)["QueueUrl"])
