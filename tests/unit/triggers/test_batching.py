"""Which messages become a run when: at once, when there are enough, or when the first has waited."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fanout.pipeline.model import EventBatch
from fanout.queues.base import Delivery
from fanout.triggers.batching import PendingEvents, due, wait_for
from fanout.triggers.event import ObjectEvent

Make = Callable[..., ObjectEvent]
BATCH = EventBatch(objects=3, seconds=10)


def held(number: int, since: float = 0, keys: tuple[str, ...] | None = None) -> PendingEvents:
    events = tuple(ObjectEvent("s3://b", key, etag="1") for key in keys or (f"k{number}",))
    return PendingEvents(Delivery("", str(number), 1), events, since)


def test_without_batch_each_is_due_at_once() -> None:
    """A run each."""
    assert due([held(1), held(2)], None, 0) == [[held(1)], [held(2)]]
    assert wait_for([held(1)], None, 0, 5) == 5


def test_a_full_batch_is_due_and_the_rest_waits() -> None:
    """Until it is full too, or its first has waited."""
    many = [held(n) for n in range(5)]
    assert due(many, BATCH, 1) == [many[:3]]
    assert due(many[3:], BATCH, 9.9) == []
    assert due(many[3:], BATCH, 10) == [many[3:]]


def test_the_same_object_told_twice_counts_once() -> None:
    """Its messages go with one run."""
    twice = [held(1, keys=("a",)), held(2, keys=("a",)), held(3, keys=("b",))]
    assert due(twice, BATCH, 0) == []
    assert due([*twice, held(4, keys=("c",))], BATCH, 0) == [[*twice, held(4, keys=("c",))]]


def test_waiting_is_bounded() -> None:
    """By the first one's time, by `longest`, and by 0."""
    assert wait_for([], BATCH, 0, 5) == 5
    assert wait_for([held(1, since=0), held(2, since=3)], BATCH, 4, 20) == 6
    assert wait_for([held(1)], BATCH, 100, 20) == 0


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 5)), max_size=20), st.integers(1, 4))
def test_no_message_is_in_two_groups(messages: list[Any], objects: int) -> None:
    """Groups are in order, and hold at most so many objects unless one message has more."""
    many = [
        held(n, since, tuple(f"{n}-{i}" for i in range(count)))
        for n, (since, count) in enumerate(sorted(messages))
    ]  # fmt: skip
    groups = due(many, EventBatch(objects, 10), 20)
    assert [one for group in groups for one in group] == many[: sum(map(len, groups))]
    for group in groups:
        assert sum(len(one.events) for one in group) <= objects or len(group) == 1
    left = many[sum(map(len, groups)) :]
    assert all(20 - one.since < 10 for one in left[:1])
