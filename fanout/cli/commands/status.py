"""`fanout status`, `fanout list` and `fanout logs`: look at runs in the store."""

import json as json_format
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.advice import advised
from fanout.api.where import Where
from fanout.cli import options
from fanout.cli.run_names import run_names
from fanout.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obstore.store import ObjectStore

    from fanout.pipeline.model import Step
    from fanout.queries.logs import LogChoice
    from fanout.queries.status import RunStatus
    from fanout.records.run import RunRecord

FOLLOW_EVERY = 1.0
StrictStatus = Annotated[bool, typer.Option("--strict", help="Exit code 1 when anything has failed so far.")]
OptionalRun = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]", help="Name of the run; by default the newest.", show_default=False, autocompletion=run_names
    ),
]
Last = Annotated[int, typer.Option(min=1, metavar="N", help="How many runs, newest first.")]
Verdicts = Annotated[
    list[str] | None,
    typer.Option(
        "--verdict",
        metavar="VERDICT",
        help="Only runs that are completed, with-failures, failed, canceled or not-ended; may be repeated.",
        show_default=False,
    ),
]
NodeNumber = Annotated[int | None, typer.Option("--node", min=0, metavar="N", help="One node.", show_default=False)]
ProcessName = Annotated[
    str | None, typer.Option("--process", metavar="P", help="One process, such as process000.", show_default=False)
]
Stderr = Annotated[bool, typer.Option("--stderr", help="Show stderr instead of stdout.")]
FOLLOW_EVERY = 2.0
"""Seconds between two statuses."""
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Continue until the run ends.")]


def status(
    run: OptionalRun = None,
    strict: StrictStatus = False,
    follow: Follow = False,
    store: options.Store = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Show the state of a run and the nodes that work on it."""
    import asyncio

    from fanout.api import context
    from fanout.cli.render.output import output_to
    from fanout.cli.render.status_text import status_fields, status_lines
    from fanout.queries.runs import find_run
    from fanout.queries.status import read_status

    where = Where(store, profile=profile)
    settings = context.settings_of(Path.cwd(), where)
    output, commands = output_to(sys.stdout), context.commands_of(settings, where)

    def show(found: "RunStatus") -> None:
        if json:
            typer.echo(json_format.dumps(status_fields(found)))
        else:
            for line in status_lines(found, commands, output.paint):
                output.line(line)
        sys.stdout.flush()

    async def look() -> "RunStatus":
        objects = context.open_to_read(settings)
        record = await find_run(objects, run)
        async with context.queues_to_look(settings) as queues:
            while (found := await read_status(objects, record, settings, queues)).seal is None and follow:
                if sys.stdout.isatty() and not json:
                    typer.echo("\x1b[H\x1b[2J", nl=False)  # in the place of the status before
                show(found)
                await asyncio.sleep(FOLLOW_EVERY)
            return found

    found = asyncio.run(look())
    show(found)
    if strict and found.has_failures:
        raise typer.Exit(ExitCode.FAILED)


def list_(
    last: Last = 20,
    verdict: Verdicts = None,
    since: options.Since = None,
    tag: options.Tags = None,
    trigger: options.OfTrigger = None,
    store: options.Store = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """List the runs of the store, newest first."""
    import asyncio

    from fanout.api import context
    from fanout.cli.render.listing import list_fields, list_lines
    from fanout.cli.render.output import output_to
    from fanout.cli.run_choice import chosen_runs
    from fanout.queries.runs import list_runs

    wanted = chosen_runs(verdict, since, tag, trigger)
    settings = context.settings_of(Path.cwd(), Where(store, profile=profile))

    async def look() -> None:
        runs = await list_runs(context.open_to_read(settings), last, wanted.takes)
        if json:
            typer.echo(json_format.dumps({"runs": list_fields(runs)}))
            return
        output = output_to(sys.stdout)
        for line in list_lines(runs, output.paint):
            output.line(line)

    asyncio.run(look())


def logs(
    run: OptionalRun = None,
    step: options.StepName = None,
    node: NodeNumber = None,
    process: ProcessName = None,
    stderr: Stderr = False,
    follow: Follow = False,
    store: options.Store = None,
    profile: options.Profile = None,
) -> None:
    """Show the tracebacks of a run and the output of its scripts."""
    import asyncio

    from fanout.api import context
    from fanout.queries.logs import LogChoice
    from fanout.queries.runs import find_run
    from fanout.queries.status import pick

    settings = context.settings_of(Path.cwd(), Where(store, profile=profile))

    async def look() -> None:
        objects = context.open_to_read(settings)
        record = await find_run(objects, run)
        steps = [pick(record, step)] if step else record.pipeline.steps
        shown = await _show_logs(
            objects, record, [found.name for found in steps], LogChoice(node, process, stderr), follow=follow
        )
        if not shown:
            typer.echo(await _why_nothing(objects, record, steps), err=True)

    asyncio.run(look())


async def _why_nothing(store: "ObjectStore", record: "RunRecord", steps: "Sequence[Step]") -> str:
    from fanout.scheduler.reuse.taken_over import taken_over

    for step in steps:
        if (earlier := await taken_over(store, record.at(step.name))) is not None:
            return (
                f"{step.name} was taken over from run {earlier.run}; what it printed there: "
                f"{advised().logs(earlier.run, earlier.step)}"
            )
    return "nothing was printed so far"


async def _show_logs(
    store: "ObjectStore", record: "RunRecord", steps: "Sequence[str]", choice: "LogChoice", *, follow: bool
) -> int:
    """Writes the logs of these steps; returns how many bytes."""
    import asyncio

    from fanout.cli.render.logs import log_writer
    from fanout.queries.logs import LogReader
    from fanout.records.seal import read_seal
    from fanout.storage import keys

    write = log_writer(sys.stdout)

    readers = [
        LogReader(store, keys.logs(record.at(step)), choice, write, whose=f"{step}: " if len(steps) > 1 else "")
        for step in steps
    ]
    shown = 0
    while True:
        # Asked before the pass: what was written until the end is in it.
        over = not follow or await read_seal(store, keys.run_verdict(record.name, record.round)) is not None
        for reader in readers:
            shown += await reader.pass_on()
        if over:
            return shown
        await asyncio.sleep(FOLLOW_EVERY)
