"""A pipeline or a step as JSON, for run.json and step.json: what is loaded equals what was dumped.

pydantic reads and writes the dataclasses themselves; unions of inputs and steps are distinguished by `kind`.
"""

import json
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, cast

from fanout.errors import DamagedRecordError
from fanout.pipeline.model import Pipeline, Step

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def dump(pipeline: Pipeline) -> bytes:
    """The pipeline as JSON; equal pipelines give equal bytes."""
    return _dump(Pipeline, pipeline)


def load(content: bytes, source: str) -> Pipeline:
    """The pipeline that was dumped; DamagedRecordError, naming `source`, when the bytes are anything else."""
    return cast("Pipeline", _load(Pipeline, content, source))


def dump_step(step: Step) -> bytes:
    """One step as JSON; equal steps give equal bytes."""
    return _dump(Step, step)


def load_step(content: bytes, source: str) -> Step:
    """The step that was dumped; DamagedRecordError, naming `source`, when the bytes are anything else."""
    return cast("Step", _load(Step, content, source))


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    # Imported here: pydantic takes longer to load than most runs of the command line need it for.
    from pydantic import Field, TypeAdapter

    discriminated: Any = Annotated[kind, Field(discriminator="kind")] if kind is Step else kind
    return TypeAdapter(discriminated)


def _dump(kind: Any, value: object) -> bytes:
    return _adapter(kind).dump_json(value)


def _load(kind: Any, content: bytes, source: str) -> object:
    from pydantic import ValidationError

    try:
        value: object = _adapter(kind).validate_json(content, strict=True)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the record"
        raise DamagedRecordError(f"{source}: {where}: {first['msg']}") from exc
    # A field that was added, or one that a default replaced, makes no error above.
    if json.loads(_dump(kind, value)) != json.loads(content):
        raise DamagedRecordError(f"{source}: holds fields that this version of fanout does not know, or lacks some")
    return value
