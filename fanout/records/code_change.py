"""code-001.json and following: the code of a run that is under way was replaced. Created once each, in order.

Nodes that start afterwards, commands and steps that begin afterwards use the new code; results of before stay.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fanout.errors import DamagedRecordError
from fanout.records import fields as checked
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

    number: int
    at: float
    code: Mapping[str, str]
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version: int = 1


async def change_code(store: "ObjectStore", run: str, mine: CodeChange) -> bool:
    """Whether `mine` is change `mine.number` of the run from here on; False when another one was faster."""
    fields = {
        "version": mine.version,
        "number": mine.number,
        "at": mine.at,
        "code": dict(mine.code),
        "files": {step: list(names[:MOST_NAMES]) for step, names in mine.files.items()},
    }
    return await create(store, keys.code_change(run, mine.number), json.dumps(fields, indent=1).encode())


async def code_changes(store: "ObjectStore", run: str, after: int = 0) -> tuple[CodeChange, ...]:
    """The changes of the run's code with a higher number than `after`, in order."""
    found: list[CodeChange] = []
    while (body := await read(store, key := keys.code_change(run, after + len(found) + 1))) is not None:
        found.append(_load(body, key, after + len(found) + 1))
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


def _load(body: bytes, key: str, number: int) -> CodeChange:
    try:
        fields = checked.parse(body)
        if fields["version"] != 1 or fields["number"] != number:
            raise ValueError(f"version {fields['version']}, number {fields['number']}")
        return CodeChange(
            number,
            checked.seconds(fields["at"], "at"),
            {str(step): checked.digest(digest, "code") for step, digest in fields["code"].items()},
            {str(step): tuple(map(str, names)) for step, names in fields["files"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DamagedRecordError(f"{key}: {exc}") from exc
