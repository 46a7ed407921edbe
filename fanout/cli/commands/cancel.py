"""`fanout cancel`: ends a run, wherever its nodes are."""

import json as json_format
import sys
from pathlib import Path

import typer

from fanout.api.where import Where
from fanout.cli import options
from fanout.errors import ExitCode


def cancel(
    run: options.RunName,
    store: options.Store = None,
    queue: options.Queue = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Stop a run for good, on all machines; completed work stays.

    Exit code 0: the run is Canceled. 1: it had already ended in another way.
    """
    import asyncio

    from fanout.api import context
    from fanout.cli.render.canceled import cancel_fields, cancel_lines
    from fanout.cli.render.output import output_to
    from fanout.queries.status import read_status
    from fanout.records.run import full_name
    from fanout.scheduler.cancel import CancelEnd
    from fanout.scheduler.cancel import cancel as end_run

    where = Where(store, queue, profile)
    settings = context.settings_of(Path.cwd(), where)

    async def carry_out() -> CancelEnd:
        async with context.run_context_of(settings) as run_context:
            end = await end_run(await full_name(run_context.store, run), run_context)
            status = await read_status(run_context.store, end.record, settings)
            if json:
                typer.echo(json_format.dumps(cancel_fields(end, status)))
                return end
            output = output_to(sys.stdout)
            commands = context.commands_of(settings, where)
            for line in cancel_lines(end, status, settings.store, commands, output.paint):
                output.line(line)
            return end

    context.open_to_read(settings)  # a store that is not there holds no run, and is not made for looking
    raise typer.Exit(ExitCode.COMPLETED if asyncio.run(carry_out()).canceled else ExitCode.FAILED)
