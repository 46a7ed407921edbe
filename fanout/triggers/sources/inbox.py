"""The queue through which a trigger receives events: its own pair, or an existing one."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fanout.errors import QueueError, SettingsError
from fanout.pipeline.model import Trigger
from fanout.queues.base import Queue, QueueService
from fanout.scheduler.context import RunContext

_WEBHOOK = re.compile(r"arn:minio:sqs:[a-z0-9-]*:[A-Za-z0-9_-]+:webhook")
_ARN = re.compile(r"arn:[a-z-]+:sqs:[a-z0-9-]+:[0-9]+:(?P<name>[A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class Inbox:
    """A queue with messages about objects; `dead` is where those go whose receivers vanish again and again."""

    name: str
    queue: Queue
    dead: Queue | None


def is_webhook(trigger: Trigger) -> bool:
    """Whether MinIO sends events to its webhook: `fanout watch` then fills the queue itself."""
    return trigger.queue is not None and _WEBHOOK.fullmatch(trigger.queue) is not None


def inbox_name(trigger: Trigger) -> str:
    """The name of the queue: that of the trigger's own pair, unless the pipeline file names another one."""
    if trigger.queue is None or is_webhook(trigger):
        return f"fanout-{trigger.name}"
    arn = _ARN.fullmatch(trigger.queue)
    if arn is None and ":" in trigger.queue:
        raise SettingsError(
            f"trigger.queue: '{trigger.queue}' is neither the name or ARN of an SQS queue nor the ARN of a webhook of "
            "MinIO, such as arn:minio:sqs::fanout:webhook"
        )
    return arn["name"] if arn else trigger.queue


@asynccontextmanager
async def open_inbox(trigger: Trigger, context: RunContext) -> AsyncIterator[Inbox]:
    """The queue, open while the context lasts; the trigger's own is made when it is missing.

    A bucket tells SQS, whatever queues the runs themselves use; what fanout puts in itself goes where those are.
    QueueError when the queue named in the pipeline does not exist.
    """
    if not uses_sqs(trigger):
        yield await _own(trigger, context, context.queues)
        return
    from fanout.queues.sqs import SqsQueueService

    service = SqsQueueService(context.access, context.clock)
    try:
        if trigger.queue is None:
            yield await _own(trigger, context, service)
            return
        name = inbox_name(trigger)
        queue = await service.find(name)
        if queue is None:
            raise QueueError(f"there is no queue {name}, which trigger.queue names")
        yield Inbox(name, queue, None)
    finally:
        await service.close()


def uses_sqs(trigger: Trigger) -> bool:
    """Whether the bucket itself puts messages into a queue of SQS."""
    return trigger.root.startswith("s3:") and not is_webhook(trigger)


async def _own(trigger: Trigger, context: RunContext, service: QueueService) -> Inbox:
    name, settings = inbox_name(trigger), context.settings
    pair = await service.open(name) or await service.create(
        name, visibility=settings.visibility, max_receives=settings.max_receives
    )
    return Inbox(name, pair.main, pair.dead)
