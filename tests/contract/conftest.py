"""The queues and stores that the contract suites hold to the same promises."""

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore, ObjectStore

from fanout.clock import SystemClock
from fanout.queues.base import Delivery, Queue, QueuePair, QueueService
from fanout.queues.sqlite import SqliteQueueService
from fanout.queues.sqs import SqsQueueService
from fanout.storage.access import Access
from fanout.storage.open import ensure_bucket, open_store
from tests.simulation.memory_queues import MemoryQueueService

BOTH = [
    pytest.param("moto", marks=pytest.mark.moto),
    pytest.param("localstack", marks=pytest.mark.localstack),
]
SQS = [
    *BOTH,
    pytest.param("elasticmq", marks=pytest.mark.elasticmq),
    pytest.param("fauxqs", marks=pytest.mark.fauxqs),
]
S3 = [*BOTH, pytest.param("minio", marks=pytest.mark.minio)]


@dataclass
class Bench:
    """One implementation of the queue port, and how time passes for it."""

    service: QueueService
    pass_time: Callable[[float], None]
    patience: float  # seconds a receive may wait for what is about to come; 0 where the test turns the clock
    exactly_once: bool = True  # moto may deliver one message to two receivers at the same time
    old_receipts_hold: bool = False  # moto and LocalStack honour any receipt of a message, not just the latest
    every_character: bool = True  # fauxqs refuses those above U+FFFF
    made: list[str] = field(default_factory=list)

    async def pair(self, visibility: float = 60, max_receives: int = 5) -> QueuePair:
        """A fresh pair, removed after the test."""
        self.made.append(f"contract-{uuid.uuid4().hex}")
        return await self.service.create(self.made[-1], visibility=visibility, max_receives=max_receives)

    async def receive_after(self, seconds: float, queue: Queue, limit: int = 10) -> list[Delivery]:
        """What there is to receive once `seconds` have passed; emulators may be a little late."""
        self.pass_time(seconds)
        return await queue.receive(limit, self.patience and seconds + self.patience)

    async def collect(self, queue: Queue, count: int, limit: int = 10) -> list[Delivery]:
        """Receives until `count` messages are there, or nothing more comes.

        Where the server may deliver a message twice, the later delivery, whose receipt is valid, stands for both.
        """
        found: list[Delivery] = []
        while len(found) < count and (more := await queue.receive(limit, self.patience)):
            found += more
            if not self.exactly_once:
                found = list({delivery.body: delivery for delivery in found}.values())
        return found


@pytest.fixture(params=["sqlite", "simulation", *SQS])
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, manual_clock: Any, aws_environ: Callable[[str], dict[str, str]]
) -> AsyncIterator[Bench]:
    """Every implementation of the queue port in turn."""
    if request.param == "sqlite":
        bench = Bench(SqliteQueueService(tmp_path, manual_clock), manual_clock.advance, 0)
    elif request.param == "simulation":
        bench = Bench(MemoryQueueService(manual_clock), manual_clock.advance, 0)
    else:
        access = Access.from_environ(aws_environ(request.getfixturevalue(f"{request.param}_endpoint")))
        service = SqsQueueService(access, SystemClock())
        bench = Bench(
            service,
            lambda _: None,
            5,
            exactly_once=request.param != "moto",
            old_receipts_hold=request.param in ("moto", "localstack"),
            every_character=request.param != "fauxqs",
        )
    yield bench
    for name in bench.made:
        await bench.service.remove(name)
    await bench.service.close()


@pytest.fixture(params=["local", "memory", *S3])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, aws_environ: Callable[[str], dict[str, str]]
) -> ObjectStore:
    """Every kind of store in turn, empty."""
    if request.param == "local":
        return open_store(str(tmp_path / "store"), Access())
    if request.param == "memory":
        return MemoryStore()
    access = Access.from_environ(aws_environ(request.getfixturevalue(f"{request.param}_endpoint")))
    uri = f"s3://contract-{uuid.uuid4().hex}/some/prefix"
    await ensure_bucket(uri, access)
    return open_store(uri, access)
