"""What SQS hands to a function, and what is answered."""

from typing import Any

import pytest

from fanout.errors import DamagedRecordError
from fanout.queues.base import Delivery
from handlers.sqs_event import read_batch


def _record(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "messageId": f"m{number}",
        "receiptHandle": f"r{number}",
        "body": f"body {number}",
        "attributes": {"ApproximateReceiveCount": str(number), "SentTimestamp": "1700000000000"},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q",
        **changed,
    }


def test_deliveries_with_their_counts() -> None:
    """In the order of the event."""
    batch = read_batch({"Records": [_record(1), _record(3)]})
    assert batch.deliveries == (Delivery("body 1", "r1", 1), Delivery("body 3", "r3", 3))


def test_only_what_failed_is_named() -> None:
    """By its message id; everything, and nothing."""
    batch = read_batch({"Records": [_record(1), _record(2)]})
    assert batch.answer([]) == {"batchItemFailures": []}
    assert batch.answer(batch.deliveries[1:]) == {"batchItemFailures": [{"itemIdentifier": "m2"}]}


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"Records": [{"eventSource": "aws:s3"}]},
        {"Records": [_record(1, eventSource="aws:sns")]},
        {"Records": [_record(1, attributes={})]},
        {"Records": [_record(1, attributes={"ApproximateReceiveCount": "many"})]},
    ],
)
def test_other_events_are_refused(event: Any) -> None:
    """None of their messages would be answered for."""
    with pytest.raises(DamagedRecordError, match="not that of an SQS queue"):
        read_batch(event)
