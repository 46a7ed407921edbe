"""Pauses between tries: they grow, have a bound, and are spread."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout import backoff
from fanout.backoff import ATTEMPTS, QUEUE_POLLS, SERVERS, Backoff


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_back_off_grows_and_is_bounded(attempt: int, draw: float) -> None:
    """It never is zero, never longer than half a minute, and its middle never falls."""
    seconds = ATTEMPTS.pause(attempt, draw)
    assert 0 < seconds <= ATTEMPTS.longest == 30.0
    assert ATTEMPTS.pause(attempt, 0.5) <= ATTEMPTS.pause(attempt + 1, 0.5)


def test_the_back_off_is_spread() -> None:
    """Mini-batches that fail together do not come back together."""
    assert [ATTEMPTS.pause(2, draw) for draw in (0.0, 0.5)] == [0.5, 0.75]


def test_pauses_without_chance() -> None:
    """Twice as long each time, up to the longest."""
    assert list(islice(QUEUE_POLLS.pauses(), 6)) == [0.0005, 0.001, 0.002, 0.004, 0.005, 0.005]


def test_pauses_of_full_spread() -> None:
    """Anything up to the whole pause, and not always the same."""
    many = [list(islice(SERVERS.pauses(), 3)) for _ in range(50)]
    assert all(0 <= pause <= whole for found in many for pause, whole in zip(found, (0.1, 0.2, 0.4), strict=True))
    assert len({found[2] for found in many}) > 1


@pytest.mark.parametrize("name", [name for name in dir(backoff) if name.isupper()])
def test_each_back_off_is_one(name: str) -> None:
    """A first pause that is not zero, none longer than the longest, and a spread that is a part of it."""
    found = getattr(backoff, name)
    assert isinstance(found, Backoff)
    assert 0 < found.first <= found.longest
    assert 0 <= found.spread <= 1
