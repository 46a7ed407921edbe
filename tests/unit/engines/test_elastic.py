"""How many nodes there should be, from the backlog and the pace."""

import pytest

from fanout.engines.elastic import Bounds, Pace, wanted_nodes

BOUNDS = Bounds(0, 50)
KNOWN = Pace(settled=60, node_seconds=60.0, seconds=60.0)
"""One mini-batch a second and node."""


@pytest.mark.parametrize(
    ("backlog", "there", "nodes"),
    [
        (0, 7, 0),  # nothing is left
        (1, 0, 1),
        (60, 1, 1),
        (61, 1, 2),
        (600, 1, 10),
        (60_000, 1, 50),  # no more than allowed
        (500, 10, 10),  # a little less to do ends no node
        (300, 10, 5),
    ],
)
def test_as_many_as_finish_in_a_minute(backlog: int, there: int, nodes: int) -> None:
    """At the pace so far, within the bounds."""
    assert wanted_nodes(backlog, KNOWN, there, BOUNDS) == nodes


def test_without_a_pace_their_number_doubles() -> None:
    """So that short mini-batches start few nodes, and long ones do not wait for the first to end."""
    seen = [wanted_nodes(1000, Pace(seconds=seconds), 1, BOUNDS) for seconds in (0.0, 15.0, 30.0, 45.0, 300.0, 1e6)]
    assert seen == [1, 2, 4, 8, 50, 50]


def test_never_more_nodes_than_mini_batches() -> None:
    """A node without a mini-batch is of no use, however slow they are."""
    slow = Pace(settled=1, node_seconds=3600.0, seconds=3600.0)
    assert wanted_nodes(3, slow, 1, BOUNDS) == 3


def test_a_fixed_number_stays() -> None:
    """Whatever is left."""
    assert wanted_nodes(0, Pace(), 4, Bounds(4, 4)) == wanted_nodes(999, KNOWN, 4, Bounds(4, 4)) == 4


def test_the_least_number_is_kept() -> None:
    """Also when there is nothing to do."""
    assert wanted_nodes(0, KNOWN, 9, Bounds(2, 9)) == wanted_nodes(1, KNOWN, 9, Bounds(2, 9)) == 2
