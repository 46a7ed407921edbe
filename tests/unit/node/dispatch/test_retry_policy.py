"""What becomes of an attempt: the table."""

import pytest

from fanout.node.dispatch.retry_policy import Decision, retry_decision
from fanout.results.codec import Cause, Failure, Status

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
    decision = retry_decision(FAILURE, attempt, max_retries, 0.5)
    assert decision.status is status
    assert (decision.retry_after is None) is (status is Status.FAILED)


def test_what_is_too_short_is_tried_again_and_then_kept() -> None:
    """Its last try counts as failed, and what it returned is in the output; of several items the bad ones are found."""
    short = Failure(Cause.SHORT_RETURN, "run() returned 1 element for 2 items")
    assert retry_decision(short, 0, 1, 0.5).status is Status.RETRIED
    assert retry_decision(short, 1, 1, 0.5) == Decision(Status.SHORT)
    assert retry_decision(short, 1, 1, 0.5, items=2).status is Status.SPLIT
    assert retry_decision(short, 1, 1, 0.5, items=1).status is Status.SHORT


@pytest.mark.parametrize("attempt", [0, 3])
def test_a_success_is_a_success_at_any_attempt(attempt: int) -> None:
    """However many tries it took."""
    assert retry_decision(None, attempt, 0, 0.9) == Decision(Status.SUCCEEDED)


@pytest.mark.parametrize(
    ("attempt", "items", "decision"),
    [
        (2, 2, Decision(Status.SPLIT, 0.0)),
        (5, 100, Decision(Status.SPLIT, 0.0)),
        (2, 1, Decision(Status.FAILED)),
        (2, 0, Decision(Status.FAILED)),
        (2, None, Decision(Status.FAILED)),
        (1, 2, retry_decision(FAILURE, 1, 2, 0.5)),
    ],
)
def test_what_has_several_items_is_split_at_the_end(attempt: int, items: int | None, decision: Decision) -> None:
    """After its last try, not before; its halves are sent at once. What is one item, or nobody knows, has failed."""
    assert retry_decision(FAILURE, attempt, 2, 0.5, items) == decision


def test_damage_and_success_are_never_split() -> None:
    """Halves of what is damaged are damaged."""
    assert retry_decision(Failure(Cause.DAMAGED, "no manifest"), 2, 2, 0.5, 8) == Decision(Status.FAILED)
    assert retry_decision(None, 2, 2, 0.5, 8) == Decision(Status.SUCCEEDED)
