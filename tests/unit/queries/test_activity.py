"""What works on a step just now, for people and programs."""

from dataclasses import replace

import pytest
from obstore.store import MemoryStore

from fanout.cli.render.activity import activity_fields, activity_lines, activity_summary
from fanout.cli.render.node import NodeLines
from fanout.queries.activity import Activity, read_activity
from fanout.queues.base import Depth
from fanout.records.node_status import NodeStatus, Running, SeenNode, write_status
from fanout.results.fences import Fence, create_fence
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put

AT = StepRound("r", "s")
HANGS = Running("process000", 7, 1, 56.0)
WORKS = NodeStatus(0, "alpha", 17, started=1.0, at=100.0, slots=2, done=12, failed=1, running=(HANGS,))
ACTIVITY = Activity(
    joined=3,
    seen=(
        SeenNode(WORKS, 0.0),
        SeenNode(replace(WORKS, node=1, host="beta", failed=0, running=(), starting=2), 1.0),
        SeenNode(replace(WORKS, node=2, host="gamma"), 95.0),
        SeenNode(replace(WORKS, node=3, host="delta", left="was asked to leave"), 95.0),
    ),
    queue=Depth(1200, 9, 3),
    dead_letters=2,
)


def test_what_people_see() -> None:
    """Living nodes apart from dead ones; what runs, and since when; what waits."""
    assert list(activity_summary(ACTIVITY)) == ["2 nodes at work, 2 gone"]
    assert list(activity_lines(ACTIVITY)) == [
        "queue: 1,203 waiting, 9 with nodes, 2 dead letters",
        "node 0 (alpha): 12 done, 1 failed; mini-batch 7 for 44 s",
        "node 1 (beta): 12 done; 2 slots starting",
        "node 2 (gamma): gone: nothing was heard of it for 1 min 35 s",
        "node 3 (delta): was asked to leave",
    ]


def test_what_programs_see() -> None:
    """Names and numbers."""
    fields = activity_fields(ACTIVITY)
    assert (fields["alive_nodes"], fields["dead_letters"]) == (2, 2)
    assert fields["queue"] == {"visible": 1200, "held": 9, "delayed": 3}


@pytest.mark.parametrize(("joined", "said"), [(0, []), (1, ["1 node so far"])])
def test_nodes_of_before_say_nothing(joined: int, said: list[str]) -> None:
    """Of a run that an earlier version has begun."""
    assert list(activity_summary(Activity(joined))) == said


async def test_it_is_read_from_the_store() -> None:
    """Without a queue, when nobody knows of one."""
    store = MemoryStore()
    await put(store, keys.node(AT, 0), b"{}")
    await write_status(store, AT, WORKS)
    await create_fence(store, AT, Fence(1, "beta", "all 5 mini-batches failed"))
    found = await read_activity(store, None, AT, "memory:")
    assert (found.joined, len(found.seen), found.queue) == (1, 1, None)
    assert "node 1 (beta) is fenced: all 5 mini-batches failed; what failed on it does not count" in list(
        activity_lines(found)
    )


def test_what_a_node_says_in_its_terminal() -> None:
    """That it has joined, then what has changed, now and then; why it leaves."""
    lines = NodeLines()
    assert list(lines.of(WORKS)) == ["joined as node 0 (alpha, process 17) with 2 slots"]
    assert list(lines.of(replace(WORKS, at=103.0, done=14))) == []
    assert list(lines.of(replace(WORKS, at=111.0, done=15))) == ["15 done, 1 failed, mini-batch 7 runs for 55 s"]
    assert list(lines.of(replace(WORKS, at=125.0, done=15))) == []
    assert lines.left("the step is over") == "left: the step is over; 15 done, 1 failed"
