"""`fanout ui` and `fanout report`: runs to look at, on a live page or as one HTML file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.api.where import Where
from fanout.cli import options
from fanout.cli.commands.status import OptionalRun
from fanout.errors import RunError

if TYPE_CHECKING:
    from fanout.config.settings import Settings
    from fanout.page.answers import Act, Answers

DEFAULT_PORT = 8350
Host = Annotated[
    str, typer.Option("--host", metavar="HOST", help="Address to listen on; only this machine reaches the default.")
]
Port = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65535, metavar="N", help="By default 8350, or a free one.", show_default=False),
]
AllowActions = Annotated[bool, typer.Option("--allow-actions", help="The page may cancel and redrive runs.")]
Open = Annotated[bool, typer.Option("--open", help="Open the page in a browser.")]


def ui(
    host: Host = "127.0.0.1",
    port: Port = None,
    allow_actions: AllowActions = False,
    open_: Open = False,
    store: options.Store = None,
    queue: options.Queue = None,
    profile: options.Profile = None,
) -> None:
    """Show runs on a page in the browser, live.

    The page reads the store: runs on this machine, on a cluster or on AWS, under way or over. The address that is
    printed has a token, without which nothing is answered. Ctrl-C ends it; runs go on.
    """
    import asyncio

    from fanout.api import context
    from fanout.clock import SystemClock
    from fanout.errors import InfrastructureError

    where = Where(store, queue, profile)
    settings = context.settings_of(Path.cwd(), where)

    async def serve() -> None:
        async with context.queues_to_look(settings) as queues:
            from fanout.page.answers import Answers
            from fanout.page.watched_runs import WatchedRuns
            from fanout.queries.page.run_reader import RunReader

            objects, commands = context.open_to_read(settings), context.commands_of(settings, where)
            runs = WatchedRuns(
                lambda run, round_: RunReader(objects, run, settings, commands, queues, round_), SystemClock()
            )
            answers = Answers(objects, runs, _actions(settings, where) if allow_actions else None)
            try:
                await _serve(host, DEFAULT_PORT if port is None else port, answers, open_=open_)
            except InfrastructureError:
                if port is not None:
                    raise
                await _serve(host, 0, answers, open_=open_)

    asyncio.run(serve())


async def _serve(host: str, port: int, answers: "Answers", *, open_: bool) -> None:
    import asyncio
    import secrets

    from fanout.cli.signals import until_drained
    from fanout.page.server import Listen, serving

    stopping = asyncio.Event()
    async with serving(Listen(host, port), secrets.token_urlsafe(24), answers) as url:
        typer.echo(f"{url}\nCtrl-C ends the page; runs go on")
        sys.stdout.flush()
        if open_:
            import webbrowser

            webbrowser.open(url)
        await until_drained(stopping.wait(), stopping.set, lambda: None)


def _actions(settings: "Settings", where: Where) -> "Act":
    """Cancels a run here, or starts a process that redrives it and outlives the page."""

    async def act(run: str, action: str) -> str:
        from fanout.api import context
        from fanout.records.run import load_record
        from fanout.scheduler.cancel import cancel

        record = await load_record(context.open_to_read(settings), run)
        if action == "cancel":
            async with context.run_context_of(settings, print_line=lambda _: None) as run_context:
                ended = await cancel(record.name, run_context)
            return f"{record.name} ended {ended.seal.verdict.status}: {ended.seal.verdict.reason}"
        if action == "redrive":
            _start(context.commands_of(settings, where).redrive(record.name))
            return f"{record.name} is being redriven"
        raise RunError(f"there is no action {action[:40]!r}")

    return act


def _start(line: str) -> None:
    import shlex
    import subprocess

    folder, _, command = line.rpartition(" && ")
    words = shlex.split(command)[1:]
    subprocess.Popen(  # noqa: S603 - this interpreter and our own options
        [sys.executable, "-P", "-m", "fanout", *words, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=shlex.split(folder)[1] if folder else None,
        start_new_session=True,
    )


Target = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="The file to write; by default report-RUN.html here, - is stdout.",
        show_default=False,
    ),
]


def report(
    run: OptionalRun = None, output: Target = None, store: options.Store = None, profile: options.Profile = None
) -> None:
    """Write a run as one HTML file to open, mail or keep."""
    import asyncio

    from fanout.api import context
    from fanout.api.reports import find_report

    where = Where(store, profile=profile)
    settings = context.settings_of(Path.cwd(), where)
    name, made = asyncio.run(find_report(run, settings, context.commands_of(settings, where)))
    if output == Path("-"):
        sys.stdout.buffer.write(made.html)
        return
    path = output or Path(f"report-{name}.html")
    path.write_bytes(made.html)
    typer.echo(path.absolute())
