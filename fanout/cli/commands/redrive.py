"""`fanout redrive`: run again what did not succeed, in another round of the same run."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.api.where import Where
from fanout.cli import options
from fanout.cli.commands.run import NewCode, carry_out
from fanout.cli.exit_codes import report_error
from fanout.cli.run_names import run_names
from fanout.errors import ExitCode, SettingsError, UserError
from fanout.formatting import many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.config.settings import Settings
    from fanout.queries.run_filter import RunFilter
    from fanout.scheduler.context import RunContext
    from fanout.scheduler.observer import RunObserver, RunReport

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


AllFailed = Annotated[bool, typer.Option("--all-failed", help="All runs that ended Failed, the oldest first.")]
OptionalRun = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]", help="Name of the run, or a unique prefix.", show_default=False, autocompletion=run_names
    ),
]


def redrive(
    run: OptionalRun = None,
    step: options.StepName = None,
    mini_batches: MiniBatches = None,
    all_failed: AllFailed = False,
    since: options.Since = None,
    tag: options.Tags = None,
    trigger: options.OfTrigger = None,
    new_code: NewCode = False,
    strict: options.Strict = None,
    store: options.Store = None,
    queue: options.Queue = None,
    profile: options.Profile = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run again what did not succeed, in one run or all failed ones.

    A run that has not ended is ended first, on all its machines; completed work stays.
    """
    from fanout.api import context
    from fanout.cli.run_choice import chosen_runs
    from fanout.planning.index_ranges import parse

    where = Where(store, queue, profile)
    _check_choice(run, all_failed, chooses_runs=bool(since or tag or trigger), chooses_work=bool(step or mini_batches))
    wanted = chosen_runs(["failed"], since, tag, trigger)
    settings = context.settings_of(Path.cwd(), where)
    settings = settings if strict is None else replace(settings, strict=strict)
    chosen = parse(mini_batches) if mini_batches else None
    context.open_to_read(settings)
    names = [run] if run is not None else _failed_runs(settings, wanted)
    codes = [
        _again(name, step, chosen, settings, where, new_code=new_code, json=json, quiet=quiet, of_many=run is None)
        for name in names
    ]
    raise typer.Exit(max(codes, default=ExitCode.COMPLETED))


def _check_choice(run: str | None, all_failed: bool, *, chooses_runs: bool, chooses_work: bool) -> None:
    if all_failed == (run is not None):
        raise SettingsError("expected the name of a run, or --all-failed")
    if chooses_runs and not all_failed:
        raise SettingsError("--since, --tag and --trigger choose among the runs of --all-failed")
    if chooses_work and all_failed:
        raise SettingsError("--step and --mini-batch choose work of one run: name it in place of --all-failed")


def _failed_runs(settings: "Settings", wanted: "RunFilter") -> list[str]:
    """The names of the runs that are meant, the oldest first."""
    import asyncio

    from fanout.api import context
    from fanout.queries.runs import list_runs

    found = asyncio.run(list_runs(context.open_to_read(settings), None, wanted.takes))
    typer.echo(f"{many(len(found), 'failed run')} to run again", err=True)
    return [one.record.name for one in reversed(found)]


def _again(
    run: str,
    step: str | None,
    chosen: "Sequence[int] | None",
    settings: "Settings",
    where: Where,
    *,
    new_code: bool,
    json: bool,
    quiet: bool,
    of_many: bool,
) -> ExitCode:
    """Runs one again; its exit code. Of many, one that cannot be run again does not keep the others from it."""
    import asyncio

    async def job(run_context: "RunContext", view: "RunObserver") -> "RunReport":
        from fanout.api.orders import redrive_order
        from fanout.records.run import full_name, load_record
        from fanout.scheduler.restart.redrive import redrive as again

        record = await load_record(run_context.store, await full_name(run_context.store, run))
        return await again(record.name, redrive_order(record, step, chosen, new_code=new_code), run_context, view)

    try:
        return asyncio.run(carry_out(job, settings, where, json=json, quiet=quiet))
    except UserError as error:
        if not of_many:
            raise
        return report_error(error)
