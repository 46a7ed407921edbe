"""Stragglers: which mini-batches are tried a second time, and when."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.queues.base import Depth
from fanout.records.verdict import Counts
from fanout.results.codec import Cause, Entries, Entry, Failure, ResultIndex, Status
from fanout.supervision.stragglers import FACTOR, LEAST_AGE, SAMPLE, SETTLING, Durations, Stragglers, is_near_end

EMPTY = Depth(0, 2, 0)


def _index(*entries: Entry) -> ResultIndex:
    return ResultIndex(Entries.of(entries), (), 0)


def _entry(index: int, status: Status = Status.SUCCEEDED, seconds: float = 0.1, *, copy: bool = False) -> Entry:
    failure = None if status is Status.SUCCEEDED else Failure(Cause.EXCEPTION, "no")
    return Entry(index, 0, status, 2, 2, "p", 0.0, 0.0, seconds, failure=failure, copy=copy)


def _after(*seconds: float) -> Stragglers:
    """The tail of a step whose mini-batches took so long."""
    found = Stragglers()
    found.absorb(_index(*(_entry(n, seconds=s) for n, s in enumerate(seconds))), 0.0)
    return found


def test_what_is_held_far_longer_than_the_others_took() -> None:
    """Since the queue was first seen empty: not before the least age, then each once."""
    tail = _after(0.1, 0.1, 0.1)
    tail.look(EMPTY, 100.0, exact=True)
    assert tail.choose([7, 9], EMPTY, 100.0 + LEAST_AGE - 0.1, exact=True) == []
    assert tail.choose([7, 9], EMPTY, 100.0 + LEAST_AGE, exact=True) == [7, 9]
    assert tail.choose([7, 9, 11], EMPTY, 200.0, exact=True) == [11]


def test_long_mini_batches_get_longer() -> None:
    """A multiple of what the slowest tenth took: the last ones may just be the largest."""
    tail = _after(*[10.0] * 9, 20.0, 20.0)
    tail.look(EMPTY, 0.0, exact=True)
    assert tail.choose([1], EMPTY, 20.0 * FACTOR - 1, exact=True) == []
    assert tail.choose([1], EMPTY, 20.0 * FACTOR, exact=True) == [1]


def test_nothing_is_doubled_while_messages_wait() -> None:
    """Idle slots have something better to do; and nobody knows what is typical before anything has succeeded."""
    tail = _after(0.1)
    tail.look(Depth(3, 2, 0), 0.0, exact=True)
    assert tail.choose([1], EMPTY, 100.0, exact=True) == []
    tail.look(EMPTY, 0.0, exact=True)
    assert tail.choose([1], Depth(1, 2, 0), 100.0, exact=True) == []
    unknown = Stragglers()
    unknown.look(EMPTY, 0.0, exact=True)
    assert unknown.choose([1], EMPTY, 100.0, exact=True) == []


def test_what_was_sent_again_begins_anew() -> None:
    """A failed attempt is no long one: its next try is as old as its message, which may wait for its back-off."""
    tail = _after(0.1)
    tail.look(EMPTY, 0.0, exact=True)
    tail.absorb(_index(_entry(1, Status.RETRIED), _entry(2, Status.SPLIT), _entry(3, Status.RETRIED, copy=True)), 9.0)
    assert tail.choose([1, 2, 3, 4], EMPTY, 10.0, exact=True) == [3, 4]
    tail.look(Depth(0, 2, 1), 20.0, exact=True)
    assert tail.choose([1, 2], EMPTY, 20.0 + LEAST_AGE / 2, exact=True) == []
    assert tail.choose([1, 2], EMPTY, 20.0 + LEAST_AGE, exact=True) == [1, 2]


def test_estimates_are_trusted_after_a_while() -> None:
    """Where counts are estimates the queue must have looked empty for longer, without a break."""
    tail = _after(0.1)
    tail.look(EMPTY, 0.0, exact=False)
    tail.look(Depth(1, 2, 0), 4.0, exact=False)
    tail.look(EMPTY, 5.0, exact=False)
    assert tail.choose([1], EMPTY, 5.0 + LEAST_AGE, exact=False) == []
    assert tail.choose([1], EMPTY, 5.0 + LEAST_AGE + SETTLING, exact=False) == [1]


@pytest.mark.parametrize(
    ("total", "settled", "near"), [(None, 5, False), (10, 4, False), (10, 5, True), (10, 10, False), (2, 1, True)]
)
def test_the_end_is_near(total: int | None, settled: int, near: bool) -> None:
    """When half of all has come to an end, and not yet all."""
    assert is_near_end(Counts(total, succeeded=settled)) is near


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_the_slowest_tenth(seconds: list[float]) -> None:
    """At most a tenth of the attempts took longer, and one of them took that long."""
    durations = Durations()
    assert durations.slowest_tenth is None
    for one in seconds:
        durations.add(one)
    found = durations.slowest_tenth
    assert found is not None
    assert found in seconds
    assert sum(one > found for one in seconds) <= len(seconds) / 10


def test_the_sample_is_even_and_bounded() -> None:
    """Of many durations a few hundred are kept, early and late ones alike."""
    durations, draw = Durations(), random.Random(5)  # noqa: S311 - a test
    for _ in range(20 * SAMPLE):
        durations.add(draw.random())
    assert len(durations._kept) == SAMPLE
    assert durations.slowest_tenth == pytest.approx(0.9, abs=0.06)
