"""The settings of a step as rows of a table: every effective value, and whether the pipeline asked for it. Pure."""

from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from fanout.pipeline.model import DataInput, LiteralInput, ParallelStep, Step, StepOutput

PARALLEL = frozenset(
    {
        "mini_batch_size",
        "mini_batch_rows",
        "partition_keys",
        "rank_mini_batch_count",
        "max_concurrency_per_instance",
        "thresholds",
        "retry_settings",
        "isolate_failures",
        "speculate",
        "limits",
        "logging_level",
        "resource_monitor_interval",
        "profiling_module",
        "append_row_file_name",
        "json_records",
        "input_data",
        "instance_count",
    }
)
_LEFT_OUT = frozenset({"name", "kind", "inputs", "outputs", "environment_variables", "depends_on"})


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One value: the section of the page it belongs to, its key, and where it came from."""

    section: str
    key: str
    value: str
    origin: str


def setting_rows(step: Step) -> tuple[SettingRow, ...]:
    """All settings of the step, sorted as its model has them."""
    rows = [row for one in fields(step) if one.name not in _LEFT_OUT for row in _rows(step, one)]
    rows += [SettingRow("Inputs", name, _input(given), "pipeline") for name, given in step.inputs.items()]
    for name, output in step.outputs.items():
        rows.append(SettingRow("Outputs", name, output.uri or "in the store", "pipeline" if output.uri else "default"))
    names = step.environment_variables
    # Values of variables may be credentials under any name; the page shows that they are set.
    rows += [SettingRow("Environment variables", name, "(set)", "pipeline") for name in names]
    return tuple(rows)


def _rows(owner: Any, one: "Field[Any]", prefix: str = "", section: str = "") -> Iterator[SettingRow]:
    value, key = getattr(owner, one.name), f"{prefix}{one.name}"
    where = section or ("Parallel" if one.name in PARALLEL and isinstance(owner, ParallelStep) else "Step")
    if is_dataclass(value) and one.name != "mini_batch_size":
        for inner in fields(value):
            yield from _rows(value, inner, f"{key}.", where)
        return
    yield SettingRow(where, key, _text(value), "default" if value == _default(one) else "pipeline")


def _default(one: "Field[Any]") -> object:
    if one.default is not MISSING:
        return one.default
    return one.default_factory() if one.default_factory is not MISSING else MISSING


def _text(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case Enum():
            return str(value.value)
        case tuple() | list():
            return ", ".join(map(str, value)) or "none"
        case _ if is_dataclass(value):
            return " ".join(str(getattr(value, one.name)) for one in fields(value) if getattr(value, one.name) != "")
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _input(given: DataInput | StepOutput | LiteralInput) -> str:
    match given:
        case DataInput():
            return f"{given.uri} ({given.type})"
        case StepOutput():
            return f"output {given.output} of step {given.step} ({given.type})"
        case LiteralInput():
            return str(given.value)
