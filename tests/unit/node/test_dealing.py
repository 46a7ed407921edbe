"""What a node's slots may hold of what it has: pure arithmetic of the end of a step."""

import pytest

from fanout.node.dealing import share_of


@pytest.mark.parametrize(
    ("mini_batches", "slots", "share"),
    [(0, 2, 1), (1, 2, 1), (4, 2, 1), (5, 2, 2), (80, 2, 20), (80, 1, 40), (7, 64, 1)],
)
def test_a_slot_holds_half_of_its_share_and_at_least_one(mini_batches: int, slots: int, share: int) -> None:
    """The other half waits for whoever is quicker."""
    assert share_of(mini_batches, slots) == share


@pytest.mark.parametrize("speeds", [(1, 1), (1, 3), (1, 1, 1, 3)])
def test_slots_end_together_however_quick_each_is(speeds: tuple[int, ...]) -> None:
    """Fed with their shares, of which each wants six at most, they end within two mini-batches of the slowest."""
    left, holds, ends, now = 200, [0] * len(speeds), [0.0] * len(speeds), 0
    while left or any(holds):
        share = share_of(left + sum(holds), len(holds))
        for slot in range(len(holds)):
            given = min(left, max(0, min(6, share) - holds[slot]))
            holds[slot], left = holds[slot] + given, left - given
        now += 1
        for slot, speed in enumerate(speeds):
            if holds[slot] and now % speed == 0:
                holds[slot], ends[slot] = holds[slot] - 1, now
    assert max(ends) - min(ends) <= 2 * max(speeds)
