"""The planner: a run exists, its first steps are planned, and their messages are on their way."""

from collections.abc import Mapping
from typing import Any

from fanout.errors import InputError
from fanout.run.deployment import begin
from fanout.run.standing import Turn
from fanout.run.tick import Tools, take_turn
from handlers.container import Container, Context, container, deadline


def handler(event: Any, context: Context) -> dict[str, Any]:
    """`{"inputs": {name: uri}, "run": name}` in, both optional; the names of the runs out."""
    here = container()
    return {"runs": here.run(_start(here, event, context))}


async def _start(here: Container, event: Any, context: Context) -> list[str]:
    inputs, name = _asked(event)
    # A name for an invocation without one: Lambda invokes again with the same id when it has heard of no success.
    run = await begin(here.deployment, here.outside, inputs, name or f"{here.deployment.name}-{context.aws_request_id}")
    await take_turn(Turn(run), Tools(here.outside, here.standing, here.kept, deadline(context)))
    return [run]


def _asked(event: Any) -> tuple[Mapping[str, str], str | None]:
    """What a direct invocation asks for; InputError for anything else."""
    fields = event if isinstance(event, dict) else {"": event}
    inputs, name = fields.get("inputs") or {}, fields.get("run")
    if fields.keys() - {"inputs", "run"} or not isinstance(inputs, dict) or not isinstance(name, str | None):
        raise InputError('expected {"inputs": {"name": "s3://…"}, "run": "name"}, both optional')
    if not all(isinstance(uri, str) for uri in inputs.values()):
        raise InputError("inputs: expected a URI for each name")
    return inputs, name
