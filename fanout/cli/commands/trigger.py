"""`fanout trigger`: the notification of a bucket, and how a trigger stands."""

import json as json_format
import sys
from typing import TYPE_CHECKING

import typer

from fanout.api.where import Where
from fanout.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fanout.pipeline.model import Pipeline, Trigger
    from fanout.scheduler.context import RunContext
    from fanout.triggers.sources.bucket_setup import SetUpChanges

    Change = Callable[[Trigger, RunContext], Coroutine[object, object, SetUpChanges]]

trigger = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Set, show or remove the notification of a bucket.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@trigger.command("set")
def set_(
    pipeline: options.PipelineFile,
    sets: options.Set = None,
    store: options.Store = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Create the queue and the notification of the bucket.

    Other notifications stay as they are. A second call changes nothing.
    """
    from fanout.triggers.loop_guard import own_places
    from fanout.triggers.sources.bucket_setup import set_up

    async def change(wanted: "Trigger", run_context: "RunContext") -> "SetUpChanges":
        own_places(loaded, wanted, run_context.settings)  # refused now rather than when a run starts the next
        return await set_up(wanted, run_context)

    loaded = _loaded(pipeline, sets, Where(store, profile=profile))
    _change(loaded, change, Where(store, profile=profile), json=json)


@trigger.command()
def remove(
    pipeline: options.PipelineFile,
    sets: options.Set = None,
    store: options.Store = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Remove the notification, and the queue when it is empty."""
    from fanout.triggers.sources.bucket_setup import take_down

    _change(_loaded(pipeline, sets, Where(store, profile=profile)), take_down, Where(store, profile=profile), json=json)


@trigger.command()
def show(
    pipeline: options.PipelineFile,
    sets: options.Set = None,
    store: options.Store = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Show what is watched, the notification, and the starts that failed."""
    import asyncio
    from pathlib import Path

    from fanout.api import context
    from fanout.cli.render.output import output_to
    from fanout.cli.render.trigger import trigger_fields, trigger_lines
    from fanout.triggers.records import TriggerRecords
    from fanout.triggers.sources.bucket_setup import look

    loaded = _loaded(pipeline, sets, Where(store, profile=profile))
    wanted = _trigger_of(loaded)
    settings = context.settings_of(Path(loaded.file), Where(store, profile=profile))

    async def show_trigger() -> None:
        async with context.run_context_of(settings, to_look=True) as run_context:
            records = TriggerRecords(run_context.store, wanted.name)
            standing = await look(wanted, run_context) if wanted.root.startswith("s3:") else None
            starts = len(await records.starts())
            letters = [letter async for letter in records.letters()]
            if json:
                typer.echo(json_format.dumps(trigger_fields(wanted, standing, starts, letters)))
                return
            output = output_to(sys.stdout)
            for line in trigger_lines(wanted, standing, starts, letters, output.paint, str(pipeline)):
                output.line(line)

    asyncio.run(show_trigger())


def _loaded(pipeline: options.PipelineFile, sets: list[str] | None, where: Where) -> "Pipeline":
    from fanout.api.pipelines import load

    return load(pipeline, sets, where=where, for_trigger=True)


def _trigger_of(pipeline: "Pipeline") -> "Trigger":
    assert pipeline.trigger is not None  # noqa: S101 - it was loaded for it
    return pipeline.trigger


def _change(pipeline: "Pipeline", change: "Change", where: Where, *, json: bool) -> None:
    import asyncio
    from pathlib import Path

    from fanout.api import context

    settings = context.settings_of(Path(pipeline.file), where)

    async def carry_out() -> "SetUpChanges":
        async with context.run_context_of(settings) as run_context:
            return await change(_trigger_of(pipeline), run_context)

    changes = asyncio.run(carry_out()).changes
    if json:
        typer.echo(json_format.dumps({"changes": changes}))
        return
    for line in changes or ("nothing to change",):
        typer.echo(line)
