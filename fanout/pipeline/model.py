"""A pipeline file as typed values: what the other modules know of `pipeline.yml`.

Everything here is checked, resolved as far as the file alone allows, and frozen. Templates keep their `${{inputs.x}}`
and `${{outputs.x}}`, because what those become (a path, a URI) is decided where the step runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

Scalar = str | int | float | bool


class DataType(StrEnum):
    """What an input or output is (reference, section 4)."""

    URI_FILE = "uri_file"
    URI_FOLDER = "uri_folder"
    MLTABLE = "mltable"
    MLFLOW_MODEL = "mlflow_model"
    CUSTOM_MODEL = "custom_model"
    TRITON_MODEL = "triton_model"


class InputMode(StrEnum):
    """How the program gets an input (reference, section 4)."""

    DOWNLOAD = "download"
    RO_MOUNT = "ro_mount"
    DIRECT = "direct"
    EVAL_MOUNT = "eval_mount"
    EVAL_DOWNLOAD = "eval_download"


class OutputMode(StrEnum):
    """How the program hands over an output (reference, section 4)."""

    MOUNT = "mount"
    UPLOAD = "upload"
    RW_MOUNT = "rw_mount"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Added:
    """For Annotated: a field that records of earlier versions do not have; its default stands in for it."""


@dataclass(frozen=True, slots=True)
class LiteralInput:
    """A number, text or boolean; None is an optional input without a value."""

    value: Scalar | None
    kind: Literal["literal"] = "literal"


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How files are read as rows, as far as it is said; the rest is found out. Ours."""

    format: Literal["", "csv", "jsonl", "parquet"] = ""
    delimiter: str = ""
    encoding: str = ""  # one of the names that an MLTable gives to encodings
    header: bool | None = None
    types: Mapping[str, str] = field(default_factory=dict)  # of columns; the key "*" stands for all others
    misfits: Literal["error", "null"] = "error"  # what becomes of values and rows that do not fit


@dataclass(frozen=True, slots=True)
class DataInput:
    """Data that exists before the run.

    `uri` is absolute: `file:///…` for anything local, else as written (`s3://…`, `azureml://datastores/…`, `https://…`).
    With `paths` it is the folder that these start from: names of files, and patterns.
    """

    uri: str
    type: DataType
    mode: InputMode | None = None
    pipeline_input: str | None = None  # name of the pipeline's input it comes from
    paths: Annotated[tuple[str, ...], Added()] = ()  # ours: only these below `uri`
    read: Annotated[ReadOptions | None, Added()] = None  # ours: its files are read as rows
    kind: Literal["data"] = "data"


@dataclass(frozen=True, slots=True)
class StepOutput:
    """Data that another step of the pipeline makes: an edge of the graph."""

    step: str
    output: str
    type: DataType
    mode: InputMode | None = None
    read: Annotated[ReadOptions | None, Added()] = None  # ours: its files are read as rows
    kind: Literal["step_output"] = "step_output"


Input = LiteralInput | DataInput | StepOutput


@dataclass(frozen=True, slots=True)
class Output:
    """What a step leaves behind. `uri` None: a place in the store; macros in it are resolved already."""

    type: DataType = DataType.URI_FOLDER
    mode: OutputMode = OutputMode.RW_MOUNT
    uri: str | None = None
    pipeline_output: str | None = None  # name of the pipeline's output it is bound to


@dataclass(frozen=True, slots=True)
class Environment:
    """The software a step asks for; it runs in fanout's own Python unless `build` says that a virtualenv is made."""

    name: str | None = None
    image: str | None = None
    conda_file: str | None = None  # absolute path, or the pipeline file's when the conda file is written out in it
    python: str | None = None  # which Python, as a version specifier: "==3.11.*"
    pip: tuple[str, ...] = ()  # the lines of the conda file's pip section
    conda: tuple[str, ...] = ()  # its other packages, as written there
    build: bool = False  # asked for on the command line

    @property
    def has_packages(self) -> bool:
        """Whether it says anything that fanout can look at: a Python or packages."""
        return bool(self.python or self.pip or self.conda)


@dataclass(frozen=True, slots=True)
class MiniBatchSize:
    """`mini_batch_size`: a count of files, or bytes of a table. `unit` is "" when none was written."""

    number: int
    unit: Literal["", "kb", "mb", "gb"] = ""

    @property
    def bytes(self) -> int:
        """The size as bytes, kb = 1024 (reference, section 2)."""
        return self.number * {"": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}[self.unit]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How much may fail before the job does; -1 and 100 mean: ignore (reference, section 10)."""

    error_threshold: int = -1
    mini_batch_error_threshold: int = -1
    allowed_failed_percent: float = 100.0

    @property
    def checks_items(self) -> bool:
        """Whether a return that is shorter than the mini-batch counts as failed items."""
        return self.error_threshold >= 0


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """Tries of user code on one mini-batch = 1 + max_retries; `timeout` is seconds for one run()."""

    max_retries: int = 2
    timeout: float = 60.0


FIRST_TASK_TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The clocks of a parallel step, in seconds (reference, sections 8.1 and 9)."""

    task_overhead_timeout: float = 600.0
    first_task_creation_timeout: float = FIRST_TASK_TIMEOUT
    progress_update_timeout: float | None = None  # None: 3 x (run timeout + task_overhead_timeout)


