"""Taking over what a step of an earlier run made, when it was made from the same (reference, section 1).

The same is: code, settings, inputs and software, as far as fanout can see them. Each step that completed without a
failure is noted under the digest of all that, with the identity of its outputs; it is taken over when they still are
as they were. Only for pipelines that say `force_rerun`, true or false: what a script reads besides (the environment of
the shell, the time, a web page) is not known
here, and a command that is typed is carried out unless the file says otherwise.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from fanout.config.settings import Settings, resolve_datastore
from fanout.environments import installed
from fanout.errors import DamagedRecordError, InputError, StoreError
from fanout.pipeline.model import DataInput, DataType, Input, LiteralInput, Output, ParallelStep, ReadOptions, Step
from fanout.records.code_change import CodeChange, code_changes
from fanout.records.codec import Record, Text, as_json
from fanout.records.run import RunRecord
from fanout.records.seal import step_seal
from fanout.records.step import BoundOutput
from fanout.records.verdict import Counts
from fanout.scheduler.bindings import Binding, bind_outputs
from fanout.scheduler.context import RunContext
from fanout.scheduler.data_identity import ABSENT, identity
from fanout.scheduler.observer import StepReport
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, put, read
from fanout.version import __version__

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FORMAT = 1
"""Part of every digest: raise it when results are made otherwise."""
_NO_MATTER = ("display_name", "compute", "depends_on", "inputs", "outputs")
"""Fields of a step that say nothing about its results, or say it in another place of the digest."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a step of an earlier run made: where it is, and what that was like."""

    run: Text
    step: Text
    outputs: dict[str, BoundOutput]
    identities: Mapping[str, str]
    counts: Counts


EARLIER = Record(Earlier)


async def taken_over(store: "ObjectStore", at: StepRound) -> Earlier | None:
    """What the step has taken over, when it has."""
    key = keys.reused(at)
    body = await read(store, key)
    return None if body is None else EARLIER.load(body, key)


async def outputs_of_all(record: RunRecord, context: RunContext) -> dict[str, dict[str, BoundOutput]]:
    """Where the outputs of all steps of the run are, or are going to be."""
    found = {}
    for step in record.pipeline.steps:
        earlier = await taken_over(context.store, record.at(step.name))
        bound = bind_outputs(step, record.planned_at(step.name), context.settings)
        found[step.name] = bound if earlier is None else earlier.outputs
    return found


