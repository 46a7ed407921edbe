"""`fanout deploy` and `fanout destroy`: a pipeline as functions on AWS that start by themselves."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.api.where import Where
from fanout.cli import options
from fanout.cli.asking import agreed, left_undone
from fanout.errors import ExitCode, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.aws.deploy import Wanted
    from fanout.aws.stack import Stack
    from fanout.config.settings import Settings


class Target(StrEnum):
    """Where a pipeline is brought."""

    AWS = "aws"
    KUBERNETES = "kubernetes"


Name = Annotated[
    str | None,
    typer.Option(
        "--name", metavar="NAME", help="Name of the deployment; by default the pipeline's.", show_default=False
    ),
]
Image = Annotated[
    str | None, typer.Option(metavar="URI", help="Image of the functions, from infra/Dockerfile.", show_default=False)
]
Workers = Annotated[
    int | None, typer.Option(min=2, max=1000, metavar="N", help="The most workers at once.", show_default=False)
]
Seconds = Annotated[
    int | None,
    typer.Option("--worker-seconds", min=60, max=900, metavar="S", help="Time limit of a worker.", show_default=False),
]
Memory = Annotated[
    int | None,
    typer.Option("--worker-memory", min=512, max=10240, metavar="MB", help="Memory of a worker.", show_default=False),
]
Alarms = Annotated[
    str | None, typer.Option(metavar="ARN", help="SNS topic that alarms are sent to.", show_default=False)
]
Reads = Annotated[
    list[str] | None,
    typer.Option("--reads", metavar="URI", help="Data that runs may read besides the inputs.", show_default=False),
]
Parameter = Annotated[
    list[str] | None,
    typer.Option("--parameter", metavar="KEY=VALUE", help="Another parameter of the template.", show_default=False),
]
To = Annotated[Target, typer.Option("--to", help="aws, or kubernetes: manifests for kubectl.")]
Run = Annotated[
    str | None,
    typer.Option("--run", metavar="RUN", help="With --to kubernetes: nodes for this run.", show_default=False),
]
Render = Annotated[bool, typer.Option("--render", help="Print the template and its parameters, without asking AWS.")]
Data = Annotated[bool, typer.Option("--data", help="Also remove all runs, outputs, code and logs in the store.")]


def deploy(
    pipeline: options.PipelineFile,
    name: Name = None,
    image: Image = None,
    workers: Workers = None,
    worker_seconds: Seconds = None,
    worker_memory: Memory = None,
    alarms: Alarms = None,
    reads: Reads = None,
    parameter: Parameter = None,
    sets: options.Set = None,
    inputs: options.Input = None,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    render: Render = False,
    to: To = Target.AWS,
    run: Run = None,
    step: options.StepName = None,
    store: options.Store = None,
    profile: options.Profile = None,
) -> None:
    """Deploy a pipeline to AWS, where arriving objects start runs.

    Shows what would change, and asks first. A second call changes nothing. With --to kubernetes it prints
    manifests for kubectl: workers for a deployment, or nodes for one run.
    """
    import asyncio

    from fanout.api import context
    from fanout.api.pipelines import load
    from fanout.aws.deploy import Wanted, deployment_name
    from fanout.aws.parameters import Size
    from fanout.files.uris import display

    where = Where(store, None, profile)
    loaded = load(pipeline, sets, inputs, where=where, for_trigger=None)
    settings = context.settings_of(pipeline, where)
    size = Size(image, workers, worker_seconds, worker_memory, alarms, _pairs(parameter or ()))
    wanted = Wanted(deployment_name(name, loaded), loaded, size, tuple(reads or ()))
    if not settings.store.startswith("s3://"):
        raise SettingsError(f"--store: a deployment works on s3://bucket/prefix, not in {display(settings.store)}")
    if to is Target.AWS and (run or step):
        raise SettingsError("--run and --step are for nodes in a cluster: add --to kubernetes")
    _note_tag(image)
    if to is Target.KUBERNETES:
        typer.echo(asyncio.run(_manifests(wanted, settings, run, step)), nl=False)
        return
    if render:
        _render(wanted, settings)
        return
    raise typer.Exit(asyncio.run(_deploy(wanted, settings, yes=yes, dry_run=dry_run)))


def destroy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the deployment.", show_default=False)],
    data: Data = False,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    store: options.Store = None,
    profile: options.Profile = None,
) -> None:
    """Remove a deployment and everything it made.

    Runs with their outputs and logs stay, unless --data is given.
    """
    import asyncio

    from fanout.api import context

    settings = context.settings_of(Path.cwd(), Where(store, None, profile))
    raise typer.Exit(asyncio.run(_destroy(name, settings, data=data, yes=yes, dry_run=dry_run)))


async def _deploy(wanted: "Wanted", settings: "Settings", *, yes: bool, dry_run: bool) -> ExitCode:
    import asyncio

    from fanout.api import context
    from fanout.aws.deploy import apply, difference
    from fanout.cli.render.deployment import difference_lines
    from fanout.cli.render.output import output_to

    output = output_to(sys.stdout)
    async with context.run_context_of(settings) as run_context:
        stack = _stack(wanted.name, settings)
        found = await difference(wanted, run_context, stack)
        for line in difference_lines(wanted, found, settings.store, output.paint):
            output.line(line)
        if found.is_empty:
            return ExitCode.COMPLETED
        approved = False
        try:
            approved = not dry_run and (yes or agreed("apply this?"))
        finally:
            if not approved and found.stack.id is not None:
                await asyncio.to_thread(stack.discard, found.stack)
        if not approved:
            output.line("nothing was changed")
            return left_undone("deploy", yes=yes, dry_run=dry_run)
        standing = await apply(wanted, found, run_context, stack)
        output.line(f"{output.paint.good('deployed')} {wanted.name}")
        for key, value in sorted(standing.outputs.items()):
            output.line(f"  {key}  {value}")
        return ExitCode.COMPLETED


async def _destroy(name: str, settings: "Settings", *, data: bool, yes: bool, dry_run: bool) -> ExitCode:
    import asyncio
    from dataclasses import replace

    from fanout.api import context
    from fanout.aws.deploy import destroy as take_away
    from fanout.aws.deploy import look_for, store_of
    from fanout.cli.render.deployment import doomed_lines
    from fanout.cli.render.output import output_to

    output = output_to(sys.stdout)
    stack = _stack(name, settings)
    standing = await asyncio.to_thread(stack.look)
    if standing is not None:  # the stack knows best where it worked
        settings = replace(settings, store=store_of(standing))
    async with context.run_context_of(settings) as run_context:
        doomed = await look_for(name, standing, run_context, data=data)
        if doomed.is_nothing:
            output.line(f"there is no deployment {name}: nothing to remove")
            return ExitCode.COMPLETED
        for line in doomed_lines(name, settings.store, doomed):
            output.line(line)
        if dry_run or not (yes or agreed("remove this?")):
            output.line("nothing was removed")
            return left_undone("destroy", yes=yes, dry_run=dry_run)
        await take_away(doomed, run_context, stack)
        output.line(f"{output.paint.good('removed')} {name}")
        return ExitCode.COMPLETED


def _pairs(given: "Sequence[str]") -> dict[str, str]:
    for one in given:
        if not one.partition("=")[1]:
            raise SettingsError(f"--parameter {one}: expected a name, '=' and a value: --parameter LogDays=90")
    return {key: value for key, _, value in (one.partition("=") for one in given)}


async def _manifests(wanted: "Wanted", settings: "Settings", run: str | None, step: str | None) -> str:
    """What kubectl applies; nothing is changed, but the queue of a deployment is looked up."""
    from fanout.api import context
    from fanout.aws.cluster import check_endpoints, cluster_of, lent_to, work_queue
    from fanout.aws.kubernetes import node_manifests, worker_manifests
    from fanout.storage.open import open_store

    access = context.access_of(settings)
    if run is not None:
        cluster = cluster_of(settings, access, wanted.size, {})
        pipeline = await lent_to(run, step, open_store(settings.store, access), settings)
        check_endpoints(access)
        return node_manifests(run, step, pipeline, cluster, "default")
    queue, environ = await work_queue(wanted.name, settings, access)
    check_endpoints(access)
    cluster = cluster_of(settings, access, wanted.size, environ)
    return worker_manifests(wanted.name, wanted.pipeline, queue, cluster)


def _render(wanted: "Wanted", settings: "Settings") -> None:
    """The template on stdout, with the values of its parameters as their defaults."""
    from fanout.aws.parameters import parameters
    from fanout.aws.reach import reach_of
    from fanout.aws.render import rendered

    reach = reach_of(wanted.pipeline, settings, wanted.reads)
    typer.echo(rendered(parameters(wanted.name, wanted.pipeline, settings, reach, wanted.size, {})), nl=False)


def _stack(name: str, settings: "Settings") -> "Stack":
    from fanout.api import context
    from fanout.aws.parameters import stack_name
    from fanout.aws.stack import Stack

    return Stack(stack_name(name), context.access_of(settings), context.endpoint_of(settings))


def _note_tag(image: str | None) -> None:
    """A note about an image whose tag may be moved to another image."""
    if image and "@sha256:" not in image:
        note = f"note: {image} names a tag, which may be given to another image; by digest (NAME@sha256:…) it stays"
        typer.echo(note, err=True)
