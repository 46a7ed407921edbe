"""The planner: runs exist, their first steps are planned, and their messages are on their way."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from fanout.aws.deployment import begin
from fanout.errors import FanoutError, InputError
from fanout.queues.base import Delivery
from fanout.scheduler.ticks.deployment_queues import TickMessage
from fanout.scheduler.ticks.run_tick import TickContext, handle_tick
from fanout.triggers.compiled import CompiledTrigger, compile_trigger
from fanout.triggers.event import ObjectEvent
from fanout.triggers.sources.bodies import read_events
from fanout.triggers.start import start_runs
from handlers.container import Container, Context, container, deadline, log
from handlers.sqs_event import Batch, read_batch


def handler(event: Any, context: Context) -> dict[str, Any]:
    """Arrivals, or an invocation by hand, in; the names of the runs out, or which deliveries are to come again.

    Arrivals come as deliveries of the events queue, or directly from S3 and EventBridge. By hand it is
    `{"inputs": {name: uri}, "run": name}`, both optional.
    """
    here = container()
    if is_from_sqs(event):
        batch = read_batch(event)
        return batch.answer(here.run(_arrived(here, batch, context)))
    if is_arrival(event):
        return {"runs": here.run(_start(here, read_events(json.dumps(event)), context))}
    return {"runs": here.run(_by_hand(here, event, context))}


def is_from_sqs(event: Any) -> bool:
    """Whether the event is a batch of an SQS queue."""
    records = event.get("Records") if isinstance(event, dict) else None
    return isinstance(records, list) and bool(records) and records[0].get("eventSource") == "aws:sqs"


def is_arrival(event: Any) -> bool:
    """Whether the event tells of objects itself."""
    return isinstance(event, dict) and bool(event.keys() & {"Records", "detail-type", "fanout_events"})


async def _arrived(here: Container, batch: Batch, context: Context) -> list[Delivery]:
    """The deliveries that are to come again. With `batch` in the trigger all that came together start runs together."""
    failed: list[Delivery] = []
    for some in _groups(here, batch.deliveries):
        try:
            await _start(here, [event for delivery in some for event in read_events(delivery.body)], context)
        except FanoutError:
            log.exception("no run was started for: %s", [delivery.body for delivery in some])
            failed += some
    return failed


def _groups(here: Container, deliveries: tuple[Delivery, ...]) -> Iterable[list[Delivery]]:
    trigger = here.deployment.pipeline.trigger
    together = trigger is not None and trigger.batch is not None
    return [list(deliveries)] if together else [[delivery] for delivery in deliveries]


async def _start(here: Container, events: list[ObjectEvent], context: Context) -> list[str]:
    """The runs of these objects, each with its first steps under way."""
    starts = await start_runs(events, await _armed(here), here.run_context)
    for start in starts:
        log.info("%s: %s%s", start.state, start.run, f" ({start.reason})" if start.reason else "")
    return [await _plan(here, run, context) for run in dict.fromkeys(start.run for start in starts if start.run)]


async def _by_hand(here: Container, event: Any, context: Context) -> list[str]:
    inputs, name = _asked(event)
    # A name for an invocation without one: Lambda invokes again with the same id when it has heard of no success.
    run = await begin(
        here.deployment, here.run_context, inputs, name or f"{here.deployment.name}-{context.aws_request_id}"
    )
    return [await _plan(here, run, context)]


async def _plan(here: Container, run: str, context: Context) -> str:
    await handle_tick(TickMessage(run), TickContext(here.run_context, here.queues, here.kept, deadline(context)))
    return run


def _asked(event: Any) -> tuple[Mapping[str, str], str | None]:
    """What an invocation by hand asks for; InputError for anything else."""
    fields = event if isinstance(event, dict) else {"": event}
    inputs, name = fields.get("inputs", {}), fields.get("run")
    if fields.keys() - {"inputs", "run"} or not isinstance(inputs, dict) or not isinstance(name, str | None):
        raise InputError('expected {"inputs": {"name": "s3://…"}, "run": "name"}, both optional')
    if not all(isinstance(uri, str) for uri in inputs.values()):
        raise InputError("inputs: expected a URI for each name")
    return inputs, name


async def _armed(here: Container) -> CompiledTrigger:
    """The deployment's trigger, armed once in each container."""
    found = _triggers()
    if here.deployment.name not in found:
        found[here.deployment.name] = await compile_trigger(
            here.deployment.pipeline, here.run_context, here.deployment.code
        )
    return found[here.deployment.name]


@cache
def _triggers() -> dict[str, CompiledTrigger]:
    return {}
