"""The verdict: the decision table of the reference, section 10, and the edges of every threshold."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.pipeline.model import Thresholds
from fanout.records.verdict import NOTHING_SUCCEEDED, Counts, Verdict, VerdictStatus, exceeded, judge

COMPLETED, FAILED = VerdictStatus.COMPLETED, VerdictStatus.FAILED


def _ended(
    total: int, failed: int = 0, items: int | None = None, items_failed: int = 0, rows: int = 1, retried: int = 0
) -> Counts:
    """The counts of a step in which everything has ended."""
    whole = total if items is None else items
    return Counts(
        total=total,
        succeeded=total - failed,
        failed=failed,
        retried=retried,
        items=whole,
        items_succeeded=whole - items_failed,
        items_failed=items_failed,
        rows=rows,
    )


ALL_EMPTY = _ended(99, items=990, items_failed=990, rows=0)
WORKED_CASES = [
    ("all return [], as example 1a", ALL_EMPTY, Thresholds(-1, 5, 100), False, COMPLETED),
    ("all return [], with append_row", ALL_EMPTY, Thresholds(-1, 5, 100), True, FAILED),
    ("all return [], items counted", ALL_EMPTY, Thresholds(5, -1, 100), False, FAILED),
    ("all return [], items counted, append_row", ALL_EMPTY, Thresholds(5, -1, 100), True, FAILED),
    ("5 of 9 raise", _ended(9, 5, 9, 5, rows=4), Thresholds(-1, 5, 100), True, COMPLETED),
    ("6 of 9 raise", _ended(9, 6, 9, 6, rows=3), Thresholds(-1, 5, 100), True, FAILED),
    ("6 of 9 raise, summary_only", _ended(9, 6, 9, 6, rows=0), Thresholds(-1, 5, 100), False, FAILED),
    ("3 of 9 raise, all three thresholds", _ended(9, 3, 81, 27, rows=54), Thresholds(5, 5, 30), True, FAILED),
    ("3 of 9 raise, only the percentage", _ended(9, 3, 81, 27, rows=54), Thresholds(-1, 5, 30), True, FAILED),
    ("raises once, then succeeds", _ended(9, retried=9), Thresholds(0, 0, 0), True, COMPLETED),
    ("more rows than items", _ended(9, items=9, rows=500), Thresholds(0, 0, 0), True, COMPLETED),
    ("returns None", _ended(9, 1, 9, 1, rows=8), Thresholds(-1, 0, 100), True, FAILED),
    ("every run() raises, defaults", _ended(9, 9, 9, 9, rows=0), Thresholds(), False, COMPLETED),
    ("every run() raises, defaults, append_row", _ended(9, 9, 9, 9, rows=0), Thresholds(), True, FAILED),
]


@pytest.mark.parametrize(
    ("counts", "thresholds", "append_row", "expected"),
    [case[1:] for case in WORKED_CASES],
    ids=[case[0] for case in WORKED_CASES],
)
def test_worked_cases(counts: Counts, thresholds: Thresholds, append_row: bool, expected: VerdictStatus) -> None:
    """Each worked case of the reference ends as it says."""
    verdict = judge(counts, thresholds, append_row=append_row)
    assert verdict is not None
    assert verdict.status is expected


@pytest.mark.parametrize(
    ("threshold", "failed", "holds"),
    [(-1, 0, True), (-1, 10, True), (0, 0, True), (0, 1, False), (4, 4, True), (4, 5, False), (5, 4, True)],
)
def test_edges_of_the_counted_thresholds(threshold: int, failed: int, holds: bool) -> None:
    """A threshold allows exactly as many as it says; -1 allows any number."""
    items = Thresholds(error_threshold=threshold)
    batches = Thresholds(mini_batch_error_threshold=threshold)
    assert (exceeded(_ended(10, items=10, items_failed=failed), items) is None) is holds
    assert (exceeded(_ended(10, failed), batches) is None) is holds


@pytest.mark.parametrize(
    ("percent", "failed", "total", "holds"),
    [
        (0, 0, 3, True),
        (0, 1, 3, False),
        (33.3, 1, 3, False),
        (33.4, 1, 3, True),
        (50, 1, 2, True),
        (99.9, 3, 3, False),
        (100, 3, 3, True),
    ],
)
def test_edges_of_the_percentage(percent: float, failed: int, total: int, holds: bool) -> None:
    """allowed_failed_percent is compared strictly, and 100 allows everything."""
    thresholds = Thresholds(allowed_failed_percent=percent)
    assert (exceeded(_ended(total, failed), thresholds) is None) is holds


def test_the_percentage_waits_for_the_total() -> None:
    """While mini-batches are still being planned nobody knows what a percentage is of."""
    counts = Counts(total=None, failed=50, items=50, items_failed=50)
    assert exceeded(counts, Thresholds(allowed_failed_percent=1)) is None
    assert exceeded(replace(counts, total=60), Thresholds(allowed_failed_percent=1)) is not None


def test_a_dead_letter_counts_as_a_failed_mini_batch() -> None:
    """Mini-batches whose nodes vanished are lost like those whose tries are used up."""
    counts = Counts(total=4, succeeded=2, failed=1, dead_lettered=1, items=4, items_succeeded=2, items_failed=2, rows=2)
    verdict = judge(counts, Thresholds(mini_batch_error_threshold=1), append_row=False)
    assert verdict == Verdict(FAILED, "failed mini-batches: 2, more than mini_batch_error_threshold 1 allows")


def test_an_exceeded_threshold_ends_the_step_early() -> None:
    """Failed as soon as a threshold is exceeded, whatever is still to do; before that, no verdict."""
    counts = Counts(total=100, succeeded=1, failed=3, items=4, items_failed=3)
    assert judge(counts, Thresholds(mini_batch_error_threshold=3), append_row=True) is None
    verdict = judge(counts, Thresholds(mini_batch_error_threshold=2), append_row=True)
    assert verdict is not None
    assert verdict.status is FAILED


@pytest.mark.parametrize("append_row", [False, True])
def test_an_empty_plan_completes(append_row: bool) -> None:
    """No mini-batches at all is no failure: nothing was asked for, nothing is missing."""
    verdict = judge(Counts(total=0), Thresholds(0, 0, 0), append_row=append_row)
    assert verdict is not None
    assert verdict.completed
    assert verdict.reason == "there was nothing to do: the input has no rows"


def test_unfinished_work_has_no_verdict() -> None:
    """Neither an unknown total nor an open mini-batch lets a step complete."""
    assert judge(Counts(total=None, succeeded=5), Thresholds(), append_row=False) is None
    assert judge(Counts(total=6, succeeded=5), Thresholds(), append_row=False) is None


def test_reasons_say_what_happened() -> None:
    """Every verdict carries a sentence: what succeeded, what failed, which threshold, and what to return."""
    tolerated = judge(_ended(9, 2, 90, 25, rows=65), Thresholds(), append_row=True)
    assert tolerated is not None
    assert tolerated.reason == (
        "2 of 9 mini-batches failed and 25 of 90 items failed (allowed by mini_batch_error_threshold -1, "
        "allowed_failed_percent 100, error_threshold -1)"
    )
    nothing = judge(ALL_EMPTY, Thresholds(), append_row=True)
    assert nothing == Verdict(FAILED, NOTHING_SUCCEEDED)
    for total, reason in ((9, "all 9 mini-batches failed"), (1, "the only mini-batch failed")):
        hopeless = judge(Counts(total, failed=total), Thresholds(), append_row=True)
        assert hopeless is not None
        assert hopeless.reason == reason
    percent = judge(_ended(3, 1), Thresholds(allowed_failed_percent=10), append_row=False)
    assert percent is not None
    assert percent.reason == "failed mini-batches: 1 of 3, 33.3 %, more than allowed_failed_percent 10 allows"


small = st.integers(0, 20)
thresholds_strategy = st.builds(
    Thresholds,
    error_threshold=st.integers(-1, 25),
    mini_batch_error_threshold=st.integers(-1, 25),
    allowed_failed_percent=st.floats(0, 100),
)


@given(succeeded=small, failed=small, more=small, items=small, thresholds=thresholds_strategy)
def test_more_failures_never_better_a_verdict(
    succeeded: int, failed: int, more: int, items: int, thresholds: Thresholds
) -> None:
    """What exceeds a threshold still exceeds it when even more has failed (of the same plan)."""
    total = succeeded + failed + more
    few = Counts(total=total, succeeded=succeeded, failed=failed, items=99, items_failed=items)
    many = replace(few, failed=failed + more, items_failed=items + more)
    if exceeded(few, thresholds) is not None:
        assert exceeded(many, thresholds) is not None


@given(succeeded=small, failed=small, open_=small, rows=small, thresholds=thresholds_strategy, append_row=st.booleans())
def test_the_verdict_is_a_function_of_its_arguments(
    succeeded: int, failed: int, open_: int, rows: int, thresholds: Thresholds, append_row: bool
) -> None:
    """Equal counts give equal verdicts, and a verdict of Completed needs everything settled (promise I3)."""
    counts = Counts(total=succeeded + failed + open_, succeeded=succeeded, failed=failed, rows=rows)
    first = judge(counts, thresholds, append_row=append_row)
    assert first == judge(replace(counts), replace(thresholds), append_row=append_row)
    if first is not None and first.completed:
        assert open_ == 0
    if first is None:
        assert open_ > 0
