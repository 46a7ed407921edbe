"""What goes into one SQS request, and under which name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import QueueError
from fanout.queues.sqs_batches import BATCH_BYTES, BATCH_COUNT, receipt_batches, send_batches, sqs_name


@given(st.lists(st.integers(1, 120_000), max_size=40))
def test_batches_hold_everything_within_the_limits(sizes: list[int]) -> None:
    """Every body once, in order, never more than ten nor than 256 KiB in a batch."""
    bodies = [chr(97 + place % 26) * size for place, size in enumerate(sizes)]
    batches = list(send_batches(bodies, 7))
    entries = [entry for batch in batches for entry in batch]
    assert [entry["MessageBody"] for entry in entries] == bodies
    assert [entry["Id"] for entry in entries] == [str(place) for place in range(len(bodies))]
    for batch in batches:
        assert 1 <= len(batch) <= BATCH_COUNT
        assert sum(len(str(entry["MessageBody"])) for entry in batch) <= BATCH_BYTES


def test_size_counts_bytes() -> None:
    """Two bodies of 100,000 letters are three bytes a letter, and do not fit together."""
    assert [len(batch) for batch in send_batches(["€" * 80_000, "€" * 80_000], 0)] == [1, 1]


def test_body_for_no_request() -> None:
    """What SQS would refuse is refused at once, with the limit."""
    with pytest.raises(QueueError, match="300,000 bytes is too large for SQS: at most 262,144"):
        list(send_batches(["x" * 300_000], 0))


def test_receipts_keep_their_places() -> None:
    """An answer about an entry says which of all the deliveries it means."""
    batches = list(receipt_batches([f"r{number}" for number in range(23)], VisibilityTimeout=30))
    assert [len(batch) for batch in batches] == [10, 10, 3]
    assert batches[2][0] == {"Id": "20", "ReceiptHandle": "r20", "VisibilityTimeout": 30}


@given(st.text(max_size=200))
def test_names_fit_sqs(name: str) -> None:
    """Whatever the name, the queue's is legal, with room for the dead-letter queue's suffix, and always the same."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,75}", sqs_name(name))
    assert sqs_name(name) == sqs_name(name)


def test_names_stay_distinct() -> None:
    """Shortening never makes two names one; a name that is fine stays as it is."""
    assert sqs_name("run-1_a") == "run-1_a"
    names = ["x" * 76, "x" * 77, "a.b", "a-b", "a/b", ""]
    assert len({sqs_name(name) for name in names}) == len(names)
