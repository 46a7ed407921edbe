"""`fanout redrive`: run again what did not succeed, in another round of the same run."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.api.where import Where
from fanout.cli import options
from fanout.cli.commands.run import NewCode, carry_out

if TYPE_CHECKING:
    from fanout.cli.render.run.view import RunView
    from fanout.scheduler.context import RunContext
    from fanout.scheduler.observer import RunReport

MiniBatches = Annotated[
    list[str] | None,
    typer.Option(
        "--mini-batch",
        "-n",
        metavar="N",
        help="Only this mini-batch, or range (7-9); may be repeated.",
        show_default=False,
    ),
]


def redrive(
    run: options.RunName,
    step: options.StepName = None,
    mini_batches: MiniBatches = None,
    new_code: NewCode = False,
    strict: options.Strict = None,
    store: options.Store = None,
    queue: options.Queue = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Run again what did not succeed in a run.

    A run that has not ended is ended first, on all its machines; completed work stays.
    """
    import asyncio

    from fanout.api import context
    from fanout.planning.index_ranges import parse

    where = Where(store, queue, profile)
    settings = context.settings_of(Path.cwd(), where)
    settings = settings if strict is None else replace(settings, strict=strict)

    chosen = parse(mini_batches) if mini_batches else None

    async def job(run_context: "RunContext", view: "RunView") -> "RunReport":
        from fanout.api.orders import redrive_order
        from fanout.records.run import full_name, load_record
        from fanout.scheduler.restart.redrive import redrive as again

        record = await load_record(run_context.store, await full_name(run_context.store, run))
        return await again(record.name, redrive_order(record, step, chosen, new_code=new_code), run_context, view)

    context.open_to_read(settings)
    raise typer.Exit(asyncio.run(carry_out(job, settings, where, json=json)))
