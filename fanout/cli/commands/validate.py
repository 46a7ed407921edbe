"""`fanout validate`, `fanout plan` and `fanout schema`: what helps before anything runs."""

import json as json_format
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.api.where import Where
from fanout.cli import direct, options
from fanout.errors import ExitCode, InputError, Place, Problem, SpecError

if TYPE_CHECKING:
    from fanout.pipeline.model import Pipeline

SchemaFile = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write it to a file instead.", show_default=False),
]
Show = Annotated[int, typer.Option(min=0, metavar="N", help="First and last mini-batches to show.")]


def validate(
    pipeline: options.PipelineFile,
    sets: options.Set = None,
    inputs: options.Input = None,
    store: options.Store = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Check a pipeline file and report every problem."""
    from fanout.api.pipelines import load, look_at_tables
    from fanout.cli.render.output import output_to
    from fanout.environments import installed

    where = Where(store, profile=profile)
    try:
        loaded = load(pipeline, sets, inputs, where=where, for_trigger=None)
        look_at_tables(loaded, pipeline, where)
    except (SpecError, InputError) as error:
        if not json:
            raise
        at_the_top = Place(str(pipeline), 1, 1)
        problems = error.problems if isinstance(error, SpecError) else [Problem(at_the_top, "", str(error))]
        typer.echo(json_format.dumps({"valid": False, "problems": [_fields(problem) for problem in problems]}))
        raise typer.Exit(ExitCode.USAGE) from error
    notices = [*loaded.notices, *installed.notices(loaded.steps)]
    if json:
        typer.echo(json_format.dumps({"valid": True, "problems": [], "notices": notices}))
        return
    output = output_to(sys.stdout)
    good, steps = output.paint.good(f"{pipeline} is valid"), list(_steps(loaded))
    if len(steps) == 1:
        output.line(f"{good}: {steps[0]}")
    else:
        output.line(f"{good}: {len(steps)} steps")
        for step in steps:
            output.line(f"  {step}")
    for notice in notices:
        output.line(f"note: {notice}")


def plan(
    pipeline: direct.Target,
    over: direct.Over = None,
    rows: direct.Rows = None,
    size: direct.Size = None,
    sets: options.Set = None,
    inputs: options.Input = None,
    show: Show = 3,
    store: options.Store = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Show the mini-batches a run would have, and their cost on AWS.

    Runs and writes nothing. A step that reads another step's output cannot be planned before that step has ended.
    """
    from fanout.api import context
    from fanout.cli.render.output import output_to
    from fanout.cli.render.plan import plan_fields, plan_lines
    from fanout.queries.plan import look_ahead

    where, asked = Where(store, profile=profile), direct.Asked(over, rows, size)
    settings = context.settings_of(pipeline if over is None else Path.cwd(), where)
    with direct.pipeline_of(pipeline, asked, sets, inputs, where, with_tables=False) as loaded:
        steps = look_ahead(loaded, settings, context.access_to_look(settings), show)
    if json:
        typer.echo(json_format.dumps({"steps": [plan_fields(step) for step in steps]}))
        return
    output = output_to(sys.stdout)
    for step in steps:
        for line in plan_lines(step, output.paint):
            output.line(line)


def schema(output: SchemaFile = None) -> None:
    """Print the JSON schema of pipeline files, for editors."""
    from importlib.resources import files

    text = (files("fanout.pipeline") / "pipeline.schema.json").read_text("utf-8")
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from error
    typer.echo(f"{output} is written. In a pipeline file beside it, for editors with yaml-language-server:")
    typer.echo(f"# yaml-language-server: $schema={output.name}")


def _steps(pipeline: "Pipeline") -> Iterator[str]:
    for step in pipeline.steps:
        after = f" after {', '.join(sorted(step.after))}" if step.after else ""
        yield f"{step.kind} step {step.name}{after}"


def _fields(problem: Problem) -> dict[str, object]:
    from fanout.security.redaction import redact

    place = problem.place
    return {
        "file": redact(place.file),
        "line": place.line,
        "column": place.column,
        "key": problem.key,
        "message": problem.message,
    }
