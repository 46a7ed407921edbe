"""`fanout redrive`: run again what did not succeed, in another round of the same run."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.cli import options
from fanout.cli.commands.run import NewCode, carry_out
from fanout.cli.options import Where
from fanout.errors import RunError

if TYPE_CHECKING:
    from fanout.cli.render.run.view import RunView
    from fanout.records.run import RunRecord
    from fanout.scheduler.context import Outside
    from fanout.scheduler.observer import RunReport
    from fanout.scheduler.restart.redrive import RedriveOrder

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

    A run that was stopped before its end is ended first, wherever it still runs; what it has done stays.
    """
    import asyncio

    from fanout.cli import context

    where = Where(store, queue, profile)
    settings = context.settings_of(Path.cwd(), where)
    settings = settings if strict is None else replace(settings, strict=strict)

    async def tale(outside: "Outside", view: "RunView") -> "RunReport":
        from fanout.records.run import full_name, load_record
        from fanout.scheduler.restart.redrive import redrive as again

        record = await load_record(outside.store, await full_name(outside.store, run))
        return await again(record.name, _order(record, step, mini_batches, new_code=new_code), outside, view)

    context.open_to_read(settings)
    raise typer.Exit(asyncio.run(carry_out(tale, settings, where, json=json)))


def _order(record: "RunRecord", step: str | None, mini_batches: list[str] | None, *, new_code: bool) -> "RedriveOrder":
    """What the options ask for; RunError when they do not fit the run."""
    from fanout.pipeline.model import ParallelStep
    from fanout.planning.index_ranges import parse
    from fanout.queries.status import pick
    from fanout.scheduler.restart.redrive import RedriveOrder
    from fanout.scheduler.restart.redrive_rules import Choice

    if not step and not mini_batches:
        return RedriveOrder(new_code=new_code)
    parallel = [found.name for found in record.pipeline.steps if isinstance(found, ParallelStep)]
    if step:
        chosen = pick(record, step).name
    elif len(parallel) == 1:
        chosen = parallel[0]
    else:
        raise RunError(f"run {record.name} has {len(parallel)} parallel steps: say which with --step")
    if mini_batches and chosen not in parallel:
        raise RunError(f"step {chosen} is a command: it has no mini-batches")
    return RedriveOrder(Choice(chosen, parse(mini_batches) if mini_batches else None), new_code)
