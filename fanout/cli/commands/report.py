"""`fanout report`: a run as one HTML file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fanout.api.where import Where
from fanout.cli import options
from fanout.cli.commands.status import OptionalRun

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
    from fanout.api.reports import report_of
    from fanout.page.report import Report
    from fanout.queries.runs import find_run

    where = Where(store, profile=profile)
    settings = context.settings_of(Path.cwd(), where)
    commands = context.commands_of(settings, where)

    async def make() -> tuple[str, Report]:
        objects = context.open_to_read(settings)
        record = await find_run(objects, run)
        async with context.queues_to_look(settings) as queues:
            return record.name, await report_of(objects, record.name, settings, commands, queues)

    name, made = asyncio.run(make())
    if output == Path("-"):
        sys.stdout.buffer.write(made.html)
        return
    path = output or Path(f"report-{name}.html")
    path.write_bytes(made.html)
    typer.echo(path.absolute())
