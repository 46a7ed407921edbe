"""A retry goes to another node where there is one, a few times; alone, a node does not wait for others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from obstore.store import MemoryStore

from fanout.node.dispatch.retry_preference import KNOWN_FOR, MOST_PASSED_ON, PASS_DELAYS, Preference
from fanout.records.node_status import NodeStatus, write_status
from fanout.slot.lease import Lease
from fanout.storage.keys import StepRound

AT = StepRound("r", "s")


def _failed(lease: Lease, *nodes: int, passed_on: int = 0) -> Lease:
    lease.message = replace(lease.message, failed_on=nodes, passed_on=passed_on)
    return lease


async def _alive(store: MemoryStore, *nodes: int) -> None:
    for node in nodes:
        await write_status(store, AT, NodeStatus(node, "host", 1, 0.0, 0.0, 1))


async def test_what_failed_here_is_left_to_others(lease: Callable[..., Lease], manual_clock: Any) -> None:
    """Three times, longer each time; then it is tried here once more, since all others may be busy."""
    store = MemoryStore()
    await _alive(store, 2, 3)
    preference = Preference(2, AT, store, manual_clock)
    one = _failed(lease(0), 3, 2)
    delays = [await preference.deferral(one) for _ in range(MOST_PASSED_ON + 1)]
    assert delays == [*PASS_DELAYS, None]
    assert one.message.passed_on == MOST_PASSED_ON


async def test_what_failed_elsewhere_is_tried_here(lease: Callable[..., Lease], manual_clock: Any) -> None:
    """It is the node that failed last which leaves it to others."""
    store = MemoryStore()
    await _alive(store, 2, 3)
    assert await Preference(2, AT, store, manual_clock).deferral(_failed(lease(0), 2, 3)) is None


async def test_a_single_node_does_not_wait(lease: Callable[..., Lease], manual_clock: Any) -> None:
    """Others that come later are noticed."""
    store = MemoryStore()
    await _alive(store, 2)
    preference = Preference(2, AT, store, manual_clock)
    assert await preference.deferral(_failed(lease(0), 2)) is None
    await _alive(store, 2, 3)
    manual_clock.advance(KNOWN_FOR + 1)
    assert await preference.deferral(_failed(lease(0), 2)) == PASS_DELAYS[0]
