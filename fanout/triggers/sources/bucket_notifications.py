"""What a bucket tells others of: its notification configuration, whole, as S3's API has it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from fanout.errors import MissingExtraError, StoreError
from fanout.security.redaction import redact
from fanout.storage.access import Access
from fanout.storage.credentials import s3_client
from fanout.storage.objects import reason

Configuration = Mapping[str, Any]


async def read_notifications(bucket: str, access: Access) -> Configuration:
    """The configuration, {} when there is none; StoreError when it cannot be read."""
    answer = await _asked(
        f"read the notifications of s3://{bucket}",
        lambda: s3_client(access).get_bucket_notification_configuration(Bucket=bucket),
    )
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


async def write_notifications(bucket: str, configuration: Configuration, access: Access) -> None:
    """This is the configuration now, all of it; StoreError when the bucket refuses it, or cannot tell a queue in it."""
    await _asked(
        f"set the notifications of s3://{bucket}",
        lambda: s3_client(access).put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=configuration
        ),
    )


async def _asked(action: str, call: Callable[[], Any]) -> Any:
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise MissingExtraError("Notifications of a bucket", "aws") from None
    try:
        return await asyncio.to_thread(call)
    except ClientError as exc:
        error = exc.response.get("Error", {})
        raise StoreError(f"cannot {action}: {error.get('Code')}: {redact(str(error.get('Message')))}") from exc
    except BotoCoreError as exc:
        raise StoreError(f"cannot {action}: {reason(exc)}") from exc
