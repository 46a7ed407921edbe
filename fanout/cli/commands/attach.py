"""`fanout attach`: shows a run that another process carries out, to its end."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fanout.api.where import Where
from fanout.cli import options
from fanout.errors import ExitCode

if TYPE_CHECKING:
    from fanout.cli.render.run.view import RunView
    from fanout.config.settings import Settings
    from fanout.scheduler.context import RunContext
    from fanout.scheduler.observer import RunReport


def attach(
    run: options.RunName,
    store: options.Store = None,
    queue: options.Queue = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Follow a run of another process, such as one with --detach.

    Ends when the run has ended, with its exit code. Ctrl-C stops following; the run goes on.
    """
    import asyncio

    from fanout.api import context

    where = Where(store, queue, profile)
    settings = context.settings_of(Path.cwd(), where)
    context.open_to_read(settings)  # a store that is not there holds no run, and is not made for looking
    raise typer.Exit(asyncio.run(_follow(run, settings, where, json=json)))


async def _follow(run: str, settings: "Settings", where: Where, *, json: bool) -> ExitCode:
    import contextlib
    import sys

    from fanout.api import context
    from fanout.cli.exit_codes import exit_code
    from fanout.cli.render.run.choose import choose_view
    from fanout.cli.render.run.conclusion import run_has_failures
    from fanout.cli.signals import until_stopped
    from fanout.queries.failures import failing_mini_batches

    async with context.run_context_of(settings) as run_context:
        commands = context.commands_of(settings, where)
        view = choose_view(sys.stdout, commands, run_context.clock, json=json)
        with contextlib.closing(view):
            report = await until_stopped(_looked_at(run, run_context, view), lambda: None, view.close)
            if report is None:
                view.notice(f"the run goes on; follow it again: {commands.attach(view.run or run)}")
                return ExitCode.CANCELED
            view.conclude(report, await failing_mini_batches(run_context.store, report))
            return exit_code(report.verdict, failed=settings.strict and run_has_failures(report))


async def _looked_at(run: str, run_context: "RunContext", view: "RunView") -> "RunReport":
    """The report of the run, once it has ended; until then the view shows what the store says."""
    from fanout.advice import advised
    from fanout.queries.follow import follow
    from fanout.records.run import full_name, load_record
    from fanout.scheduler.resident import carry_out

    name = await full_name(run_context.store, run)
    await follow(name, run_context, view, advised().resume(name))
    return await carry_out(await load_record(run_context.store, name), run_context, view)
