"""verdict.json: the commit point of a step. Created once; it says which results count, whatever is written later."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from fanout.records import value_changes
from fanout.records.codec import As, Record, Seconds, Whole
from fanout.records.value_changes import Change
from fanout.records.verdict import Counts, Verdict
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore


StoredChange = Annotated[Change, As(lambda values, _: value_changes.from_list(values), Change.to_list)]


@dataclass(frozen=True, slots=True)
class Seal:
    """The verdict of a step, its counts, and which results count: so many objects of each node.

    What failed on the nodes in `fenced` counts for nothing.
    """

    verdict: Verdict
    counts: Counts
    objects: Mapping[int, Whole] = field(default_factory=dict)
    at: Seconds = 0.0  # epoch seconds
    seconds: Seconds = 0.0  # from the start of the step
    fenced: tuple[Whole, ...] = ()
    changes: tuple[StoredChange, ...] = ()  # what the types of a table's columns have made of values
    version: Literal[1] = 1

    def names(self, objects: Mapping[int, int], fenced: Collection[int]) -> bool:
        """Whether exactly these results count."""
        return self.objects == objects and set(self.fenced) == set(fenced)


SEALS = Record(Seal)


async def seal(store: "ObjectStore", key: str, mine: Seal) -> Seal:
    """The seal in force: `mine` when there was none, else the existing one."""
    if await create(store, key, SEALS.dump(mine)):
        return mine
    there = await read_seal(store, key)
    assert there is not None  # noqa: S101 - seals are never deleted, and creating it has just failed
    return there


async def read_seal(store: "ObjectStore", key: str) -> Seal | None:
    """The seal at `key`, or None while there is none."""
    body = await read(store, key)
    return None if body is None else load_seal(body, key)


async def step_seal(store: "ObjectStore", at: StepRound) -> Seal | None:
    """The seal of a step, or None while it is not over."""
    return await read_seal(store, keys.verdict(at))


def load_seal(body: bytes, key: str) -> Seal:
    """The seal in `body`; DamagedRecordError, naming `key`, when it is anything else."""
    return SEALS.load(body, key)
