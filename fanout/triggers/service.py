"""Runs a watch: compiles the trigger, opens its inbox, starts the source of events, and carries out runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fanout.pipeline.model import Pipeline
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import Unwatched
from fanout.scheduler.step_environments import prepare_environments
from fanout.tasks import task_group
from fanout.triggers.compiled import CompiledTrigger, compile_trigger
from fanout.triggers.observer import WatchObserver
from fanout.triggers.records import TriggerRecords
from fanout.triggers.runner import Runner
from fanout.triggers.sources.folder import FolderFeeder, check_folder
from fanout.triggers.sources.inbox import Inbox, is_webhook, open_inbox
from fanout.triggers.sources.webhook import Listen, webhook
from fanout.triggers.watch import Watch


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How to watch: runs at the same time, where MinIO's webhook is listened for, whether dead letters are retried."""

    at_once: int = 2
    listen: Listen | None = None
    token: str = ""
    retry: bool = False


async def watch(
    pipeline: Pipeline, context: RunContext, observer: WatchObserver, options: WatchOptions, stopping: asyncio.Event
) -> None:
    """Starts and carries out a run for what arrives until `stopping` is set, and then finishes those that have begun.

    UserError, before anything starts, for a trigger that cannot work.
    """
    compiled = await compile_trigger(pipeline, context)
    if compiled.trigger.root.startswith("file:"):
        check_folder(compiled.trigger.root)
    for notice in compiled.notices:
        observer.trouble(notice)
    await prepare_environments(pipeline.steps, _WatchNotices(observer))
    records = TriggerRecords(context.store, compiled.trigger.name)
    if options.retry:
        async for letter in records.letters():
            if not letter.gone and letter.events:
                await records.retry(letter)
    async with open_inbox(compiled.trigger, context) as inbox:
        runner = Runner(records, context, observer, options.at_once)
        async with _filled(compiled, inbox, context, observer, options, stopping) as event_source:
            await Watch(compiled, context, inbox, observer, runner, stopping).work(event_source)


@contextlib.asynccontextmanager
async def _filled(
    compiled: CompiledTrigger,
    inbox: Inbox,
    context: RunContext,
    observer: WatchObserver,
    options: WatchOptions,
    stopping: asyncio.Event,
) -> AsyncIterator[str]:
    """Puts events into the inbox while the context lasts; yields the name of their source."""
    trigger = compiled.trigger
    if is_webhook(trigger):
        assert options.listen is not None  # noqa: S101 - the command line sees to it
        async with webhook(options.listen, options.token, compiled, inbox.queue) as url:
            yield f"MinIO's webhook, to {url}"
    elif trigger.root.startswith("file:"):
        records = TriggerRecords(context.store, trigger.name)
        feeder = FolderFeeder(compiled, records, inbox.queue, context.clock, observer.trouble)
        async with task_group() as tasks:
            feeding = tasks.create_task(feeder.work(stopping))
            yield "the folder itself"
            feeding.cancel()
    else:
        yield f"queue {inbox.name}"


@dataclass(frozen=True, slots=True)
class _WatchNotices(Unwatched):
    """Passes notices about environments to the watch's observer."""

    observer: WatchObserver

    def notice(self, text: str) -> None:
        self.observer.trouble(text)
