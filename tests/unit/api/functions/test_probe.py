"""How large automatic mini-batches are."""

import pytest

from fanout.api.functions.probe import LARGEST, size_for


@pytest.mark.parametrize(
    ("items", "seconds", "slots", "size"),
    [
        (100_000, 1e-6, 2, 12_500),  # four for each slot at least
        (10_000_000, 1e-6, 2, LARGEST),
        (100_000, 0.01, 2, 100),  # about a second
        (100, 0.01, 2, 13),
        (1000, 0.7, 2, 1),
        (1000, 5.0, 2, 1),
        (1000, None, 2, 1),  # longer than anybody waited
        (1, 0.001, 64, 1),
    ],
)
def test_a_mini_batch_takes_about_a_second(items: int, seconds: float | None, slots: int, size: int) -> None:
    """And all slots have some, to the end."""
    assert size_for(items, seconds, slots) == size
