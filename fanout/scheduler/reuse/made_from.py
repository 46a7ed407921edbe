"""What the results of a step are made from, as far as fanout can see it: code, settings, software and inputs.

Equal values give equal results when the step is deterministic. What a script reads besides (the environment of the
shell, the time, a web page) is not known here.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from fanout.config.settings import Settings, resolve_datastore
from fanout.environments import installed
from fanout.errors import DamagedRecordError
from fanout.pipeline.model import DataInput, Input, LiteralInput, ParallelStep, ReadOptions, Step, StepOutput
from fanout.records.codec import As, Digest, Positive, Record, Text, Whole, as_json
from fanout.records.run import RunRecord
from fanout.records.step import BoundInput
from fanout.scheduler.bindings import Binding
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read
from fanout.version import __version__

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FORMAT = 2
"""Part of every digest: raise it when results are made otherwise."""
_NO_MATTER = ("display_name", "compute", "depends_on", "inputs", "outputs")
"""Fields of a step that say nothing about its results, or say it in another place."""


def _canonical(value: object, _: str = "") -> str:
    return json.dumps(value, sort_keys=True)


Json = Annotated[str, As(_canonical, json.loads)]
"""JSON of any form, as a text with sorted keys."""


@dataclass(frozen=True, slots=True)
class MadeInput:
    """An input; `identity` is that of its data (`fanout.scheduler.data_identity`), None when it is not known."""

    literal: str | None
    uri: str | None
    type: Text
    mode: str | None
    chosen: tuple[str, ...] = ()  # which of the files are meant
    read: Json = "null"  # how they are read
    identity: str | None = None
    made_by: str | None = None  # the step that makes it

    @property
    def is_known(self) -> bool:
        """Whether its data can be compared with that of another run."""
        return self.uri is None or self.identity is not None


@dataclass(frozen=True, slots=True)
class MadeOutput:
    """An output; `uri` is where the pipeline file says it goes, whatever the run; None: to the run's own place."""

    uri: str | None
    type: Text


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """Everything that a step is made from; `settings` is the step as the pipeline file states it."""

    settings: Json
    code: Digest | None
    software: tuple[str, ...]
    inputs: Mapping[str, MadeInput]
    outputs: Mapping[str, MadeOutput]
    fanout: Text = __version__
    format: Positive = FORMAT

    @property
    def is_known(self) -> bool:
        """Whether the data of all inputs is known."""
        return all(given.is_known for given in self.inputs.values())

    @property
    def digest(self) -> str:
        """The SHA-256 digest of all of it, in hex."""
        return hashlib.sha256(MADE_FROM.dump(self)).hexdigest()

    def without_data(self, name: str) -> "MadeFrom":
        """Returns the same without the identity of this input's data."""
        return replace(self, inputs={**self.inputs, name: replace(self.inputs[name], identity=None)})


MADE_FROM = Record(MadeFrom, indent=None)


@dataclass(frozen=True, slots=True)
class Origin:
    """A step of an earlier run: the round that ended last, and the round that it was planned in."""

    run: Text
    step: Text
    round: Positive = 1
    planned_in: Positive = 1

    @property
    def at(self) -> StepRound:
        """The step and round under which the store keeps everything of it."""
        return StepRound(self.run, self.step, self.round)

    @property
    def planned_at(self) -> StepRound:
        """The step and round under which the store keeps its manifests."""
        return StepRound(self.run, self.step, self.planned_in)


ORIGINS = Record(Origin, indent=None)


@dataclass(frozen=True, slots=True)
class Remembered:
    """How a step of an earlier run ended, and what it was made from; the numbers count mini-batches."""

    run: Text
    step: Text
    made_from: MadeFrom
    completed: bool
    succeeded: Whole
    lost: Whole
    round: Positive = 1
    planned_in: Positive = 1

    @property
    def origin(self) -> Origin:
        """The step that this is about."""
        return Origin(self.run, self.step, self.round, self.planned_in)

    @property
    def is_whole(self) -> bool:
        """Whether the step completed and lost no mini-batch."""
        return self.completed and not self.lost


REMEMBERED = Record(Remembered, indent=None)


def name_of(file: str, step: str) -> str:
    """Returns the name under which the last run of a step is noted, by its pipeline file."""
    return hashlib.sha256(json.dumps(["step", file, step]).encode("utf-8", "surrogateescape")).hexdigest()


def made_from(
    step: Step, code: str | None, binding: Binding, identities: Mapping[str, str | None], settings: Settings
) -> MadeFrom:
    """Returns what `step` is made from, with `identities` as those of its inputs' data."""
    return MadeFrom(
        settings=_settings(step),
        code=code,
        software=installed.packages(),
        inputs={name: _input(step.inputs[name], bound, identities.get(name)) for name, bound in binding.inputs.items()},
        outputs={
            name: MadeOutput(None if output.uri is None else resolve_datastore(output.uri, settings), output.type.value)
            for name, output in step.outputs.items()
        },
    )


def _input(given: Input, bound: BoundInput, identity: str | None) -> MadeInput:
    read = None if isinstance(given, LiteralInput) or given.read is None else as_json(ReadOptions, given.read)
    return MadeInput(
        literal=bound.literal,
        uri=bound.uri,
        type=bound.type.value,
        mode=None if bound.mode is None else bound.mode.value,
        chosen=given.paths if isinstance(given, DataInput) else (),
        read=_canonical(read),
        identity=identity,
        made_by=given.step if isinstance(given, StepOutput) else None,
    )


def _settings(step: Step) -> str:
    """Returns the step as the pipeline file states it, without the fields that do not matter for its results."""
    fields: dict[str, Any] = as_json(Step, step)
    for name in _NO_MATTER:
        del fields[name]
    task = fields.get("task", fields)
    del task["code"]  # a folder; its content is the snapshot
    del task["environment"]["conda_file"]
    return _canonical(fields)


async def begun_with(store: "ObjectStore", at: StepRound) -> MadeFrom | None:
    """Returns what the step was made from when it began; None when that was not noted, or cannot be read."""
    key = keys.made_from_json(at)
    body = await read(store, key)
    try:
        return None if body is None else MADE_FROM.load(body, key)
    except DamagedRecordError:
        return None


async def notes_items(run: RunRecord, step: ParallelStep, store: "ObjectStore") -> bool:
    """Returns whether the versions of the step's items are noted for later runs.

    They are noted when the items are few, or when the pipeline file says something about reuse.
    """
    made = await begun_with(store, run.planned_at(step.name))
    major = None if made is None else made.inputs.get(step.input_data)
    return major is not None and (run.pipeline.force_rerun is not None or major.identity is not None)
