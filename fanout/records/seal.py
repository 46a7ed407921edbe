"""verdict.json: the commit point of a step. Created once; it says which results count, whatever is written later."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fanout.errors import DamagedRecordError
from fanout.records import fields as checked
from fanout.records import value_changes
from fanout.records.value_changes import Change
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Seal:
    """The verdict of a step, its counts, and which results count: so many objects of each node.

    What failed on the nodes in `fenced` counts for nothing.
    """

    verdict: Verdict
    counts: Counts
    objects: Mapping[int, int] = field(default_factory=dict)
    at: float = 0.0  # epoch seconds
    seconds: float = 0.0  # from the start of the step
    fenced: tuple[int, ...] = ()
    changes: tuple[Change, ...] = ()  # what the types of a table's columns have made of values
    version: int = 1

    def names(self, objects: Mapping[int, int], fenced: Collection[int]) -> bool:
        """Whether exactly these results count."""
        return self.objects == objects and set(self.fenced) == set(fenced)


async def seal(store: "ObjectStore", key: str, mine: Seal) -> Seal:
    """The seal that holds: `mine` when nobody was faster, else the one that is there."""
    if await create(store, key, _dump(mine)):
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


def _dump(mine: Seal) -> bytes:
    fields = asdict(mine)
    changed = [change.to_list() for change in mine.changes]
    objects = {str(k): v for k, v in mine.objects.items()}
    return json.dumps({**fields, "objects": objects, "changes": changed}, indent=1).encode()


def load_seal(body: bytes, key: str) -> Seal:
    """The seal in `body`; DamagedRecordError, naming `key`, when it is anything else."""
    try:
        fields = checked.parse(body)
        if fields["version"] != 1:
            raise ValueError(f"version {fields['version']}, this fanout reads version 1")
        return Seal(
            verdict=Verdict(VerdictStatus(fields["verdict"]["status"]), str(fields["verdict"]["reason"])),
            counts=Counts(**{name: _count(name, value) for name, value in fields["counts"].items()}),
            objects={int(node): checked.whole(count, "objects") for node, count in fields["objects"].items()},
            at=checked.seconds(fields["at"], "at"),
            seconds=checked.seconds(fields["seconds"], "seconds"),
            fenced=checked.numbers(fields.get("fenced", []), "fenced"),
            changes=tuple(map(value_changes.from_list, fields.get("changes", ()))),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DamagedRecordError(f"{key}: {exc}") from exc


def _count(name: str, value: object) -> Any:
    """Items and rows may be more than there are mini-batches; the total alone may be unknown."""
    return None if value is None and name == "total" else checked.whole(value, name, below=2**63)
