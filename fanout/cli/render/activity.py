"""What works on a step just now, for people and for programs. Pure."""

from collections.abc import Iterator
from dataclasses import asdict

from fanout.formatting import duration, many, number, printable
from fanout.queries.activity import Activity
from fanout.records.node_status import SeenNode

MOST_NODES = 12
MOST_RUNNING = 4


def activity_summary(activity: Activity) -> Iterator[str]:
    """For the line of the step."""
    if activity.seen:
        gone = len(activity.seen) - len(activity.alive)
        yield f"{many(len(activity.alive), 'node')} at work" + (f", {number(gone)} gone" if gone else "")
    elif activity.joined:
        yield many(activity.joined, "node") + " so far"


def activity_lines(activity: Activity) -> Iterator[str]:
    """For the lines below it."""
    if activity.queue is not None:
        waiting = activity.queue.visible + activity.queue.delayed
        letters = f", {many(activity.dead_letters, 'dead letter')}" if activity.dead_letters else ""
        yield f"queue: {number(waiting)} waiting, {number(activity.queue.held)} with nodes{letters}"
    for node in activity.alive[:MOST_NODES]:
        yield printable(_node_line(node))
    if (more := len(activity.alive) - MOST_NODES) > 0:
        yield f"and {many(more, 'more node')}"
    yield from (printable(f"node {n.status.node} ({n.status.host}): {_gone(n)}") for n in activity.seen if not n.alive)
    yield from (printable(f"{fence}; what failed on it does not count") for fence in activity.fences)


def activity_fields(activity: Activity) -> dict[str, object]:
    """For programs."""
    return {
        "alive_nodes": len(activity.alive),
        "node_list": [{**asdict(n.status), "alive": n.alive, "age": round(n.age, 1)} for n in activity.seen],
        "fenced": [asdict(fence) for fence in activity.fences],
        "queue": None if activity.queue is None else asdict(activity.queue),
        "dead_letters": activity.dead_letters,
    }


def _node_line(node: SeenNode) -> str:
    status = node.status
    failed = f", {number(status.failed)} failed" if status.failed else ""
    running = sorted(status.running, key=lambda one: one.since)
    what = [f"mini-batch {one.index} for {duration(node.seconds(one))}" for one in running[:MOST_RUNNING]]
    if (more := len(running) - MOST_RUNNING) > 0:
        what.append(f"{number(more)} more")
    if status.starting:
        what.append(f"{many(status.starting, 'slot')} starting")
    return f"node {status.node} ({status.host}): {number(status.done)} done{failed}; {', '.join(what) or 'idle'}"


def _gone(node: SeenNode) -> str:
    return node.status.left or f"gone: nothing was heard of it for {duration(node.age)}"
