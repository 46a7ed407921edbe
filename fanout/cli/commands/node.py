"""`fanout node`: work on a run from this machine, until its step is over."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.advice import advised
from fanout.api.where import Where
from fanout.cli import options
from fanout.errors import ExitCode, RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ObjectStore

    from fanout.cli.render.node import NodeLines
    from fanout.config.settings import Settings
    from fanout.node.dispatch.agent import Leaving
    from fanout.records.node_status import NodeStatus
    from fanout.records.run import RunRecord

Slots = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Number of processes; by default as the step says.", show_default=False),
]

Metrics = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Serve metrics for Prometheus there, such as :9464.", show_default=False),
]


def node(
    run: options.RunName,
    step: options.StepName = None,
    slots: Slots = None,
    metrics: Metrics = None,
    store: options.Store = None,
    queue: options.Queue = None,
    profile: options.Profile = None,
) -> None:
    """Work on a run on this machine; any number of nodes may join."""
    import asyncio

    from fanout.api import context
    from fanout.cli.render.node import WHY, NodeLines
    from fanout.memory import collect_seldom
    from fanout.node.exit_codes import DRAINED
    from fanout.node.standalone import exit_code, print_warnings
    from fanout.telemetry.metrics_server import address_of

    settings = context.settings_of(Path.cwd(), Where(store, queue, profile))
    print_warnings()
    collect_seldom()
    lines = NodeLines()
    address = None if metrics is None else address_of(metrics)
    why = asyncio.run(_work(run, step, slots, settings, lines, address))
    typer.echo(lines.left(WHY[why]))
    code = exit_code(why)
    raise typer.Exit(ExitCode.COMPLETED if code == DRAINED else code)  # leaving on request is a success


async def _work(
    run: str,
    step: str | None,
    slots: int | None,
    settings: "Settings",
    lines: "NodeLines",
    address: tuple[str, int] | None,
) -> "Leaving":
    from fanout.api import context
    from fanout.node.inputs_check import check_inputs
    from fanout.node.serve import NodeServices, load_step, serve
    from fanout.queries.status import pick
    from fanout.records.run import full_name, load_record
    from fanout.slot.fork_server import ForkServer

    context.open_to_read(settings)
    async with context.run_context_of(settings) as run_context:
        record = await load_record(run_context.store, await full_name(run_context.store, run))
        chosen = pick(record, step).name if step else await _step_under_way(run_context.store, record)
        with contextlib.closing(ForkServer()) as forks:
            surroundings = NodeServices(
                run_context.store,
                run_context.queues,
                run_context.access,
                run_context.clock,
                run_context.settings.store,
                forks,
            )
            typer.echo(f"joining run {record.name}, step {chosen}")
            at = record.at(chosen)
            await check_inputs(await load_step(run_context.store, at), run_context.store, run_context.access)

            seen: list[NodeStatus] = []

            def on_status(status: "NodeStatus") -> None:
                seen[:] = [status]
                for line in lines.of(status):
                    typer.echo(line)

            with _scraped(address, seen, record.name, chosen):
                return await serve(at, surroundings, slots=slots, on_status=on_status)


@contextlib.contextmanager
def _scraped(address: tuple[str, int] | None, seen: "list[NodeStatus]", run: str, step: str) -> "Iterator[None]":
    """The node's last status can be scraped while the context lasts, when an address is given."""
    from fanout.clock import SystemClock
    from fanout.telemetry.metrics_server import metrics_served
    from fanout.telemetry.prometheus import exposition, node_families

    if address is None:
        yield
        return

    def text() -> str:
        now = SystemClock().now()
        return "".join(exposition(node_families(status, run, step, now)) for status in list(seen))

    with metrics_served(address, text) as url:
        typer.echo(f"metrics: {url}")
        yield


async def _step_under_way(store: "ObjectStore", record: "RunRecord") -> str:
    """The first parallel step that has started and is not over; RunError when there is none."""
    from fanout.pipeline.model import ParallelStep
    from fanout.records.seal import step_seal
    from fanout.storage import keys
    from fanout.storage.objects import read

    run = record.name
    for step in record.pipeline.steps:
        if not isinstance(step, ParallelStep) or await step_seal(store, record.at(step.name)) is not None:
            continue
        if await read(store, keys.step_json(record.at(step.name))) is not None:
            return step.name
    raise RunError(f"no parallel step of run {run} is under way; `{advised().status(run)}` shows where it stands")
