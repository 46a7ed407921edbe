"""`fanout run` and `fanout resume`: carry out a run and show it."""

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.api.where import Where
from fanout.cli import options
from fanout.cli.exit_codes import exit_code, the_one_inside
from fanout.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from fanout.cli.render.advised_commands import Commands
    from fanout.cli.render.run.view import RunView
    from fanout.config.settings import Settings
    from fanout.engines.node_process import WarmNode
    from fanout.scheduler.context import RunContext
    from fanout.scheduler.observer import RunReport

    Job = Callable[[RunContext, RunView], Coroutine[object, object, RunReport]]

Name = Annotated[
    str | None, typer.Option(metavar="NAME", help="The name of the run; made up by default.", show_default=False)
]


Env = Annotated[bool, typer.Option("--env", help="Run steps in environments made from their conda files.")]


NewCode = Annotated[bool, typer.Option("--new-code", help="With the code as it is now instead of as it was.")]


Reuse = Annotated[
    bool | None,
    typer.Option(
        "--reuse/--rerun",
        help="Take over, or not, what steps of earlier runs made from the same; else as force_rerun in the file says.",
        show_default=False,
    ),
]


def run(
    pipeline: options.PipelineFile,
    sets: options.Set = None,
    inputs: options.Input = None,
    name: Name = None,
    env: Env = False,
    reuse: Reuse = None,
    strict: options.Strict = None,
    store: options.Store = None,
    queue: options.Queue = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Run a pipeline and show what becomes of it."""
    from fanout.api import context
    from fanout.api.pipelines import load, look_at_tables, own_environments, warm_node

    loaded, where = load(pipeline, sets, inputs), Where(store, queue, profile)
    look_at_tables(loaded, pipeline, where)
    loaded = own_environments(loaded) if env else loaded
    loaded = loaded if reuse is None else replace(loaded, force_rerun=not reuse)
    settings = context.settings_of(pipeline, where)
    settings = settings if strict is None else replace(settings, strict=strict)

    async def job(run_context: "RunContext", view: "RunView") -> "RunReport":
        from fanout.scheduler.resident import start

        return await start(loaded, run_context, view, name)

    with warm_node(loaded, settings) as warm:
        import asyncio  # the node imports beside us from here on

        raise typer.Exit(asyncio.run(carry_out(job, settings, where, json=json, warm=warm)))


def resume(
    run: options.RunName,
    strict: options.Strict = None,
    new_code: NewCode = False,
    store: options.Store = None,
    queue: options.Queue = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Go on with a run that was stopped or lost its machine.

    With --new-code what starts from now on runs with the code folder as it is now; results so far stay.
    """
    import asyncio

    from fanout.api import context

    where = Where(store, queue, profile)
    settings = context.settings_of(Path.cwd(), where)
    settings = settings if strict is None else replace(settings, strict=strict)

    async def job(run_context: "RunContext", view: "RunView") -> "RunReport":
        from fanout.records.run import full_name
        from fanout.scheduler.resident import resume as go_on

        return await go_on(await full_name(run_context.store, run), run_context, view, new_code=new_code)

    context.open_to_read(settings)  # a store that is not there holds no run, and is not made for looking
    raise typer.Exit(asyncio.run(carry_out(job, settings, where, json=json)))


async def carry_out(
    job: "Job", settings: "Settings", where: Where, *, json: bool, warm: "WarmNode | None" = None
) -> ExitCode:
    """Shows a run from its start to its end; the exit code that its verdict asks for."""
    from fanout.api import context
    from fanout.cli.render.run.choose import choose_view
    from fanout.cli.render.run.conclusion import run_has_failures
    from fanout.cli.signals import until_stopped
    from fanout.queries.failures import failing_mini_batches
    from fanout.queries.running import follow_running
    from fanout.tasks import beside

    async with context.run_context_of(settings, warm) as run_context:
        commands = context.commands_of(settings, where)
        view = choose_view(sys.stdout, commands, run_context.clock, json=json)
        with contextlib.closing(view), _advised(view, commands), _waits_in(view):
            async with beside(follow_running(run_context.store, view, run_context.clock), "looking at what runs"):
                report = await until_stopped(
                    job(run_context, view), lambda: view.notice("stopping; again to leave at once"), view.close
                )
            if report is None:
                view.interrupted()
                return ExitCode.CANCELED
            failed = settings.strict and run_has_failures(report)
            if failed:
                view.notice("something failed: the exit code is 1, as --strict or strict in fanout.toml asks for")
            view.conclude(report, await failing_mini_batches(run_context.store, report))
            return exit_code(report.verdict, failed=failed)


@contextlib.contextmanager
def _advised(view: "RunView", commands: "Commands") -> "Iterator[None]":
    """Errors carry the command that goes on with the run, once there is one."""
    try:
        yield
    except Exception as error:
        if view.run:
            the_one_inside(error).add_note(f"go on with the run: {commands.resume(view.run)}")
        raise


def _waits_in(view: "RunView") -> "contextlib.AbstractContextManager[None]":
    """What is waited for is said among what the view shows."""
    import asyncio

    from fanout.cli.waits import reported_by

    loop = asyncio.get_running_loop()

    def print_line(text: str) -> None:
        loop.call_soon_threadsafe(view.notice, text)

    return reported_by(print_line)
