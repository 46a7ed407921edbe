"""Which queues go with which store."""

from pathlib import Path
from typing import Any

import pytest

from fanout.errors import SettingsError
from fanout.queues.base import QueueService
from fanout.queues.factory import open_queue_service
from fanout.queues.sqlite import SqliteQueueService
from fanout.queues.sqs import SqsQueueService
from fanout.storage.access import Access


@pytest.fixture
def open_service(manual_clock: Any) -> Any:
    """`open_queue_service` with nothing but the two URIs to say."""

    def opened(queue: str | None, store: str) -> QueueService:
        return open_queue_service(queue, store, Access(), manual_clock)

    return opened


@pytest.mark.parametrize("form", ["{}", "file://{}"])
async def test_local_store_has_its_queues_inside(open_service: Any, tmp_path: Path, form: str) -> None:
    """A folder is all that a run on one machine needs."""
    service = open_service(None, form.format(tmp_path / "a store"))
    await service.create("q", visibility=1, max_receives=1)
    assert (tmp_path / "a store" / "queues" / "q").is_dir()
    await service.close()


def test_store_on_s3_has_its_queues_on_sqs(open_service: Any) -> None:
    """The twin of S3 is SQS, and nothing is asked of it before it is used."""
    assert isinstance(open_service(None, "s3://bucket/prefix"), SqsQueueService)


async def test_named_queue_wins(open_service: Any, tmp_path: Path) -> None:
    """Store and queue may be of different kinds."""
    service = open_service(f"sqlite:{tmp_path}/elsewhere", "s3://bucket")
    assert isinstance(service, SqliteQueueService)
    await service.create("q", visibility=1, max_receives=1)
    assert (tmp_path / "elsewhere" / "q").is_dir()
    await service.close()
    assert isinstance(open_service("sqs:", str(tmp_path)), SqsQueueService)
    assert isinstance(open_service("sqs://eu-west-1", str(tmp_path)), SqsQueueService)


async def test_the_store_as_its_own_queue(open_service: Any, tmp_path: Path) -> None:
    """`bucket:` goes with any store: messages lie in the store itself."""
    service = open_service("bucket:", str(tmp_path))
    await service.create("q", visibility=1, max_receives=1)
    assert (tmp_path / "messages" / "q" / "pair.json").is_file()
    await service.close()


@pytest.mark.parametrize("uri", ["sqlite:", "redis://x", "somewhere"])
def test_unknown_queue(open_service: Any, uri: str) -> None:
    """The message shows what would be right."""
    with pytest.raises(SettingsError, match=r"expected sqlite:FOLDER, sqs:, sqs://REGION or bucket:"):
        open_service(uri, "/tmp")


def test_store_without_queues(open_service: Any) -> None:
    """A store of another kind needs a named queue."""
    with pytest.raises(SettingsError, match="no queue goes with a gs: store"):
        open_service(None, "gs://bucket")
