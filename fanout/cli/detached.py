"""`fanout run --detach`: a background process carries the run out, and this one only says how to follow it."""

import json as json_format
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.api.where import Where
from fanout.errors import InputError

if TYPE_CHECKING:
    from fanout.config.settings import Settings
    from fanout.pipeline.model import Pipeline

Detach = Annotated[bool, typer.Option("--detach", help="Let a background process carry the run out, and return.")]


def check_detached(detach: bool, over: str | None) -> None:
    """InputError for a script or function: what is made for its run is gone when this process is."""
    if detach and over is not None:
        raise InputError("--detach goes with a pipeline file; a script or function with --over runs in this process")


def begin_detached(pipeline: "Pipeline", settings: "Settings", where: Where, name: str | None, *, json: bool) -> None:
    """The run exists and goes on in the background; its name and the command that follows it are printed."""
    from fanout.api import context
    from fanout.api.pipeline_calls import submit_pipeline
    from fanout.cli.render.output import output_to

    run = submit_pipeline(pipeline, settings, where, name)
    commands = context.commands_of(settings, where)
    if json:
        typer.echo(json_format.dumps({"event": "run_detached", "run": run.name}))
        return
    output = output_to(sys.stdout)
    output.line(f"run {run.name} goes on in the background; follow it: {commands.attach(run.name)}")
