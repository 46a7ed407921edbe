"""On which nodes attempts failed: said where one stands out, or is fenced."""

import pytest
from obstore.store import MemoryStore

from fanout.reports.failing_nodes import FailingNodes, failing_nodes
from fanout.results.fences import Fence, create_fence
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put

AT = StepRound("r", "s")


@pytest.mark.parametrize(
    ("failed", "nodes", "node"),
    [
        ({2: 93}, 3, 2),
        ({2: 93}, 1, None),  # there is no other node
        ({2: 2}, 3, None),  # too few to stand out
        ({1: 2, 2: 91}, 3, 2),
        ({1: 40, 2: 53}, 3, None),
        ({}, 3, None),
    ],
)
def test_which_node_stands_out(failed: dict[int, int], nodes: int, node: int | None) -> None:
    """One that nearly all failures were on, of several nodes."""
    assert FailingNodes(failed, nodes).outstanding == node


async def test_what_is_said_of_nodes() -> None:
    """With the machine; what failed on a fenced node is no part of the others' share."""
    store = MemoryStore()
    await put(store, keys.node(AT, 2), b'{"host": "gamma"}')
    await create_fence(store, AT, Fence(1, "beta", "all 5 mini-batches failed", "OSError: no\nspace", 1.0))
    found = await failing_nodes(store, AT, {1: 43, 2: 7}, 3)
    fenced, standing_out = found.lines()
    assert fenced.startswith("node 1 (beta) is fenced: all 5 mini-batches failed; 43 attempts that failed on it count ")
    assert fenced.endswith("neither as failures nor as tries; the first: OSError: no space")
    assert standing_out == "all 7 failed attempts were on node 2 (gamma)"
    assert found.fields()["failed_by_node"] == {"1": 43, "2": 7}
    assert found.fields()["outstanding_node"] == 2


async def test_where_nothing_failed_nothing_is_asked() -> None:
    """Not even the store."""
    assert list((await failing_nodes(MemoryStore(), AT, {}, 3)).lines()) == []
