"""step.json: all that a node needs to know of a parallel step. Created once, checked when read."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from fanout.errors import DamagedRecordError
from fanout.pipeline.model import DataType, InputMode, OutputMode, ParallelStep
from fanout.records import codec
from fanout.records.codec import Record
from fanout.records.row_format import RowFormat
from fanout.security.signature import Signer
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, slots=True)
class BoundInput:
    """An input as the step sees it: data at a URI, or a literal (None: optional, without a value)."""

    literal: str | None = None
    uri: str | None = None
    type: DataType = DataType.URI_FOLDER
    mode: InputMode | None = None


@dataclass(frozen=True, slots=True)
class BoundOutput:
    """An output and the URI its data ends up at."""

    uri: str
    type: DataType = DataType.URI_FOLDER
    mode: OutputMode = OutputMode.RW_MOUNT


@dataclass(frozen=True, slots=True)
class Continued:
    """An earlier round of the step, whose successes stay; the rest is done again, or only `mini_batches` of it."""

    round: codec.Positive
    mini_batches: tuple[codec.Whole, ...] | None = None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """The resolved step. `recipe` is the table recipe as JSON, None when mini-batches are files."""

    run: str
    step: ParallelStep
    inputs: dict[str, BoundInput]
    outputs: dict[str, BoundOutput]
    row_format: RowFormat
    visibility: codec.Seconds
    code: codec.Digest | None = None  # digest of the code snapshot
    code_from: str | None = None  # the folder it was taken from, for tracebacks that people read
    recipe: str | None = None
    round: codec.Positive = 1
    planned_in: codec.Positive = 1  # the round that has the manifests
    code_changes: int = 0  # of those of the run, how many `code` includes
    continues: Continued | None = None
    message_key: codec.Digest | None = field(default=None, repr=False)  # signs its messages; None: there was none yet
    version: Literal[1] = 1

    @property
    def at(self) -> StepRound:
        """Where everything of it is in the store."""
        return StepRound(self.run, self.step.name, self.round)

    @property
    def signer(self) -> Signer:
        """What signs and checks the step's messages."""
        return Signer(self.message_key)

    @property
    def major(self) -> BoundInput | None:
        """The input that is cut into mini-batches; None when they have no data."""
        return self.inputs.get(self.step.input_data)

    @property
    def chosen(self) -> tuple[int, ...] | None:
        """The mini-batches that this round does again; None when it does whatever has not succeeded."""
        return None if self.continues is None else self.continues.mini_batches

    @property
    def staged_outputs(self) -> tuple[str, ...]:
        """Names of the outputs that user code writes files into: all but the file that joined rows go to."""
        joined = self.step.task.append_row_to
        return tuple(
            name for name, output in self.outputs.items() if name != joined or output.type is not DataType.URI_FILE
        )


def _check(record: StepRecord) -> None:
    """What its types leave open."""
    if record.visibility <= 0:
        raise ValueError(f"visibility is {record.visibility}, expected more than 0")
    if record.major is None and not record.step.rank_mini_batch_count:
        raise ValueError(f"there is no input {record.step.input_data!r:.80}")


STEPS = Record(StepRecord, indent=None, refused="not as written by this fanout: ", check=_check)
dump = STEPS.dump
load = STEPS.load


async def read_record(store: "ObjectStore", at: StepRound) -> StepRecord | None:
    """The record of the step, or None when it has not started; DamagedRecordError when it is that of another one."""
    key = keys.step_json(at)
    body = await read(store, key)
    record = None if body is None else load(body, key)
    if record is not None and record.at != at:
        raise DamagedRecordError(f"{key}: is about {record.at}")
    return record
