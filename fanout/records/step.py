"""step.json: all that a node needs to know of a parallel step. Created once, checked when read."""

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal

from fanout.errors import DamagedRecordError
from fanout.pipeline.model import DataType, InputMode, OutputMode, ParallelStep
from fanout.records import fields
from fanout.records.row_format import RowFormat
from fanout.security.signature import Signer
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read

if TYPE_CHECKING:
    from obstore.store import ObjectStore
    from pydantic import TypeAdapter


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

    round: int
    mini_batches: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """The resolved step. `recipe` is the table recipe as JSON, None when mini-batches are files."""

    run: str
    step: ParallelStep
    inputs: dict[str, BoundInput]
    outputs: dict[str, BoundOutput]
    row_format: RowFormat
    visibility: float
    code: str | None = None  # digest of the code snapshot
    code_from: str | None = None  # the folder it was taken from, for tracebacks that people read
    recipe: str | None = None
    round: int = 1
    planned_in: int = 1  # the round that has the manifests
    code_changes: int = 0  # of those of the run, how many `code` includes
    continues: Continued | None = None
    message_key: str | None = field(default=None, repr=False)  # signs its messages; None: begun before there were keys
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


def dump(record: StepRecord) -> bytes:
    """The record as JSON."""
    return _adapter().dump_json(record)


def prepare_to_load() -> None:
    """What reads records is made now: 0.1 s, which a process that waits for its first one need not take later."""
    _adapter()


def load(text: bytes, key: str) -> StepRecord:
    """The record in `text`; DamagedRecordError, naming `key`, when it is anything else."""
    from pydantic import ValidationError

    try:
        record = _adapter().validate_json(text, strict=True, extra="forbid")
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the record"
        raise DamagedRecordError(f"{key}: not as written by this fanout: {where}: {first['msg']}") from exc
    try:
        _check(record)
    except ValueError as exc:
        raise DamagedRecordError(f"{key}: {exc}") from exc
    return record


@cache
def _adapter() -> "TypeAdapter[StepRecord]":
    from pydantic import TypeAdapter

    return TypeAdapter(StepRecord)


def _check(record: StepRecord) -> None:
    """What its types leave open."""
    if not 0 < record.visibility < fields.LATEST:
        raise ValueError(f"visibility is {record.visibility}")
    for number in (record.round, record.planned_in):
        fields.whole(number, "round", least=1)
    if record.code is not None:
        fields.digest(record.code, "code")
    if record.message_key is not None:
        fields.digest(record.message_key, "message_key")
    if record.major is None and not record.step.rank_mini_batch_count:
        raise ValueError(f"there is no input {record.step.input_data!r:.80}")


async def read_record(store: "ObjectStore", at: StepRound) -> StepRecord | None:
    """The record of the step, or None when it has not started; DamagedRecordError when it is that of another one."""
    key = keys.step_json(at)
    body = await read(store, key)
    record = None if body is None else load(body, key)
    if record is not None and record.at != at:
        raise DamagedRecordError(f"{key}: is about {record.at}")
    return record
