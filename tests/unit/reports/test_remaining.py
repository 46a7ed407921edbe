"""What a step that is taken up again does again, and why."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fanout.reports.remaining import NO_RESULT, Again, remaining
from fanout.results import codec
from fanout.results.codec import Cause, Entry, Failure, Status
from fanout.results.ledger import Ledger

RETRIED, FAILED = Status.RETRIED, Status.FAILED


def no(number: int) -> Failure:
    """A failure of the one kind."""
    return Failure(Cause.EXCEPTION, f"ValueError: file {number} is bad")


def test_each_that_runs_again_has_its_reason(ledger_of: Any, entry: Callable[..., Entry]) -> None:
    """Without a result, or failed so often with this; what succeeded or failed for good stays."""
    ledger = ledger_of(
        (0, 0, [entry(0), entry(1, status=FAILED, failure=no(1)), entry(4, status=RETRIED, failure=no(4))]),
        (1, 0, [entry(5, status=RETRIED, failure=no(5)), entry(6, status=RETRIED, failure=no(6))]),
        (1, 1, [entry(6, attempt=1, status=RETRIED, failure=Failure(Cause.TIME_LIMIT, "run() took\ntoo long"))]),
    )
    found = remaining(ledger, 10, max_retries=2)
    assert (found.done, found.total) == (2, 10)
    assert found.again == (
        Again(((2, 3), (7, 9)), NO_RESULT),
        Again(((4, 5),), "failed in attempt 1 of 3 (ValueError: file 4 is bad); tried again"),
        Again(((6, 6),), "failed in attempt 2 of 3 (run() took too long); tried again"),
    )
    assert [again.count for again in found.again] == [5, 2, 1]
    assert list(found.again[0].indexes()) == [2, 3, 7, 8, 9]


def test_planning_that_was_cut_off(ledger_of: Any, entry: Callable[..., Entry]) -> None:
    """Nobody knows how many are missing; what failed is told."""
    ledger = ledger_of((0, 0, [entry(0), entry(4, status=RETRIED, failure=no(4))]))
    found = remaining(ledger, None, max_retries=0)
    assert (found.done, found.total, [again.spans for again in found.again]) == (1, None, [((4, 4),)])


def test_nothing_is_left(ledger_of: Any, entry: Callable[..., Entry]) -> None:
    """Only the end was missing."""
    assert remaining(ledger_of((0, 0, [entry(0), entry(1)])), 2, 2).again == ()


@given(st.dictionaries(st.integers(0, 30), st.sampled_from(["done", "lost", "tried"]), max_size=30))
def test_every_mini_batch_is_done_or_told_once(fates: dict[int, str]) -> None:
    """Done ones and those of all groups make up the plan (promise I1)."""
    status = {"done": Status.SUCCEEDED, "lost": FAILED, "tried": RETRIED}
    entries = [
        Entry(i, 0, status[fate], 1, 0, "p", 0.0, 0.0, 0.0, failure=None if fate == "done" else no(i))
        for i, fate in fates.items()
    ]
    ledger = Ledger(31)
    ledger.absorb(0, 0, codec.decode_index(codec.encode(entries, [b""] * len(entries)), "k"))
    found = remaining(ledger, 31, max_retries=1)
    again = [index for group in found.again for index in group.indexes()]
    assert len(again) == len(set(again))
    settled = {i for i, fate in fates.items() if fate != "tried"}
    assert set(again) == set(range(31)) - settled
    assert found.done == len(settled)
