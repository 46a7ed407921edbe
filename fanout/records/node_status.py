"""What each node of a step does just now, and since when: a soft record, written over every few seconds.

It decides nothing: results say what has ended, and losing a status only delays what people see. A node whose status has
not been written for a while counts as dead.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.errors import DamagedRecordError, StoreError
from fanout.records.codec import Record, Seconds, Text, Whole
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import list_changed, put, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore

WRITE_EVERY = 3.0
"""Seconds between two statuses of a node."""
ALIVE_FOR = 15.0
"""Seconds without a new status after which a node counts as gone: five that were not written."""


@dataclass(frozen=True, slots=True)
class Running:
    """A mini-batch that a slot works on, since `since` (epoch seconds of the node)."""

    process: Text
    index: Whole
    attempt: Whole
    since: Seconds


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node when its status was written, at `at` (epoch seconds of the node).

    `starting` slots are not ready yet; `waiting` mini-batches are here and wait for a slot. `done` and `failed` are its
    attempts so far. `left` says in a sentence why it does not work any more; None while it does.
    """

    node: Whole
    host: Text
    pid: Whole
    started: Seconds
    at: Seconds
    slots: Whole
    starting: Whole = 0
    waiting: Whole = 0
    done: Whole = 0
    failed: Whole = 0
    running: tuple[Running, ...] = ()
    left: Text | None = None

    def seconds(self, one: Running) -> float:
        """For how long `one` has been running, when the status was written."""
        return max(0.0, self.at - one.since)


STATUSES = Record(NodeStatus, tag="v", indent=None, refused="not the status of a node: ")


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
    await put(store, keys.node_status(at, status.node), STATUSES.dump(status))


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
        return None if body is None else SeenNode(STATUSES.load(body, "node-status"), max(0.0, age))
    except DamagedRecordError:
        return None


def _number(key: str) -> int:
    name = key.rpartition("/")[2]
    return int(name) if name.isdecimal() else -1


def indexes_running(seen: Sequence[SeenNode]) -> dict[int, float]:
    """Of each mini-batch that a living node works on, for how many seconds; of several tries of one, the longest."""
    longest: dict[int, float] = {}
    for node in seen:
        for one in node.status.running if node.alive else ():
            longest[one.index] = max(longest.get(one.index, 0.0), node.seconds(one))
    return longest
