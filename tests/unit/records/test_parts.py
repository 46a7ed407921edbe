"""Parts of mini-batches: halves cover the whole, and records tell nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.records.parts import ItemRange, read_part

parts = st.builds(lambda start, items: ItemRange(start, start + items), st.integers(0, 1000), st.integers(1, 1000))


@given(parts)
def test_halves_are_the_whole_of_a_part(part: ItemRange) -> None:
    """They follow each other, have something in them, and differ by one item at most."""
    if part.items == 1:
        with pytest.raises(ValueError, match="cannot be split"):
            _ = part.halves
        return
    first, second = part.halves
    assert (first.start, first.stop, second.stop) == (part.start, second.start, part.stop)
    assert 0 <= second.items - first.items <= 1
    assert first.items > 0


def test_a_part_as_people_read_it() -> None:
    """Counted from 0, as mini-batches are."""
    assert [str(ItemRange(3, 4)), str(ItemRange(4, 8))] == ["item 3", "items 4 to 7"]


@pytest.mark.parametrize("value", [None, 3, "ab", [1], [1, 1], [2, 1], [-1, 1], [0, 1.0], [0, True], [0, 1, 2], {}])
def test_what_is_no_part_is_refused(value: object) -> None:
    """Two whole numbers with something between them, or ValueError."""
    with pytest.raises(ValueError, match=r"part|expected"):
        read_part(value)


@given(parts)
def test_a_record_is_read_back(part: ItemRange) -> None:
    """As it was written."""
    assert read_part([part.start, part.stop]) == part
