"""Sets up what a trigger needs on AWS: a queue, the permission for the bucket to send to it, and the notification."""

from dataclasses import dataclass

from fanout.advice import advised
from fanout.errors import QueueGoneError, SettingsError
from fanout.pipeline.model import Trigger
from fanout.queues.base import Depth
from fanout.queues.sqs import SqsQueueService
from fanout.scheduler.context import RunContext
from fanout.triggers.sources.bucket_notifications import read_notifications, write_notifications
from fanout.triggers.sources.bucket_rules import (
    Notification,
    find,
    is_same_policy,
    notification_id,
    policy_with,
    policy_without,
    with_ours,
    without,
)
from fanout.triggers.sources.inbox import inbox_name, is_webhook, uses_sqs


@dataclass(frozen=True, slots=True)
class SetUpChanges:
    """What was changed, in words, in the order it was done; empty when all was as it should be."""

    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BucketState:
    """How a trigger stands outside: None where there is nothing."""

    wanted: Notification | None  # None: its queue does not exist yet
    there: Notification | None
    inbox: Depth | None = None
    dead: Depth | None = None

    @property
    def is_set(self) -> bool:
        """Whether the bucket tells what it should."""
        return self.there is not None and self.there == self.wanted


async def set_up(trigger: Trigger, context: RunContext) -> SetUpChanges:
    """The bucket tells the queue of arrivals, as the trigger says; what is there already is left, and all of others."""
    bucket, changes = _bucket(trigger), list[str]()
    service = SqsQueueService(context.access, context.clock)
    try:
        there = await read_notifications(bucket, context.access)
        if uses_sqs(trigger):
            changes += await _set_queue(trigger, bucket, service, context)
        wanted = await _wanted(trigger, service)
        assert wanted is not None  # noqa: S101 - the queue is there now
        if find(there, wanted.id) != wanted:
            await write_notifications(bucket, with_ours(there, wanted), context.access)
            changes.append(f"s3://{bucket} tells {wanted.queue} of {trigger.prefix}*{trigger.suffix}")
    finally:
        await service.close()
    return SetUpChanges(tuple(changes))


async def take_down(trigger: Trigger, context: RunContext) -> SetUpChanges:
    """The bucket tells nothing for this trigger any more, and its own queue is gone unless there is something in it."""
    bucket, changes, id_ = _bucket(trigger), list[str](), notification_id(trigger.name)
    service = SqsQueueService(context.access, context.clock)
    try:
        there = await read_notifications(bucket, context.access)
        if find(there, id_) is not None:
            await write_notifications(bucket, without(there, id_), context.access)
            changes.append(f"s3://{bucket} tells nothing for {id_} any more")
        if uses_sqs(trigger):
            changes += await _remove_queue(trigger, service)
    finally:
        await service.close()
    return SetUpChanges(tuple(changes))


async def look(trigger: Trigger, context: RunContext) -> BucketState:
    """How the trigger stands; nothing is changed."""
    bucket = _bucket(trigger)
    there = find(await read_notifications(bucket, context.access), notification_id(trigger.name))
    service = SqsQueueService(context.access, context.clock)
    try:
        if not uses_sqs(trigger):
            return BucketState(await _wanted(trigger, service), there)
        main = await service.find(inbox_name(trigger))
        pair = await service.open(inbox_name(trigger)) if trigger.queue is None else None
        return BucketState(
            wanted=await _wanted(trigger, service) if main else None,
            there=there,
            inbox=await main.depth() if main else None,
            dead=await pair.dead.depth() if pair else None,
        )
    finally:
        await service.close()


def _bucket(trigger: Trigger) -> str:
    if not trigger.root.startswith("s3://"):
        raise SettingsError(
            f"a trigger on a folder needs no notification: `{advised().watch('PIPELINE')}` looks at the folder itself"
        )
    return trigger.root.removeprefix("s3://")


async def _wanted(trigger: Trigger, service: SqsQueueService) -> Notification | None:
    id_ = notification_id(trigger.name)
    if is_webhook(trigger):
        return Notification(id_, trigger.queue or "", trigger.prefix, trigger.suffix)
    try:
        return Notification(id_, await service.arn(inbox_name(trigger)), trigger.prefix, trigger.suffix)
    except QueueGoneError:
        return None


async def _set_queue(trigger: Trigger, bucket: str, service: SqsQueueService, context: RunContext) -> list[str]:
    name, changes, settings = inbox_name(trigger), list[str](), context.settings
    if trigger.queue is None and await service.open(name) is None:
        await service.create(name, visibility=settings.visibility, max_receives=settings.max_receives)
        changes.append(f"queue {name} and its dead-letter queue are made")
    before = await service.policy(name)
    after = policy_with(before, notification_id(trigger.name), await service.arn(name), bucket)
    if not is_same_policy(before, after):
        await service.set_policy(name, after)
        changes.append(f"queue {name} takes messages from s3://{bucket}")
    return changes


async def _remove_queue(trigger: Trigger, service: SqsQueueService) -> list[str]:
    name, id_ = inbox_name(trigger), notification_id(trigger.name)
    if await service.find(name) is None:
        return []
    pair = await service.open(name) if trigger.queue is None else None
    if pair is not None:
        left = (await pair.main.depth()).total + (await pair.dead.depth()).total
        if not left:
            await service.remove(name)
            return [f"queue {name} and its dead-letter queue are removed"]
    policy = await service.policy(name)
    if policy and not is_same_policy(policy, after := policy_without(policy, id_)):
        await service.set_policy(name, after)
        return [f"queue {name} takes no more messages from the bucket" + (", and keeps those in it" if pair else "")]
    return []
