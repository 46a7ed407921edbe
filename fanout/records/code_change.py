"""code-001.json and following: the code of a run that is under way was replaced. Created once each, in order.

Nodes that start afterwards, commands and steps that begin afterwards use the new code; results of before stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from fanout.records.codec import Digest, Record, Seconds, Whole
from fanout.records.step import StepRecord
from fanout.storage import keys
from fanout.storage.objects import create, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_NAMES = 20
"""Changed files whose names are kept for each step."""


@dataclass(frozen=True, slots=True)
class CodeChange:
    """Snapshots (digests) by step that replace earlier ones, when (epoch seconds), and which files differ."""

    number: Whole
    at: Seconds
    code: Mapping[str, Digest]
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version: Literal[1] = 1


CODE_CHANGES = Record(CodeChange)


async def change_code(store: "ObjectStore", run: str, mine: CodeChange) -> bool:
    """Whether `mine` is change `mine.number` of the run from here on; False when another one was faster."""
    stored = replace(mine, files={step: names[:MOST_NAMES] for step, names in mine.files.items()})
    return await create(store, keys.code_change(run, mine.number), CODE_CHANGES.dump(stored))


async def code_changes(store: "ObjectStore", run: str, after: int = 0) -> tuple[CodeChange, ...]:
    """The changes of the run's code with a higher number than `after`, in order."""
    found: list[CodeChange] = []
    while (body := await read(store, key := keys.code_change(run, after + len(found) + 1))) is not None:
        found.append(CODE_CHANGES.load(body, key, number=after + len(found) + 1))
    return tuple(found)


async def with_code_of_now(store: "ObjectStore", record: StepRecord) -> StepRecord:
    """The record of a step with the code that its run has by now."""
    changes = await code_changes(store, record.run, record.code_changes)
    return replace(record, code=latest(record.code, record.step.name, changes))


def latest(code: str | None, step: str, changes: Sequence[CodeChange]) -> str | None:
    """The digest of the step's code after these changes, which was `code` before them."""
    for change in changes:
        code = change.code.get(step, code)
    return code
