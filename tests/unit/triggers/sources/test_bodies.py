"""Bodies of S3, EventBridge, SNS, Lambda and MinIO as they are, and whatever else comes, to events or an error."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import EventError
from fanout.triggers.event import ObjectEvent, to_body
from fanout.triggers.sources.bodies import LONGEST_BODY, MOST_EVENTS, read_events


def s3_record(key: str = "in/a.csv", name: str = "ObjectCreated:Put", **told: Any) -> dict[str, Any]:
    """A record as AWS and LocalStack make it."""
    there = {"key": quote_plus(key), "size": 7, "eTag": "e1", "sequencer": "0055AED6DCD90281E5", **told}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": "2026-11-25T20:57:14.123Z",
        "eventName": name,
        "s3": {"configurationId": "fanout", "bucket": {"name": "uploads"}, "object": there},
    }


def body(*records: Any) -> str:
    return json.dumps({"Records": list(records)})


def event_bridge(key: str = "in/a b+c.csv", kind: str = "Object Created", **told: Any) -> dict[str, Any]:
    """An event as EventBridge hands it to a queue: the key stands as it is."""
    return {
        "version": "0",
        "detail-type": kind,
        "source": "aws.s3",
        "time": "2026-11-25T20:57:14Z",
        "detail": {
            "bucket": {"name": "uploads"},
            "object": {"key": key, "size": 7, "etag": "e1", "sequencer": "00617F08299329D189", **told},
            "reason": "PutObject",
        },
    }


def test_a_record_of_s3() -> None:
    """Everything that is told, decoded."""
    [found] = read_events(body(s3_record("in/ä b+c%2F.csv", versionId="v7")))
    assert found == ObjectEvent("s3://uploads", "in/ä b+c%2F.csv", "v7", "e1", "0055AED6DCD90281E5", 7, 1795640234.123)
    assert found.uri == "s3://uploads/in/ä b+c%2F.csv"


@pytest.mark.parametrize("encode", [quote_plus, quote, lambda key: quote(key, safe="")])
def test_keys_are_decoded_however_they_are_encoded(encode: Callable[[str], str]) -> None:
    """AWS keeps the slash, moto encodes it, and blanks come as + or as %20."""
    record = s3_record()
    record["s3"]["object"]["key"] = encode("in/a b/c&d.csv")
    assert [event.key for event in read_events(body(record))] == ["in/a b/c&d.csv"]


def test_several_records() -> None:
    """Each object that has arrived, and nothing of deletions and marks of folders."""
    records = [s3_record("a"), s3_record("b", name="ObjectRemoved:Delete"), s3_record("folder/"), s3_record("c")]
    assert [event.key for event in read_events(body(*records))] == ["a", "c"]


def test_the_test_event_of_s3() -> None:
    """S3 sends it when the notification is set up; it tells of nothing."""
    assert read_events(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "uploads"})) == []


def test_an_event_of_event_bridge() -> None:
    """Its keys are not encoded, and its names are other ones."""
    [found] = read_events(json.dumps(event_bridge(**{"version-id": "v7"})))
    assert (found.key, found.version, found.etag, found.size) == ("in/a b+c.csv", "v7", "e1", 7)
    assert read_events(json.dumps(event_bridge(kind="Object Deleted"))) == []


def test_minio() -> None:
    """Its webhook names the event twice, each with s3: before it; the version of a bucket without versions is null."""
    record = {**s3_record("in/a b.csv", name="s3:ObjectCreated:Put", versionId="null"), "eventSource": "minio:s3"}
    told = {"EventName": "s3:ObjectCreated:Put", "Key": "uploads/in/a b.csv", "Records": [record]}
    [found] = read_events(json.dumps(told))
    assert (found.key, found.version, found.etag) == ("in/a b.csv", None, "e1")


@pytest.mark.parametrize("inner", [body(s3_record("a")), json.dumps(event_bridge("a"))], ids=["S3", "EventBridge"])
def test_envelopes(inner: str) -> None:
    """SNS, SQS as Lambda hands it over, and one in the other."""
    sns = json.dumps({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:::t", "Message": inner})
    for told in (
        sns,
        body({"eventSource": "aws:sqs", "body": inner}),
        body({"eventSource": "aws:sqs", "body": sns}),
        body({"EventSource": "aws:sns", "Sns": {"Message": inner}}),
    ):
        assert [event.key for event in read_events(told)] == ["a"]


def test_versions_tell_objects_apart(event: Callable[..., ObjectEvent]) -> None:
    """The version where the bucket keeps any, else the ETag; who tells, when and in which order says nothing."""
    assert event("a", "e1").identity == event("a", "e1", sequencer="1", size=3, time=4.0).identity
    assert event("a", "e1", version="v1").identity == event("a", None, version="v1").identity
    different = [event("a", "e1"), event("a", "e2"), event("b", "e1"), event("a", "e1", version="v1")]
    assert len({one.identity for one in different}) == 4


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ("", "no objects"),
        ("[]", "no message about objects"),
        ("{}", "its keys are none"),
        ('{"a": 1}', "its keys are a"),
        (b"\xff\xfe\x00", "no objects"),
        (body(None), "no objects"),
        (body({"eventSource": "aws:kinesis"}), "aws:kinesis"),
        (body(s3_record("\0")), "no object can have"),
        (body(s3_record(eTag=None)), "without a version or ETag"),
        (body(s3_record(size=-1)), "size is -1"),
        (body({**s3_record(), "s3": {}}), "it lacks 'bucket'"),
        (json.dumps({"fanout_events": 2, "events": []}), "fanout_events is 2"),
        (json.dumps({"fanout_events": 1, "events": [{"root": "http://x", "key": "a"}]}), "expected a bucket"),
        ("x" * (LONGEST_BODY + 1), "has at most"),
        (json.dumps({"fanout_events": 1, "events": [{"root": "s3://b", "key": "a", "etag": "e"}] * (MOST_EVENTS + 1)}),
         "more than 10,000"),
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused(told: str | bytes, word: str) -> None:
    """With a sentence that says what was found."""
    with pytest.raises(EventError, match=word):
        read_events(told)


def test_messages_within_messages_end_somewhere() -> None:
    """However deep somebody nests them."""
    told = body(s3_record())
    for _ in range(8):
        told = json.dumps({"Type": "Notification", "Message": told})
    with pytest.raises(EventError, match="too deep"):
        read_events(told)


KEYS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=40).filter(
    lambda key: not key.endswith("/")
)


@given(KEYS, st.sampled_from([quote_plus, lambda key: quote_plus(key, safe="/"), lambda key: quote(key, safe="")]))
def test_every_key_comes_through(key: str, encode: Callable[[str], str]) -> None:
    """Whatever an object may be called, over S3, EventBridge and fanout's own messages."""
    record = s3_record()
    record["s3"]["object"]["key"] = encode(key)
    [one] = read_events(body(record))
    [two] = read_events(json.dumps(event_bridge(key)))
    assert one.key == two.key == key
    assert one.identity == two.identity
    assert read_events(to_body([one, two])) == [one, two]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["Records", "s3", "object", "key", "bucket", "name", "eventSource", "detail",
                                         "source", "detail-type", "Type", "Message", "fanout_events", "events"]),
                        inner | st.sampled_from(["aws:s3", "aws.s3", "Object Created", "Notification", 1]), max_size=4),
                    max_leaves=12))  # fmt: skip
def test_whatever_comes_is_events_or_an_error_of_ours(told: object) -> None:
    """Never another exception."""
    try:
        found = read_events(json.dumps(told))
    except EventError as exc:
        assert str(exc)
    else:
        assert all(isinstance(event, ObjectEvent) for event in found)
