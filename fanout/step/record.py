"""step.json: all that a node needs to know of a parallel step. Created once, checked when read."""

from dataclasses import dataclass
from typing import Literal

from fanout.errors import DamagedRecordError
from fanout.spec.steps import DataType, InputMode, OutputMode, ParallelStep
from fanout.step.row_format import RowFormat


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
    version: Literal[1] = 1

    @property
    def staged_outputs(self) -> tuple[str, ...]:
        """Names of the outputs that user code writes files into: all but the file that joined rows go to."""
        joined = self.step.task.append_row_to
        return tuple(
            name for name, output in self.outputs.items() if name != joined or output.type is not DataType.URI_FILE
        )


def dump(record: StepRecord) -> bytes:
    """The record as JSON."""
    from pydantic import TypeAdapter

    return TypeAdapter(StepRecord).dump_json(record)


def load(text: bytes, key: str) -> StepRecord:
    """The record in `text`; DamagedRecordError, naming `key`, when it is anything else."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(StepRecord).validate_json(text)
    except ValidationError as exc:
        raise DamagedRecordError(f"{key}: {exc.error_count()} fields are not as written by this fanout") from exc
