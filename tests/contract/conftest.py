"""The queues and stores that the contract suites hold to the same promises."""

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore, ObjectStore

from fanout.clock import SystemClock
from fanout.queues.bucket.service import BucketQueueService
from fanout.queues.sqlite import SqliteQueueService
from fanout.queues.sqs import SqsQueueService
from fanout.storage.access import Access
from fanout.storage.folder import FolderStore
from fanout.storage.open import ensure_bucket, open_store
from fanout.testing.contracts import QueueBench
from tests.simulation.ports.memory_queues import MemoryQueueService

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


BUCKETS = [pytest.param(f"bucket-{param.values[0]}", marks=param.marks) for param in S3]


@pytest.fixture(params=["sqlite", "bucket-folder", "bucket-memory", *BUCKETS, "simulation", *SQS])
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, manual_clock: Any, aws_environ: Callable[[str], dict[str, str]]
) -> AsyncIterator[QueueBench]:
    """Every implementation of the queue port in turn."""
    if request.param == "sqlite":
        bench = QueueBench(SqliteQueueService(tmp_path, manual_clock), 0, manual_clock.advance)
    elif request.param in ("bucket-folder", "bucket-memory"):
        kept: ObjectStore = FolderStore(tmp_path) if request.param == "bucket-folder" else MemoryStore()
        bench = QueueBench(BucketQueueService(kept, request.param, manual_clock), 0, manual_clock.advance)
    elif request.param.startswith("bucket-"):
        server = request.param.removeprefix("bucket-")
        access = Access.from_environ(aws_environ(request.getfixturevalue(f"{server}_endpoint")))
        uri = f"s3://contract-{uuid.uuid4().hex}/some/prefix"
        await ensure_bucket(uri, access)
        bench = QueueBench(BucketQueueService(open_store(uri, access), uri, SystemClock()), receive_timeout=5)
    elif request.param == "simulation":
        bench = QueueBench(MemoryQueueService(manual_clock), 0, manual_clock.advance)
    else:
        access = Access.from_environ(aws_environ(request.getfixturevalue(f"{request.param}_endpoint")))
        service = SqsQueueService(access, SystemClock())
        bench = QueueBench(
            service,
            receive_timeout=5,
            exactly_once=request.param != "moto",
            old_receipts_hold=request.param in ("moto", "localstack"),
            every_character=request.param != "fauxqs",
        )
    yield bench
    await bench.close()


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
