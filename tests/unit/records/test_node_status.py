"""What each node does: written over, read with its age, never in the way of anything."""

from dataclasses import replace

import pytest
from obstore.store import MemoryStore

from fanout.errors import DamagedRecordError
from fanout.records.node_status import (
    ALIVE_FOR,
    STATUSES,
    NodeStatus,
    Running,
    SeenNode,
    indexes_running,
    others_alive,
    read_statuses,
    write_status,
)
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import list_changed, put

AT = StepRound("r", "s")
STATUS = NodeStatus(
    3, "host", 17, started=90.0, at=100.0, slots=2, done=5, running=(Running("process000", 7, 1, 60.0),)
)


async def test_a_status_is_read_as_it_was_written() -> None:
    """The newest one, with its age by the clock of the store."""
    store = MemoryStore()
    await write_status(store, AT, replace(STATUS, done=4))
    await write_status(store, AT, STATUS)
    [written] = (await list_changed(store, keys.node_statuses(AT))).values()
    [seen] = await read_statuses(store, AT, written + 4)
    assert seen.status == STATUS
    assert seen.age == pytest.approx(4)
    assert seen.alive
    assert seen.seconds(STATUS.running[0]) == pytest.approx(44)


async def test_there_need_be_none() -> None:
    """A run of before has none."""
    assert await read_statuses(MemoryStore(), AT, 0.0) == ()


async def test_what_cannot_be_read_is_left_out() -> None:
    """A status decides nothing, so a damaged one is no error."""
    store = MemoryStore()
    await write_status(store, AT, STATUS)
    await put(store, keys.node_status(AT, 1), b"{")
    await put(store, f"{keys.node_statuses(AT)}strange", b'{"v": 1}')
    assert [seen.status.node for seen in await read_statuses(store, AT, 0.0)] == [3]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"v":2}', b'{"v":1,"running":[],"node":"x"}', b'{"v":1,"running":[{}]}']
)
def test_damaged_statuses(body: bytes) -> None:
    """One kind of error, whatever is wrong."""
    with pytest.raises(DamagedRecordError):
        STATUSES.load(body, "node-status/000")


def test_who_is_alive() -> None:
    """One that has written lately and has not left."""
    assert SeenNode(STATUS, ALIVE_FOR - 1).alive
    assert not SeenNode(STATUS, ALIVE_FOR + 1).alive
    assert not SeenNode(replace(STATUS, left="was asked to leave"), 0.0).alive


def test_what_runs_is_told_of_living_nodes() -> None:
    """Of two tries of one mini-batch the longer one counts."""
    other = replace(STATUS, node=4, running=(Running("process001", 7, 0, 95.0), Running("process002", 9, 0, 99.0)))
    gone = replace(STATUS, node=5, running=(Running("process000", 11, 0, 1.0),))
    seen = [SeenNode(STATUS, 0.0), SeenNode(other, 1.0), SeenNode(gone, 60.0)]
    assert indexes_running(seen) == {7: 40.0, 9: 2.0}


async def test_whether_others_are_alive() -> None:
    """Those that have written since the node itself did, give or take a few seconds."""
    store = MemoryStore()
    assert not await others_alive(store, AT, 3)
    await write_status(store, AT, STATUS)
    assert not await others_alive(store, AT, 3)
    await write_status(store, AT, replace(STATUS, node=4))
    assert await others_alive(store, AT, 3)
    assert await others_alive(store, AT, 5)