@dataclass(frozen=True, slots=True)
class EntryTask:
    """The entry script and how it is called."""

    entry_script: str
    code: str | None = None  # absolute path of the code folder
    program_arguments: str = ""  # template, one line
    append_row_to: str | None = None  # name of the output; None is summary_only
    environment: Environment = field(default_factory=Environment)


@dataclass(frozen=True, slots=True)
class StepBase:
    """What parallel and command steps share."""

    name: str
    inputs: Mapping[str, Input] = field(default_factory=dict)
    outputs: Mapping[str, Output] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    compute: str | None = None
    instance_count: int = 1
    display_name: str | None = None
    depends_on: tuple[str, ...] = ()  # ours: order without data

    @property
    def after(self) -> frozenset[str]:
        """The steps that must have completed before this one starts."""
        data = {i.step for i in self.inputs.values() if isinstance(i, StepOutput)}
        return frozenset(data | set(self.depends_on))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStep(StepBase):
    """One shell command, run once (reference, section 1)."""

    command: str
    code: str | None = None  # absolute path of the code folder
    environment: Environment = field(default_factory=Environment)
    timeout: float | None = None  # limits.timeout, seconds
    is_deterministic: bool = True
    kind: Literal["command"] = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelStep(StepBase):
    """run(mini_batch) over one major input (reference, section 2)."""

    task: EntryTask
    input_data: str  # name of the major input; "" when there is none
    mini_batch_size: MiniBatchSize | None = None  # None: 1 file, or 1 MB of a table
    mini_batch_rows: int | None = None  # ours
    partition_keys: tuple[str, ...] = ()
    rank_mini_batch_count: int = 0  # so many mini-batches without data; then there is no major input
    json_records: bool = False  # --amlbi_…: a mini-batch is a list of the objects in a JSON lines file
    append_row_file_name: str | None = None  # of the joined rows in an output that is a folder
    max_concurrency_per_instance: int | None = None  # None: one a core
    thresholds: Thresholds = field(default_factory=Thresholds)
    retry_settings: RetrySettings = field(default_factory=RetrySettings)
    isolate_failures: bool = False  # ours: halves of a mini-batch that has failed for good are tried on their own
    speculate: bool = False  # ours: at the end a second try beside one that takes far longer than the others
    limits: Limits = field(default_factory=Limits)
    logging_level: Literal["WARNING", "INFO", "DEBUG"] = "INFO"
    resource_monitor_interval: float = 600.0
    profiling_module: Literal["", "cProfile", "profile"] = ""
    copy_logs_to_parent: bool = False  # logs and overview beside the run's own, too
    metrics_name_prefix: str = ""
    push_metrics_to_parent: bool = False
    is_deterministic: bool = True
    kind: Literal["parallel"] = "parallel"

    @property
    def environment(self) -> Environment:
        """The environment of its task, where command steps have theirs."""
        return self.task.environment

    @property
    def reads_rows(self) -> bool:
        """Whether mini-batches are rows of plain files: of a single file, or of a folder that is cut as rows are."""
        major = self.inputs.get(self.input_data)
        if self.json_records or not isinstance(major, DataInput | StepOutput) or major.type is DataType.MLTABLE:
            return False
        by_bytes = self.mini_batch_size is not None and self.mini_batch_size.unit != ""
        asked = major.read is not None or self.mini_batch_rows is not None or by_bytes or bool(self.partition_keys)
        return asked or major.type is DataType.URI_FILE

    @property
    def cuts_table(self) -> bool:
        """Whether mini-batches may be rows, which come as DataFrames: of an MLTable, or of plain files."""
        major = self.inputs.get(self.input_data)
        if isinstance(major, DataInput | StepOutput) and major.type is DataType.MLTABLE:
            return major.mode in (None, InputMode.DIRECT)
        return self.reads_rows

    @property
    def init_limit(self) -> float:
        """Seconds for loading the script and init(): until the run of a first mini-batch, in the reference's words.

        Where first_task_creation_timeout is not given, not less than run() may take.
        """
        given = self.limits.first_task_creation_timeout
        return given if given != FIRST_TASK_TIMEOUT else max(given, self.retry_settings.timeout)


Step = CommandStep | ParallelStep


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Several objects a run: `objects` of them, or as many as have come `seconds` after the first."""

    objects: int = 100
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Trigger:
    """Which objects start runs of the pipeline when they arrive, and which of its inputs gets them. Ours."""

    name: str
    root: str  # s3://bucket, or file:///folder
    input: str  # of the pipeline
    prefix: str = ""  # of keys in the bucket, or of paths below the folder
    suffix: str = ""
    batch: EventBatch | None = None  # None: a run for each object
    queue: str | None = None  # name or ARN of the queue that receives events; None: one named after the trigger
    template: str | None = None  # the MLTable folder that says how objects of an mltable input are read

    @property
    def watched(self) -> str:
        """The part of the bucket or folder that is watched, as a URI."""
        return f"{self.root}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A whole pipeline file, in the order it was written."""

    file: str  # absolute path
    name: str | None  # asked for by the file; None: the run gets a made-up name
    steps: tuple[Step, ...]
    display_name: str | None = None
    description: str | None = None
    experiment_name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    continue_on_step_failure: bool = True
    force_rerun: bool | None = None  # None: the file says nothing, and no step is taken over from an earlier run
    trigger: Trigger | None = None
    notices: tuple[str, ...] = ()  # one quiet line each: accepted, but without effect here
