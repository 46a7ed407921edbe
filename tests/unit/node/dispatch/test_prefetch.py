"""What a node keeps for its slots, and what each of them may hold of it."""

from dataclasses import dataclass

import pytest

from fanout.node.dispatch.prefetch import quota, receive_timeout, wanted
from fanout.slot.slot import wanted as how_many


@pytest.mark.parametrize(
    ("mini_batches", "slots", "share"),
    [(0, 2, 1), (1, 2, 1), (4, 2, 1), (5, 2, 2), (80, 2, 20), (80, 1, 40), (7, 64, 1)],
)
def test_a_slot_holds_half_of_its_share_and_at_least_one(mini_batches: int, slots: int, share: int) -> None:
    """The other half waits for whoever is quicker."""
    assert quota(mini_batches, slots) == share


@pytest.mark.parametrize("speeds", [(1, 1), (1, 3), (1, 1, 1, 3)])
def test_slots_end_together_however_quick_each_is(speeds: tuple[int, ...]) -> None:
    """Fed with their shares, of which each wants six at most, they end within two mini-batches of the slowest."""
    left, holds, ends, now = 200, [0] * len(speeds), [0.0] * len(speeds), 0
    while left or any(holds):
        share = quota(left + sum(holds), len(holds))
        for slot in range(len(holds)):
            given = min(left, max(0, min(6, share) - holds[slot]))
            holds[slot], left = holds[slot] + given, left - given
        now += 1
        for slot, speed in enumerate(speeds):
            if holds[slot] and now % speed == 0:
                holds[slot], ends[slot] = holds[slot] - 1, now
    assert max(ends) - min(ends) <= 2 * max(speeds)


@dataclass
class Seat:
    """What dealing looks at in a slot."""

    average: float | None
    busy: bool = True

    @property
    def wanted(self) -> int:
        return 1 if self.average is None else how_many(self.average)


@dataclass
class Far:
    """A queue, as far as it tells where it is."""

    depth_lag: float


@pytest.mark.parametrize(
    ("averages", "number"),
    [((None, None), 2), ((10.0, 10.0), 2), ((0.01, 0.01), 80), ((0.01, None), 80), ((0.0, 0.0), 1026)],
)
def test_how_many_wait_in_the_node(averages: tuple[float | None, ...], number: int) -> None:
    """As many as the slots want, and a while of work where mini-batches are short."""
    assert wanted([Seat(average) for average in averages]) == number  # type: ignore[misc]


@pytest.mark.parametrize(("lag", "busy", "waits"), [(0.0, True, False), (0.0, False, True), (5.0, True, True)])
def test_a_queue_of_this_machine_is_not_waited_at_while_there_is_work(lag: float, busy: bool, waits: bool) -> None:
    """One slot without work is reason enough to wait there; a queue that is far does the waiting itself."""
    assert (receive_timeout(Far(lag), [Seat(1.0), Seat(1.0, busy)]) > 0) is waits  # type: ignore[arg-type, list-item]
