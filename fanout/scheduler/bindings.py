"""Binds a step's inputs and outputs to URIs, once the steps before it have ended. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from fanout.config.settings import Settings, resolve_datastore
from fanout.pipeline.expressions import literal_text
from fanout.pipeline.model import DataInput, DataType, Input, LiteralInput, ParallelStep, Step, StepOutput
from fanout.pipeline.trigger import RUN_TOKEN
from fanout.records.step import BoundInput, BoundOutput
from fanout.storage import keys
from fanout.storage.keys import StepRound

APPEND_ROW_FILE = "parallel_run_step.txt"
"""The name of the joined rows in an output that is a folder (reference, section 7)."""

Outputs = Mapping[str, Mapping[str, BoundOutput]]
"""The bound outputs of the steps that have ended, by step and name."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A step's inputs and outputs, each with its URI."""

    inputs: dict[str, BoundInput]
    outputs: dict[str, BoundOutput]


def bind(step: Step, planned: StepRound, settings: Settings, earlier: Outputs) -> Binding:
    """Returns the binding of `step`, which was planned at `planned`.

    `earlier` holds the outputs of every step that it needs.
    """
    return Binding(
        inputs={name: _bind_input(bound, settings, earlier) for name, bound in step.inputs.items()},
        outputs=bind_outputs(step, planned, settings),
    )


def bind_outputs(step: Step, planned: StepRound, settings: Settings) -> dict[str, BoundOutput]:
    """Returns where the step's outputs go: where the pipeline file says, else to the run's own place in the store."""
    return {
        name: BoundOutput(
            uri=resolve_datastore(output.uri.replace(RUN_TOKEN, planned.run), settings)
            if output.uri is not None
            else f"{settings.store.rstrip('/')}/{keys.outputs(planned, name)}",
            type=output.type,
            mode=output.mode,
        )
        for name, output in step.outputs.items()
    }


def append_row_uri(step: ParallelStep, outputs: Mapping[str, BoundOutput]) -> str | None:
    """Returns the URI of the object that joined rows are written to; None for summary_only."""
    if step.task.append_row_to is None:
        return None
    output = outputs[step.task.append_row_to]
    if output.type is DataType.URI_FILE:
        return output.uri
    return f"{output.uri.rstrip('/')}/{step.append_row_file_name or APPEND_ROW_FILE}"


def result_uris(step: Step, outputs: Mapping[str, BoundOutput]) -> dict[str, str]:
    """Returns the URI of each output by name; for the output with joined rows it is the file itself."""
    found = {name: output.uri for name, output in outputs.items()}
    if isinstance(step, ParallelStep) and step.task.append_row_to and (rows := append_row_uri(step, outputs)):
        found[step.task.append_row_to] = rows
    return found


def _bind_input(given: Input, settings: Settings, earlier: Outputs) -> BoundInput:
    match given:
        case LiteralInput(value=value):
            return BoundInput(literal=literal_text(value))
        case DataInput(uri=uri, type=type_, mode=mode):
            return BoundInput(uri=resolve_datastore(uri, settings), type=type_, mode=mode)
        case StepOutput(step=step, output=output, type=type_, mode=mode):
            return BoundInput(uri=earlier[step][output].uri, type=type_, mode=mode)