@dataclass(slots=True)
class StepReuse:
    """One step that may take over what an earlier one made, and may be taken over itself."""

    record: RunRecord
    step: Step
    binding: Binding
    context: RunContext
    made_from: str | None = None
    """The fingerprint that the step began with; None where that is not known."""

    async def find(self) -> Earlier | None:
        """What the step takes over; None when it has to run. Said once: another supervisor finds the same."""
        store, at = self.context.store, self.record.at(self.step.name)
        if (earlier := await taken_over(store, at)) is not None:
            return earlier
        if not self._is_wanted or await self._has_begun():
            return None
        self.made_from = await asyncio.to_thread(self._fingerprint)
        if self.made_from is None or self.record.pipeline.force_rerun:
            return None
        earlier = await self._noted(self.made_from)
        if earlier is None or not await create(store, keys.reused(at), EARLIER.dump(earlier)):
            return None
        return earlier

    async def remember(self, report: StepReport) -> None:
        """Notes what the step has made, for later runs, when all of it succeeded and its inputs are what they were."""
        counts = report.seal.counts
        if self.made_from is None or not report.seal.verdict.completed or counts.lost or counts.items_failed:
            return
        outputs = self.binding.outputs
        identities = {name: await self._identity(output) for name, output in outputs.items()}
        if None in identities.values() or self.made_from != await asyncio.to_thread(self._fingerprint):
            return
        if self._code_changes(await code_changes(self.context.store, self.record.name)):
            return  # another supervisor has brought other code, and some of the results may come from that
        known = {name: found for name, found in identities.items() if found is not None}
        made = Earlier(self.record.name, self.step.name, dict(outputs), known, counts)
        await put(self.context.store, keys.reusable(self.made_from), EARLIER.dump(made))

    def _code_changes(self, changes: Sequence[CodeChange]) -> bool:
        """Whether the step's code was another one for a while."""
        return any(self.step.name in change.code for change in changes)

    @property
    def _is_wanted(self) -> bool:
        """Redrives do what they say; a module that is installed somewhere cannot be looked at."""
        code = self.record.code.get(self.step.name)
        return (
            self.record.pipeline.force_rerun is not None
            and self.record.round == 1
            and self.step.is_deterministic
            and (code is not None or not isinstance(self.step, ParallelStep))
        )

    async def _has_begun(self) -> bool:
        """Whether an earlier supervisor has begun the step: with which inputs is not known any more."""
        store, at = self.context.store, self.record.at(self.step.name)
        begun = keys.step_json(at) if isinstance(self.step, ParallelStep) else keys.handed_json(at)
        return await step_seal(store, at) is not None or await read(store, begun) is not None

    async def _noted(self, made_from: str) -> Earlier | None:
        key = keys.reusable(made_from)
        body = await read(self.context.store, key)
        if body is None:
            return None
        try:
            earlier = EARLIER.load(body, key)
        except DamagedRecordError:
            return None  # it is written anew when the step has run
        if earlier.outputs.keys() != self.binding.outputs.keys():
            return None
        for name, output in earlier.outputs.items():
            if await self._identity(output) != earlier.identities[name]:
                return None
        return earlier

    async def _identity(self, output: BoundOutput) -> str | None:
        # Whatever an output is said to be, what is there is compared, all of it.
        kind = DataType.URI_FILE if output.type is DataType.URI_FILE else DataType.URI_FOLDER
        return await asyncio.to_thread(self._looked_at, output.uri, kind, as_rows=False)

    def _looked_at(self, uri: str, kind: DataType, *, as_rows: bool) -> str | None:
        try:
            return identity(uri, kind, self.context.access, as_rows=as_rows)
        except (InputError, StoreError, OSError):
            return None

    def _fingerprint(self) -> str | None:
        """The digest of all that the step is made from; None when not all of it is known."""
        inputs: dict[str, Any] = {}
        for name, bound in self.binding.inputs.items():
            inputs[name] = {"literal": bound.literal, "uri": bound.uri, "type": bound.type, "mode": bound.mode}
            inputs[name] |= _of_plain_files(self.step.inputs[name])
            if bound.uri is not None:
                found = self._looked_at(bound.uri, bound.type, as_rows=self._is_cut(name))
                if found in (None, ABSENT):
                    return None
                inputs[name]["identity"] = found
        said = {
            "format": FORMAT,
            "fanout": __version__,
            "step": _settings(self.step),
            "code": self.record.code.get(self.step.name),
            "software": _software(),
            "inputs": inputs,
            "outputs": {
                name: {"uri": _place(output, self.context.settings), "type": output.type}
                for name, output in self.step.outputs.items()
            },
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode("utf-8", "surrogateescape")).hexdigest()

    def _is_cut(self, name: str) -> bool:
        """Whether the input is cut into mini-batches and not used in any other way."""
        step = self.step
        if not isinstance(step, ParallelStep) or step.input_data != name:
            return False
        return f"inputs.{name}" not in step.task.program_arguments


def _of_plain_files(given: Input) -> dict[str, Any]:
    """Which of the files are meant, and how they are read, where that is said."""
    if isinstance(given, LiteralInput):
        return {}
    paths = list(given.paths) if isinstance(given, DataInput) else []
    read = None if given.read is None else as_json(ReadOptions, given.read)
    return {key: value for key, value in (("paths", paths), ("read", read)) if value}


def _place(output: Output, settings: Settings) -> str | None:
    """Where the file says that the output goes, whatever the name of the run; None: into the run's own place."""
    return None if output.uri is None else resolve_datastore(output.uri, settings)


def _settings(step: Step) -> dict[str, Any]:
    """The step as the pipeline file has it, without what says nothing about its results."""
    fields: dict[str, Any] = as_json(Step, step)
    for name in _NO_MATTER:
        del fields[name]
    task = fields.get("task", fields)
    del task["code"]  # a folder; its content is the snapshot
    del task["environment"]["conda_file"]
    return fields


@cache
def _software() -> str:
    """Of this Python; an environment that is made for a step follows from the step's settings."""
    return hashlib.sha256(installed.fingerprint().encode()).hexdigest()
