"""How the bucket of a trigger tells the events queue of a deployment: the same notification as `fanout trigger set`."""

from collections.abc import Mapping
from dataclasses import replace

from fanout.aws.parameters import stack_name
from fanout.errors import SettingsError
from fanout.pipeline.model import Pipeline, Trigger
from fanout.queues.sqs import SqsQueueService
from fanout.scheduler.context import RunContext
from fanout.triggers.loop_guard import own_places
from fanout.triggers.sources.bucket_setup import look, set_up, take_down

QUEUES = ("events", "work", "tick", "reduce", "dead", "undelivered")


def events_queue(deployment: str) -> str:
    """The name of the queue through which a deployment receives events."""
    return f"{stack_name(deployment)}-events"


def trigger_of(deployment: str, pipeline: Pipeline, context: RunContext) -> Trigger | None:
    """The pipeline's trigger, its arrivals going to the deployment.

    SettingsError when it cannot be: a folder, a queue of another owner, or runs that would start each other.
    """
    trigger = pipeline.trigger
    if trigger is None:
        return None
    if not trigger.root.startswith("s3://"):
        raise SettingsError(f"{pipeline.file}: trigger: functions receive events of a bucket, not of a folder")
    if trigger.queue is not None:
        raise SettingsError(
            f"{pipeline.file}: trigger.queue: a deployment has a queue of its own for arrivals; leave this out"
        )
    own_places(pipeline, trigger, context.settings)
    return replace(trigger, queue=events_queue(deployment))


def trigger_before(deployment: str, parameters: Mapping[str, str]) -> Trigger | None:
    """The trigger that a stack was made for, as far as taking it down needs it."""
    name, bucket = (parameters.get(key, "") for key in ("TriggerName", "TriggerBucket"))
    return Trigger(name, f"s3://{bucket}", "", queue=events_queue(deployment)) if name and bucket else None


def is_same(one: Trigger | None, other: Trigger | None) -> bool:
    """Whether both are one notification of one bucket."""
    return (one and (one.name, one.root)) == (other and (other.name, other.root))


async def sends_events(trigger: Trigger | None, context: RunContext) -> bool:
    """Whether the bucket already sends its events."""
    return trigger is None or (await look(trigger, context)).is_set


async def change(before: Trigger | None, now: Trigger | None, context: RunContext) -> tuple[str, ...]:
    """The bucket tells as it should, and an earlier one does not any more; what was changed, in words."""
    changes: tuple[str, ...] = ()
    if before is not None and not is_same(before, now):
        changes += (await take_down(before, context)).changes
    if now is not None:
        changes += (await set_up(now, context)).changes
    return changes


async def waiting(deployment: str, context: RunContext) -> int:
    """How many messages are in the queues of a deployment, about; queues that are not there hold none."""
    service = SqsQueueService(context.access, context.clock)
    try:
        found = [await service.find(f"{stack_name(deployment)}-{queue}") for queue in QUEUES]
        return sum([(await queue.depth()).total for queue in found if queue is not None])
    finally:
        await service.close()
