"""`fanout rm` and `fanout gc`: what goes from a store for good."""

import json as json_format
import sys
from pathlib import Path
from typing import Annotated

import typer

from fanout.advice import advised
from fanout.api.where import Where
from fanout.cli import options
from fanout.cli.asking import agreed, left_undone
from fanout.errors import ExitCode

OlderThan = Annotated[str, typer.Option("--older-than", metavar="AGE", help="Runs that have not changed for so long.")]
Keep = Annotated[int, typer.Option(min=0, metavar="N", help="The newest runs, which stay whatever their age.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Remove it; without, it is only shown.")]


def rm(
    run: options.RunName,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    store: options.Store = None,
    queue: options.Queue = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Remove a finished run, with logs, queues and stored outputs.

    Outputs that the pipeline gave a path of their own stay.
    """
    import asyncio

    from fanout.api import context
    from fanout.cli.render.housekeeping import removal_fields, removal_lines
    from fanout.cli.render.output import output_to
    from fanout.housekeeping.removal import check_removable, content_of, removable_name, remove_run

    settings = context.settings_of(Path.cwd(), Where(store, queue, profile))
    context.open_to_read(settings)
    output = output_to(sys.stderr if json else sys.stdout)

    async def carry_out() -> ExitCode:
        async with context.run_context_of(settings) as run_context:
            name = await removable_name(run, run_context)
            await check_removable(name, run_context)
            content = await content_of(name, run_context)
            for line in removal_lines(content):
                output.line(line)
            if dry_run or not (yes or agreed("remove this?")):
                output.line("nothing was removed")
                return left_undone("rm", yes=yes, dry_run=dry_run)
            await remove_run(content, run_context)
            output.line(f"{output.paint.good('removed')} {name}")
            if json:
                typer.echo(json_format.dumps(removal_fields(content)))
            return ExitCode.COMPLETED

    raise typer.Exit(asyncio.run(carry_out()))


def gc(
    older_than: OlderThan = "30d",
    keep: Keep = 10,
    yes: Yes = False,
    store: options.Store = None,
    queue: options.Queue = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Show, or with --yes remove, old runs and what no run needs.

    That is code, notes for reuse, queues, unfinished uploads and scratch. Runs that are not over stay.
    """
    import asyncio

    from fanout.api import context
    from fanout.cli.render.housekeeping import garbage_fields, garbage_lines
    from fanout.cli.render.output import output_to
    from fanout.housekeeping.collection import collect, find_garbage

    settings = context.settings_of(Path.cwd(), Where(store, queue, profile))
    context.open_to_read(settings)
    age = options.seconds_in("--older-than", older_than)
    output = output_to(sys.stderr if json else sys.stdout)

    async def carry_out() -> None:
        async with context.run_context_of(settings) as run_context:
            garbage = await find_garbage(run_context, age, keep)
            for line in garbage_lines(garbage):
                output.line(line)
            if yes:
                await collect(garbage, run_context, lambda text: output.line(output.paint.warning(text)))
            if json:
                typer.echo(json_format.dumps(garbage_fields(garbage, removed=yes)))
            elif garbage.is_empty:
                output.line("there is nothing to remove")
            else:
                command = advised().collect(older_than, keep)
                output.line(output.paint.good("removed") if yes else f"nothing was removed; to remove it: {command}")

    asyncio.run(carry_out())
