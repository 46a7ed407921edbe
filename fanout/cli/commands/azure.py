"""`fanout azure`: a notebook or script of Azure's SDK as it is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.errors import ExitCode

if TYPE_CHECKING:
    from fanout.api.run import Run
    from fanout.cli.render.output import Console

File = Annotated[Path, typer.Argument(metavar="FILE", help="A notebook (.ipynb) or script (.py).", show_default=False)]
Arguments = Annotated[list[str] | None, typer.Argument(metavar="[ARG]...", help="For the script.", show_default=False)]
Executed = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="The notebook with its outputs.", show_default=False),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URI", help="Where runs are stored: a folder or s3://bucket/prefix.", show_default=False
    ),
]
Profile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="A profile of fanout.toml.", show_default=False)
]


def azure(
    file: File, arguments: Arguments = None, output: Executed = None, store: Store = None, profile: Profile = None
) -> None:
    """Run a notebook or script of Azure's SDK as it is.

    MLClient and the credentials of azure.identity are replaced; jobs become runs of fanout on this machine. The command
    ends when they have ended.
    """
    import os
    import sys

    from fanout.azure.unchanged.runner import run_unchanged
    from fanout.cli.render.output import output_to

    if store:
        os.environ["FANOUT_STORE"] = store if "://" in store else str(Path(store).absolute())
    if profile:
        os.environ["FANOUT_PROFILE"] = profile
    done = run_unchanged(file, arguments or [], output)
    console = output_to(sys.stdout)
    ended = [_ended(run, console) for run in done.runs]
    if not done.completed or not all(ended):
        raise typer.Exit(ExitCode.FAILED)


def _ended(run: "Run", console: "Console") -> bool:
    """Whether the run completed; waits for its end, and shows it with its outputs."""
    from fanout.formatting import location

    if run.verdict is None:
        console.line(f"run {run.name} goes on")
    verdict = run.wait(progress=False)
    paint = console.paint.good if verdict.completed else console.paint.bad
    console.line(f"{paint(str(verdict.status))} {run.name}")
    for step in run.steps.values():
        console.line(f"  {step.name}: {step.state}{f', {step.reason}' if step.reason else ''}")
    for name, output in run.outputs.items():
        console.line(f"  {name}  {location(output.uri)}")
    return verdict.completed
