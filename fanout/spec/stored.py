"""A pipeline or a step as JSON, for run.json and step.json: what is loaded equals what was dumped.

Inputs and steps are told apart by `kind`.
"""

import json
from typing import Any, cast

from fanout.errors import DamagedRecordError
from fanout.spec.steps import Pipeline, Step
from fanout.store import typed


def dump(pipeline: Pipeline) -> bytes:
    """The pipeline as JSON; equal pipelines give equal bytes."""
    return typed.dump(pipeline)


def load(content: bytes, source: str) -> Pipeline:
    """The pipeline that was dumped; DamagedRecordError, naming `source`, when the bytes are anything else."""
    return cast("Pipeline", _load(Pipeline, content, source))


def dump_step(step: Step) -> bytes:
    """One step as JSON; equal steps give equal bytes."""
    return typed.dump(step)


def load_step(content: bytes, source: str) -> Step:
    """The step that was dumped; DamagedRecordError, naming `source`, when the bytes are anything else."""
    return cast("Step", _load(Step, content, source))


def _load(kind: Any, content: bytes, source: str) -> object:
    try:
        value: object = typed.load(kind, content)
    except (ValueError, RecursionError) as exc:
        raise DamagedRecordError(f"{source}: {exc}") from exc
    # A field that a default has replaced makes no error above.
    if json.loads(typed.dump(value)) != json.loads(content):
        raise DamagedRecordError(f"{source}: holds fields that this version of fanout does not know, or lacks some")
    return value
