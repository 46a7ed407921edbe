"""Which queues a run uses: those that were named, else those that follow from its store."""

from pathlib import Path

from fanout.clock import Clock
from fanout.config.queue_uris import EXPECTED
from fanout.errors import SettingsError
from fanout.queues.base import QueueService
from fanout.storage.access import Access
from fanout.storage.open import local_path, open_store


def open_queue_service(queue_uri: str | None, store_uri: str, access: Access, clock: Clock) -> QueueService:
    """The service of `sqlite:<folder>`, `sqs:`, `sqs://<region>` or `bucket:` (the store itself); without a URI the
    one that goes with the store.

    A local store has its queues in the folder `queues` inside it, a store on S3 has them on SQS; other stores have
    none of their own, which is a SettingsError.
    """
    uri = queue_uri or _beside(store_uri)
    scheme, _, rest = uri.partition(":")
    if scheme == "sqlite" and rest:
        return _sqlite(local_path(rest), access, clock)
    if scheme == "sqs":
        return _sqs(rest.strip("/"), access, clock)
    if scheme == "bucket" and not rest:
        return _bucket(store_uri, access, clock)
    raise SettingsError(f"queue {uri!r}: expected {EXPECTED}")


async def check_server(service: QueueService) -> None:
    """SettingsError when the server behind the queues does not keep what they rely upon, as far as it can be tried."""
    if (check := getattr(service, "check", None)) is not None:
        await check()


def _beside(store_uri: str) -> str:
    scheme = store_uri.partition(":")[0].lower() if ":" in store_uri.partition("/")[0] else ""
    if scheme in ("", "file"):
        return f"sqlite:{local_path(store_uri) / 'queues'}"
    if scheme in ("s3", "s3a"):
        return "sqs:"
    raise SettingsError(f"store {store_uri}: no queue goes with a {scheme}: store; name one: {EXPECTED}")


def _sqlite(folder: Path, access: Access, clock: Clock) -> QueueService:
    from fanout.queues.sqlite import SqliteQueueService

    return SqliteQueueService(folder, clock, durable=access.durable)


def _sqs(region: str, access: Access, clock: Clock) -> QueueService:
    from dataclasses import replace

    from fanout.queues.sqs import SqsQueueService

    return SqsQueueService(replace(access, region=region) if region else access, clock)


def _bucket(store_uri: str, access: Access, clock: Clock) -> QueueService:
    from fanout.queues.bucket.service import BucketQueueService

    return BucketQueueService(open_store(store_uri, access), store_uri, clock)
