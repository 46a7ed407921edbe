"""What tells of objects: the bodies that S3, SNS, EventBridge, Lambda, MinIO and fanout itself make, to events. Pure.

S3 (AWS, LocalStack, moto)   {"Records": [{"eventSource": "aws:s3", "s3": …}]}, keys URL-encoded; s3:TestEvent
MinIO's webhook              the same with "minio:s3" and "s3:ObjectCreated:Put"
EventBridge                  {"source": "aws.s3", "detail-type": "Object Created", "detail": …}, keys as they are
SNS                          {"Type": "Notification", "Message": one of these as text}
Lambda                       {"Records": [{"eventSource": "aws:sqs", "body": one of these as text}]}, SNS alike
fanout                       {"fanout_events": 1, "events": […]}, of a watched folder
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from fanout.errors import EventError
from fanout.records import fields
from fanout.triggers.event import LARGEST_OBJECT, ObjectEvent, epoch, event_of

LONGEST_BODY = 1024 * 1024
"""Bytes: what SQS takes, and more than any of these makes."""
MOST_EVENTS = 10_000
_DEEPEST = 4  # Lambda > SQS > SNS > S3
_CREATED = "ObjectCreated:"


def read_events(body: str | bytes) -> list[ObjectEvent]:
    """The objects that have arrived, as `body` tells; [] when it tells of something else (a deletion, a test event).

    EventError when it is no such message, or tells of what cannot be an object.
    """
    if len(body) > LONGEST_BODY:
        raise EventError(f"a message of {len(body):,} bytes; one that tells of objects has at most {LONGEST_BODY:,}")
    events: list[ObjectEvent] = []
    try:
        for event in _events(fields.parse(body), _DEEPEST):
            events.append(event)
            if len(events) > MOST_EVENTS:
                raise ValueError(f"it tells of more than {MOST_EVENTS:,} objects")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        what = f"it lacks {exc}" if isinstance(exc, KeyError) else str(exc)
        raise EventError(f"a message that tells of no objects in a way that is known here: {what}") from exc
    return events


def _events(message: Any, depth: int) -> Iterator[ObjectEvent]:
    if not isinstance(message, Mapping):
        raise ValueError(f"{message!r:.80} is no message about objects")
    if "fanout_events" in message:
        fields.whole(message["fanout_events"], "fanout_events", least=1, below=2)
        yield from map(event_of, message["events"])
    elif message.get("Event") == "s3:TestEvent":
        return  # S3 says so when the notification was set up
    elif "Records" in message:
        for record in message["Records"]:
            yield from _record(record, depth)
    elif message.get("source") == "aws.s3" or "detail-type" in message:
        yield from _event_bridge(message)
    elif message.get("Type") == "Notification":
        yield from _inside(message["Message"], depth)
    else:
        raise ValueError(f"its keys are {', '.join(sorted(map(str, message)))[:200] or 'none'}")


def _record(record: Any, depth: int) -> Iterator[ObjectEvent]:
    source = record.get("eventSource") or record.get("EventSource")
    if source == "aws:sqs":
        yield from _inside(record["body"], depth)
    elif source == "aws:sns":
        yield from _inside(record["Sns"]["Message"], depth)
    elif source in ("aws:s3", "minio:s3"):
        yield from _s3(record)
    else:
        raise ValueError(f"a record of {source!r:.80}, expected aws:s3 or minio:s3")


def _inside(text: Any, depth: int) -> Iterator[ObjectEvent]:
    if depth == 0:
        raise ValueError("messages within messages, too deep")
    return _events(fields.parse(fields.text(text, "the message inside")), depth - 1)


def _s3(record: Any) -> Iterator[ObjectEvent]:
    name = fields.text(record["eventName"], "eventName").removeprefix("s3:")
    if not name.startswith(_CREATED):
        return
    bucket, message = record["s3"]["bucket"]["name"], record["s3"]["object"]
    key = unquote_plus(fields.text(message["key"], "key"), errors="strict")
    yield from _event(bucket, key, message, message.get("versionId"), message.get("eTag"), record.get("eventTime"))


def _event_bridge(message: Any) -> Iterator[ObjectEvent]:
    if message.get("source") != "aws.s3" or message.get("detail-type") != "Object Created":
        return
    detail = message["detail"]
    bucket, there = detail["bucket"]["name"], detail["object"]
    key = fields.text(there["key"], "key")
    yield from _event(bucket, key, there, there.get("version-id"), there.get("etag"), message.get("time"))


def _event(bucket: Any, key: str, message: Any, version: Any, etag: Any, time: Any) -> Iterator[ObjectEvent]:
    if key.endswith("/"):
        return  # the mark of a folder, which consoles make: no data
    name = fields.text(bucket, "the bucket")
    if "/" in name:
        raise ValueError(f"the bucket is {name!r:.80}")
    size, sequencer = message.get("size"), message.get("sequencer")
    yield ObjectEvent(
        root=f"s3://{name}",
        key=key,
        # "null" is the version of objects that came before the bucket kept versions: the ETag says more.
        version=None if version in (None, "", "null") else fields.text(version, "the version"),
        etag=fields.text(etag, "the ETag").strip('"') or None if etag else None,
        sequencer=fields.text(sequencer, "sequencer") if sequencer else None,
        size=None if size is None else fields.whole(size, "size", below=LARGEST_OBJECT),
        time=epoch(time),
    )
