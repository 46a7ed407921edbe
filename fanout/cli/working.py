"""`fanout node`: work on a run from this machine, until its step is over."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.cli import options
from fanout.cli.options import Where
from fanout.errors import ExitCode, RunError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.node.agent import Leaving
    from fanout.run.record import RunRecord
    from fanout.spec.settings import Settings

Slots = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Processes; by default as the step says.", show_default=False)
]


def node(
    run: options.RunName,
    step: options.StepName = None,
    slots: Slots = None,
    store: options.Store = None,
    queue: options.Queue = None,
    profile: options.Profile = None,
) -> None:
    """Work on a run from this machine; any number of nodes may join."""
    import asyncio

    from fanout.cli import wiring
    from fanout.memory import collect_seldom
    from fanout.node.alone import exit_code, say_warnings
    from fanout.node.exits import DRAINED

    settings = wiring.settings_of(Path.cwd(), Where(store, queue, profile))
    say_warnings()
    collect_seldom()
    why = asyncio.run(_work(run, step, slots, settings))
    typer.echo(f"left: {why}")
    code = exit_code(why)
    raise typer.Exit(ExitCode.COMPLETED if code == DRAINED else code)  # who asked it to leave has nothing to be told


async def _work(run: str, step: str | None, slots: int | None, settings: "Settings") -> "Leaving":
    from fanout.cli import wiring
    from fanout.node.fork_server import ForkServer
    from fanout.node.serve import Surroundings, serve
    from fanout.run.record import load_record
    from fanout.view.status import pick

    wiring.open_to_read(settings)
    async with wiring.outside_of(settings) as outside:
        record = await load_record(outside.store, run)
        chosen = pick(record, step).name if step else await _step_under_way(outside.store, record)
        with contextlib.closing(ForkServer()) as forks:
            surroundings = Surroundings(outside.store, outside.queues, outside.access, outside.clock, forks)
            return await serve(record.at(chosen), surroundings, slots=slots)


async def _step_under_way(store: "ObjectStore", record: "RunRecord") -> str:
    """The first parallel step that has started and is not over; RunError when there is none."""
    from fanout.spec.steps import ParallelStep
    from fanout.step.seal import step_seal
    from fanout.store import keys
    from fanout.store.objects import read

    run = record.name
    for step in record.pipeline.steps:
        if not isinstance(step, ParallelStep) or await step_seal(store, record.at(step.name)) is not None:
            continue
        if await read(store, keys.step_json(record.at(step.name))) is not None:
            return step.name
    raise RunError(f"no parallel step of run {run} is under way; `fanout status {run}` shows where it stands")
