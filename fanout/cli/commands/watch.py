"""`fanout watch`: starts and carries out a run for each object that arrives."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.api.where import Where
from fanout.cli import options
from fanout.cli.commands.run import Env

if TYPE_CHECKING:
    from fanout.config.settings import Settings
    from fanout.pipeline.model import Pipeline
    from fanout.triggers.service import WatchOptions

MaxRuns = Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Runs at the same time.")]
Listen = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Address for MinIO's webhook; 127.0.0.1:9750.", show_default=False),
]
Retry = Annotated[bool, typer.Option("--retry", help="Retry starts that were given up earlier.")]


def watch(
    pipeline: options.PipelineFile,
    max_runs: MaxRuns = 2,
    listen: Listen = None,
    retry: Retry = False,
    sets: options.Set = None,
    inputs: options.Input = None,
    env: Env = False,
    store: options.Store = None,
    queue: options.Queue = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Start a run for each object that arrives.

    The section `trigger` of the file names the bucket or folder. Ctrl-C finishes the runs that have begun; a second
    Ctrl-C stops at once. The next watch continues.
    """
    import asyncio

    from fanout.api import context
    from fanout.api.pipelines import load, look_at_tables, own_environments

    where = Where(store, queue, profile)
    loaded = load(pipeline, sets, inputs, where=where, for_trigger=True)
    look_at_tables(loaded, pipeline, where)
    loaded = own_environments(loaded) if env else loaded
    settings = context.settings_of(pipeline, where)
    chosen = _options(loaded, max_runs, listen, retry=retry)
    asyncio.run(_carry_out(loaded, settings, where, chosen, json=json))


def _options(pipeline: "Pipeline", max_runs: int, listen: str | None, *, retry: bool) -> "WatchOptions":
    from fanout.errors import SettingsError
    from fanout.triggers.service import WatchOptions
    from fanout.triggers.sources.inbox import is_webhook
    from fanout.triggers.sources.webhook import DEFAULT_LISTEN, listen_on, token_of

    if pipeline.trigger is None or not is_webhook(pipeline.trigger):
        if listen is not None:
            raise SettingsError("--listen: is for a trigger whose queue is the ARN of a webhook of MinIO")
        return WatchOptions(max_runs, retry=retry)
    return WatchOptions(max_runs, listen_on(listen or DEFAULT_LISTEN), token_of(os.environ), retry)


async def _carry_out(
    pipeline: "Pipeline", settings: "Settings", where: Where, chosen: "WatchOptions", *, json: bool
) -> None:
    import asyncio

    from fanout.api import context
    from fanout.cli.render.output import Console, output_to
    from fanout.cli.render.watch import JsonWatchView, PlainWatchView
    from fanout.cli.signals import until_drained
    from fanout.triggers import service

    async with context.run_context_of(settings) as run_context:
        view = (
            JsonWatchView(Console(sys.stdout), run_context.clock)
            if json
            else PlainWatchView(
                output_to(sys.stdout), context.commands_of(settings, where), run_context.clock, pipeline.file
            )
        )
        stopping = asyncio.Event()
        await until_drained(service.watch(pipeline, run_context, view, chosen, stopping), stopping.set, lambda: None)
        view.stopped()
