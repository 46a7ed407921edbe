"""Nodes that are fenced: what failed on them does not count, and their tries were no tries. Pure but for the records.

A fence is created once, for a node of a round; a seal names those that held when the step ended. With the same fences
the same results count, in whatever order they are read.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fanout.records import fields as checked
from fanout.records.codec import Record, Seconds, Text, Whole
from fanout.results.codec import Cause, Entry, Status
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, list_names, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_GIVEN_UP = frozenset({Status.FAILED, Status.SPLIT, Status.SHORT})


@dataclass(frozen=True, slots=True)
class Fences:
    """The fenced nodes of a round, and how often its step tries again."""

    nodes: frozenset[int] = frozenset()
    max_retries: int = 0

    def counted(self, node: int, failed: Entry) -> Entry | None:
        """The failure as if the tries on fenced nodes had not been; None when it was one of them.

        What was given up with tries left is to be tried again.
        """
        if node in self.nodes:
            return None
        void = sum(node in self.nodes for node in failed.failed_on)
        if not void:
            return failed
        attempt = max(0, failed.attempt - void)
        final = failed.status in _GIVEN_UP and failed.failure is not None and failed.failure.cause is not Cause.DAMAGED
        again = final and attempt < self.max_retries
        return replace(failed, attempt=attempt, status=Status.RETRIED if again else failed.status)


@dataclass(frozen=True, slots=True)
class Fence:
    """Why a node is fenced, for people; `first` is the first thing that failed on it."""

    node: Whole
    host: Text
    reason: Text
    first: str = ""
    at: Seconds = 0.0  # epoch seconds

    def __str__(self) -> str:
        return f"node {self.node} ({self.host}) is fenced: {self.reason}"


FENCES = Record(Fence, tag="v", indent=None)


async def create_fence(store: "ObjectStore", at: StepRound, mine: Fence) -> Fence:
    """The fence of the node that holds: `mine`, unless another supervisor was faster."""
    if await create(store, keys.fence(at, mine.node), FENCES.dump(mine)):
        return mine
    return await read_fence(store, at, mine.node) or mine


async def read_fence(store: "ObjectStore", at: StepRound, node: int) -> Fence | None:
    """Why the node is fenced; None when it is not."""
    key = keys.fence(at, node)
    body = await read(store, key)
    return None if body is None else FENCES.load(body, key)


async def fenced_nodes(store: "ObjectStore", at: StepRound) -> frozenset[int]:
    """The numbers of the nodes that are fenced."""
    return frozenset(int(name) for name in await list_names(store, keys.fences(at)) if name.isdecimal())


async def read_fences(store: "ObjectStore", at: StepRound) -> tuple[Fence, ...]:
    """All fences of a round, by node."""
    found = [await read_fence(store, at, node) for node in sorted(await fenced_nodes(store, at))]
    return tuple(fence for fence in found if fence is not None)


async def host_of(store: "ObjectStore", at: StepRound, node: int) -> str:
    """The machine on which the node said that it runs."""
    try:
        return checked.text(checked.parse(await read(store, keys.node(at, node)) or b"{}")["host"], "host")
    except (ValueError, KeyError, TypeError):
        return "unknown host"
