"""What becomes of an attempt: the table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.node.decide import LONGEST_BACK_OFF, Decision, back_off, decide
from fanout.step.results import Cause, Failure, Status

FAILURE = Failure(Cause.EXCEPTION, "ValueError")


@pytest.mark.parametrize(
    ("attempt", "max_retries", "status"),
    [
        (0, 0, Status.FAILED),
        (0, 1, Status.RETRIED),
        (1, 1, Status.FAILED),
        (0, 2, Status.RETRIED),
        (1, 2, Status.RETRIED),
        (2, 2, Status.FAILED),
        (7, 2, Status.FAILED),
    ],
)
def test_a_failed_attempt(attempt: int, max_retries: int, status: Status) -> None:
    """User code is tried max_retries + 1 times (promise I6)."""
    decision = decide(FAILURE, attempt, max_retries, 0.5)
    assert decision.status is status
    assert (decision.retry_after is None) is (status is Status.FAILED)


@pytest.mark.parametrize("attempt", [0, 3])
def test_a_success_is_a_success_at_any_attempt(attempt: int) -> None:
    """However many tries it took."""
    assert decide(None, attempt, 0, 0.9) == Decision(Status.SUCCEEDED)


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_back_off_grows_and_is_bounded(attempt: int, draw: float) -> None:
    """It never is zero, never longer than half a minute, and its middle never falls."""
    seconds = back_off(attempt, draw)
    assert 0 < seconds <= LONGEST_BACK_OFF
    assert back_off(attempt, 0.5) <= back_off(attempt + 1, 0.5)


def test_the_back_off_is_spread() -> None:
    """Mini-batches that fail together do not come back together."""
    assert [back_off(2, draw) for draw in (0.0, 0.5)] == [0.5, 0.75]
