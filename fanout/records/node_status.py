"""What each node of a step does just now, and since when: a soft record, written over every few seconds.

It decides nothing: results say what has ended, and losing a status only delays what people see. A node whose status has
not been written for a while is taken as dead, or as one that nobody hears of.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from fanout.errors import DamagedRecordError, StoreError
from fanout.records import fields as checked
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import list_changed, put, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore

WRITE_EVERY = 3.0
"""Seconds between two statuses of a node."""
ALIVE_FOR = 15.0
"""Seconds without a new status after which a node counts as gone: five that were not written."""
VERSION = 1


@dataclass(frozen=True, slots=True)
class Running:
    """A mini-batch that a slot works on, since `since` (epoch seconds of the node)."""

    process: str
    index: int
    attempt: int
    since: float


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node when its status was written, at `at` (epoch seconds of the node).

    `starting` slots are not ready yet; `waiting` mini-batches are here and wait for a slot. `done` and `failed` are its
    attempts so far. `left` says in a sentence why it does not work any more; None while it does.
    """

    node: int
    host: str
    pid: int
    started: float
    at: float
    slots: int
    starting: int = 0
    waiting: int = 0
    done: int = 0
    failed: int = 0
    running: tuple[Running, ...] = ()
    left: str | None = None

    def seconds(self, one: Running) -> float:
        """For how long `one` has been running, when the status was written."""
        return max(0.0, self.at - one.since)


@dataclass(frozen=True, slots=True)
class SeenNode:
    """A status as a reader found it, `age` seconds after it was written by the clock of the store."""

    status: NodeStatus
    age: float

    @property
    def alive(self) -> bool:
        """Whether it works, as far as anybody knows."""
        return self.status.left is None and self.age < ALIVE_FOR

    def seconds(self, one: Running) -> float:
        """For how long `one` has been running by now, if it has not ended since the status was written."""
        return self.status.seconds(one) + self.age


async def write_status(store: "ObjectStore", at: StepRound, status: NodeStatus) -> None:
    """The status takes the place of the one before."""
    await put(store, keys.node_status(at, status.node), json.dumps({"v": VERSION, **asdict(status)}).encode())


async def read_statuses(store: "ObjectStore", at: StepRound, now: float) -> tuple[SeenNode, ...]:
    """The nodes that have written a status, by number; what cannot be read is left out. `now` in epoch seconds."""
    changed = await list_changed(store, keys.node_statuses(at))
    bodies = await asyncio.gather(*(_read(store, key) for key in changed))
    found = (_seen(body, now - changed[key]) for key, body in zip(changed, bodies, strict=True))
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.status.node))


async def others_alive(store: "ObjectStore", at: StepRound, node: int) -> bool:
    """Whether another node than `node`, which writes its own status, has written one lately, by the store's clock."""
    changed = {_number(key): when for key, when in (await list_changed(store, keys.node_statuses(at))).items()}
    mine = changed.pop(node, max(changed.values(), default=0.0))
    return any(when > mine - ALIVE_FOR for when in changed.values())


async def _read(store: "ObjectStore", key: str) -> bytes | None:
    try:
        return await read(store, key)
    except StoreError:
        return None


def _seen(body: bytes | None, age: float) -> SeenNode | None:
    try:
        return None if body is None else SeenNode(load(body), max(0.0, age))
    except DamagedRecordError:
        return None


def _number(key: str) -> int:
    name = key.rpartition("/")[2]
    return int(name) if name.isdecimal() else -1


def load(body: bytes) -> NodeStatus:
    """The status in `body`; DamagedRecordError when it is anything else."""
    try:
        fields = dict(checked.parse(body))
        if fields.pop("v") != VERSION:
            raise ValueError("another version")
        running = tuple(_running(one) for one in fields.pop("running"))
        return replace(_checked(NodeStatus(**fields)), running=running)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DamagedRecordError(f"not the status of a node: {exc}") from exc


def _running(fields: Mapping[str, Any]) -> Running:
    index, attempt = checked.whole(fields["index"], "index"), checked.whole(fields["attempt"], "attempt")
    since = checked.seconds(fields["since"], "since")
    return Running(checked.text(fields["process"], "process"), index, attempt, since)


def _checked(status: NodeStatus) -> NodeStatus:
    for name in ("node", "pid", "slots", "starting", "waiting", "done", "failed"):
        checked.whole(getattr(status, name), name)
    checked.text(status.host, "host")
    for name in ("started", "at"):
        checked.seconds(getattr(status, name), name)
    if status.left is not None:
        checked.text(status.left, "left")
    return status


def indexes_running(seen: Sequence[SeenNode]) -> dict[int, float]:
    """Of each mini-batch that a living node works on, for how many seconds; of several tries of one, the longest."""
    longest: dict[int, float] = {}
    for node in seen:
        for one in node.status.running if node.alive else ():
            longest[one.index] = max(longest.get(one.index, 0.0), node.seconds(one))
    return longest
