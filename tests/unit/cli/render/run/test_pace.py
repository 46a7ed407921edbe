import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.cli.render.run.pace import rate, seconds_left, smoothed

gaps = st.lists(st.tuples(st.floats(0.05, 30), st.integers(0, 50)), min_size=1, max_size=60)


def history(steps: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Samples from the time and the mini-batches between each and the next."""
    times = itertools.accumulate((seconds for seconds, _ in steps), initial=0.0)
    counts = itertools.accumulate((done for _, done in steps), initial=0)
    return list(zip(times, counts, strict=True))


@given(st.floats(0.01, 1000), st.integers(3, 200), st.integers(1, 100_000))
def test_an_even_pace_is_told_exactly(per_second: float, samples: int, left: int) -> None:
    """Whatever the pace is, as long as it does not change."""
    past = [(second, second * per_second) for second in range(samples)]
    told = seconds_left(past, left)  # type: ignore[arg-type] - a pace between whole numbers
    assert told == pytest.approx(left / per_second)


@given(gaps, st.integers(1, 1000))
def test_an_estimate_is_never_far_from_what_any_part_of_the_time_says(
    steps: Sequence[tuple[float, int]], left: int
) -> None:
    """There is one only while the pace is steady: then no third of the time looked back on says something else."""
    past = history(steps)
    told = seconds_left(past, left)
    if told is not None:
        pace = rate(past)
        assert pace is not None
        assert told == pytest.approx(left / pace)
        assert pace > 0


def test_a_pace_that_changes_gives_no_estimate() -> None:
    """Twelve mini-batches at once, then none for a while: neither says when the rest will be done."""
    assert seconds_left([(0.0, 0), (1.0, 12), (9.0, 12)], 100) is None
    assert seconds_left([(0.0, 0), (8.0, 1), (9.0, 12)], 100) is None
    assert seconds_left([(0.0, 5)], 100) is None
    assert seconds_left([(0.0, 0), (4.0, 4), (8.0, 8)], 0) is None


def test_long_mini_batches_get_a_long_look() -> None:
    """One a minute: fifteen seconds would hold none or one, and say now nothing, now far too much."""
    past = [(60.0 * minute, minute) for minute in range(1, 41)]
    assert seconds_left(past, 20) == pytest.approx(1200.0)


@given(st.floats(0, 1e5), st.floats(0, 100), st.floats(0, 1e5))
def test_a_shown_estimate_moves_towards_the_newer_one(shown: float, passed: float, newer: float) -> None:
    """Never beyond it, never away from it; and without time passing not at all."""
    expected = max(0.0, shown - passed)
    now = smoothed(shown, passed, newer)
    assert now is not None
    assert min(expected, newer) - 1e-6 <= now <= max(expected, newer) + 1e-6
    if passed == 0:
        assert now == pytest.approx(shown)


def test_the_first_estimate_and_none() -> None:
    """The first is shown as it is; where there is none any more, none is shown."""
    assert smoothed(None, 1.0, 50.0) == 50.0
    assert smoothed(50.0, 1.0, None) is None


def test_estimates_do_not_jump() -> None:
    """A pace that doubles and halves within seconds moves what is shown by a fraction of that."""
    shown = smoothed(600.0, 0.25, 150.0)
    assert shown is not None
    assert 580.0 < shown < 600.0
