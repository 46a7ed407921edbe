"""Mini-batch indexes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import RunError
from fanout.planning.index_ranges import MOST, parse, ranges


@given(st.sets(st.integers(0, 60), min_size=1))
def test_what_is_written_can_be_read(indexes: set[int]) -> None:
    """As long as nothing is left out, the text says exactly which."""
    text = ranges(sorted(indexes))
    if "more" not in text:
        assert parse(text.split(", ")) == tuple(sorted(indexes))
    else:
        assert text.count(",") == MOST - 1


@pytest.mark.parametrize(
    ("indexes", "text"),
    [
        ([], ""),
        ([0], "0"),
        ([3, 7, 8, 9], "3, 7-9"),
        (range(0, 60, 2), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22 and 18 more"),
    ],
)
def test_ranges_are_short(indexes: list[int], text: str) -> None:
    """Neighbours are joined; a long list is counted."""
    assert ranges(indexes) == text


@pytest.mark.parametrize("text", ["", "x", "-1", "3-", "9-7", "1-2-3", "٣", "1.5", "99999999999", "3, 4"])
def test_what_is_no_index_is_refused(text: str) -> None:
    """Nothing is guessed about what somebody may have meant."""
    with pytest.raises(RunError, match="is not the number of a mini-batch"):
        parse([text])


def test_ranges_may_overlap() -> None:
    """Each mini-batch counts once."""
    assert parse(["3", "2-4", "3"]) == (2, 3, 4)
