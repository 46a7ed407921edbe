"""What tells of objects: bodies of S3, EventBridge, SNS, Lambda and MinIO; a queue's policy, a trigger's records."""

import asyncio
import json

from obstore.store import MemoryStore

from fanout.storage import keys
from fanout.storage.objects import put
from fanout.triggers.event import ObjectEvent, to_body
from fanout.triggers.records import Letter, StartRecord, TriggerRecords
from fanout.triggers.sources.bodies import read_events
from fanout.triggers.sources.bucket_rules import policy_with, policy_without
from tests.fuzz.reader import Reader, text_of

ARN = "arn:aws:sqs:eu-central-1:123456789012:fanout-t"
EVENT = ObjectEvent("s3://uploads", "in/a b.csv", "v1", "e1", "0055AED6DCD90281E5", 7, 1_700_000_000.0)
RECORD = {
    "eventSource": "aws:s3",
    "eventTime": "2026-11-25T20:57:14.123Z",
    "eventName": "ObjectCreated:Put",
    "s3": {
        "bucket": {"name": "uploads"},
        "object": {"key": "in/a+b%2Fc.csv", "size": 7, "eTag": "e1", "versionId": "v1", "sequencer": "00"},
    },
}
S3 = json.dumps({"Records": [RECORD, {**RECORD, "eventName": "ObjectRemoved:Delete"}]})
BRIDGE = json.dumps(
    {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": "2026-11-25T20:57:14Z",
        "detail": {"bucket": {"name": "uploads"}, "object": {"key": "a b.csv", "size": 1, "etag": "e"}},
    }
)
SNS = json.dumps({"Type": "Notification", "Message": S3})
LAMBDA = json.dumps({"Records": [{"eventSource": "aws:sqs", "body": SNS}]})
MINIO = json.dumps({"EventName": "s3:ObjectCreated:Put", "Records": [{**RECORD, "eventSource": "minio:s3"}]})
BODIES = (S3, BRIDGE, SNS, LAMBDA, MINIO, to_body([EVENT]), '{"Event": "s3:TestEvent"}')


def _events(body: bytes) -> object:
    found = read_events(body)
    for event in found:
        assert event.key
        assert read_events(to_body([event])) == [event]
        assert len(event.identity) == 64
        assert event.uri
    return found


def _policy(body: bytes) -> object:
    text = text_of(body)
    both = policy_with(text, "fanout-t", ARN, "uploads")
    assert any(one.get("Sid") == "fanout-t" for one in json.loads(both)["Statement"])
    return policy_without(both, "fanout-t")


def _record(body: bytes) -> object:
    async def look() -> object:
        records = TriggerRecords(MemoryStore(), "t")
        await put(records.store, keys.trigger_start("t", "r"), body)
        return await records.read_start("r")

    return asyncio.run(look())


def _letter(body: bytes) -> object:
    async def look() -> object:
        records = TriggerRecords(MemoryStore(), "t")
        await put(records.store, keys.trigger_letter("t", "r"), body)
        return [letter async for letter in records.letters()]

    return asyncio.run(look())


def _seed(kind: str) -> bytes:
    async def write() -> bytes:
        store = MemoryStore()
        records = TriggerRecords(store, "t")
        if kind == "start":
            await records.note_start(StartRecord("r", (EVENT,)))
            return bytes(store.get(keys.trigger_start("t", "r")).bytes())
        await records.write_letter(Letter("r", "no luck", 1.0, (EVENT,)))
        return bytes(store.get(keys.trigger_letter("t", "r")).bytes())

    return asyncio.run(write())


READERS = (
    Reader("events", tuple(body.encode() for body in BODIES), _events),
    Reader("policy of a queue", (policy_with(None, "theirs", ARN, "b").encode(),), _policy),
    Reader("start of a trigger", (_seed("start"),), _record),
    Reader("dead letter of a trigger", (_seed("letter"),), _letter),
)
