"""Which events the planner is started with, and what an invocation by hand may ask for."""

from typing import Any

import pytest

from fanout.errors import InputError
from handlers.planner import _asked, is_arrival, is_from_sqs


@pytest.mark.parametrize(
    ("event", "from_sqs", "arrival"),
    [
        ({}, False, False),
        (None, False, False),
        ({"run": "monday"}, False, False),
        ({"Records": [{"eventSource": "aws:sqs"}]}, True, True),
        ({"Records": [{"eventSource": "aws:s3"}]}, False, True),
        ({"Records": []}, False, True),
        ({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}, False, True),
    ],
)
def test_kinds_of_events(event: Any, from_sqs: bool, arrival: bool) -> None:
    """A batch of a queue, an event that tells of objects itself, or neither."""
    assert (is_from_sqs(event), is_arrival(event)) == (from_sqs, arrival)


def test_by_hand() -> None:
    """Everything may be left out."""
    assert _asked({}) == ({}, None)
    assert _asked({"inputs": {"images": "s3://b/k"}, "run": "r"}) == ({"images": "s3://b/k"}, "r")


@pytest.mark.parametrize("event", [None, "r", {"inputs": []}, {"inputs": {"a": 1}}, {"run": 1}, {"name": "r"}])
def test_anything_else_is_refused(event: Any) -> None:
    """The error says what is expected."""
    with pytest.raises(InputError, match="expected"):
        _asked(event)
