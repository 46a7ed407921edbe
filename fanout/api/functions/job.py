"""A call of a function over data, as the pipeline that carries it out: one parallel step."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanout.records.function_runs import FUNCTION_SCRIPT
from fanout.records.row_format import RowFormat, row_format

if TYPE_CHECKING:
    from fanout.pipeline.model import Pipeline

ROWS = "rows"
"""The name of the output, and of the file in the store where nothing else is said."""
_AS_VALUES = "--amlbi_pf_enabled True --amlbi_file_format jsonl"


@dataclass(frozen=True, slots=True)
class Options:
    """The words of a parallel step; None: as in a pipeline file that does not say it."""

    mini_batch_size: int | str | None = None
    mini_batch_rows: int | None = None
    partition_keys: tuple[str, ...] = ()
    max_retries: int = 2
    timeout: float = 60.0
    error_threshold: int = 0
    mini_batch_error_threshold: int = -1
    max_concurrency_per_instance: int | None = None
    nodes: int = 1
    isolate_failures: bool = False
    environment_variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """What the function is called over: `kind` is `values`, `files` or `table`; `type` that of the pipeline's input."""

    kind: str
    type: str
    uri: str


def is_json(output: str | None) -> bool:
    """Whether rows are written as JSON lines: they are unless the output's name says otherwise."""
    return output is None or row_format(output) is RowFormat.JSONL


def document(name: str, source: Source, options: Options, output: str | None) -> dict[str, Any]:
    """The pipeline, as a pipeline file would say it. Pure."""
    task = {
        "type": "run_function",
        "code": "./code",
        "entry_script": FUNCTION_SCRIPT,
        "append_row_to": f"${{{{outputs.{ROWS}}}}}",
    }
    arguments = [_AS_VALUES] if source.kind == "values" else []
    arguments += [f"--append_row_file_name {ROWS}.jsonl"] if output is None else []
    if arguments:
        task["program_arguments"] = " ".join(arguments)
    step: dict[str, Any] = {
        "type": "parallel",
        "inputs": {"data": {"type": source.type, "path": source.uri}},
        "outputs": {ROWS: {"type": "uri_folder"} if output is None else {"type": "uri_file", "path": output}},
        "input_data": "${{inputs.data}}",
        "resources": {"instance_count": options.nodes},
        "retry_settings": {"max_retries": options.max_retries, "timeout": options.timeout},
        "error_threshold": options.error_threshold,
        "mini_batch_error_threshold": options.mini_batch_error_threshold,
        "isolate_failures": options.isolate_failures,
        "environment_variables": dict(options.environment_variables),
        "task": task,
    }
    if options.mini_batch_size is not None:
        step["mini_batch_size"] = str(options.mini_batch_size)
    if options.mini_batch_rows is not None:
        step["mini_batch_rows"] = options.mini_batch_rows
    if options.partition_keys:
        step["partition_keys"] = list(options.partition_keys)
    if options.max_concurrency_per_instance is not None:
        step["max_concurrency_per_instance"] = options.max_concurrency_per_instance
    return {"type": "pipeline", "jobs": {name: step}}


def load_job(folder: Path, said: Mapping[str, Any], overrides: Sequence[str] = ()) -> "Pipeline":
    """The checked pipeline of a job whose code is in `folder`; SpecError for values that no step can have.

    It has no file: messages recommend no command with one.
    """
    from fanout.pipeline.load import load_pipeline

    path = folder / "pipeline.yml"
    path.write_text(json.dumps(said, indent=1), "utf-8")
    return replace(load_pipeline(path, overrides), file="")
