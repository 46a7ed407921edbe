"""The options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.run_names import run_names
from fanout.errors import SettingsError

PipelineFile = Annotated[Path, typer.Argument(metavar="PIPELINE", help="The pipeline file.", show_default=False)]
RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="Name of the run, or a unique prefix.", show_default=False, autocompletion=run_names
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B.C=VALUE", help="Replace a value of the pipeline file.", show_default=False),
]
Input = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="NAME=VALUE", help="Set the value of a pipeline input.", show_default=False),
]
Store = Annotated[
    str | None,
    typer.Option(metavar="URI", help="Where runs are stored: a folder or s3://bucket/prefix.", show_default=False),
]
Queue = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        help="sqlite:FOLDER, sqs: or bucket: (the store itself); by default as the store needs.",
        show_default=False,
    ),
]
Profile = Annotated[str | None, typer.Option(metavar="NAME", help="A profile of fanout.toml.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only what goes wrong.")]
StepName = Annotated[str | None, typer.Option("--step", metavar="STEP", help="Only this step.", show_default=False)]

On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ENGINE[:NAME]",
        help="Start nodes of all parallel steps there: local, docker, slurm, ssh; by default as compute says.",
        show_default=False,
    ),
]

Strict = Annotated[
    bool | None,
    typer.Option(
        "--strict/--no-strict",
        help="Exit code 1 when anything failed, also within the thresholds; by default as strict in fanout.toml says.",
        show_default=False,
    ),
]

Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="NAME[=VALUE]", help="Only runs with this tag.", show_default=False),
]
OfTrigger = Annotated[
    str | None,
    typer.Option("--trigger", metavar="NAME", help="Only runs that this trigger started.", show_default=False),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="AGE", help="Only runs created in the last 12h, 7d or 4w.", show_default=False),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds_in(name: str, age: str) -> float:
    """The seconds of `90m`, `12h`, `30d` or `4w`; SettingsError, naming the option, for anything else."""
    count, unit = age[:-1], age[-1:]
    if not (count.isascii() and count.isdecimal() and unit in _UNITS and len(count) <= 6):
        raise SettingsError(f"{name} {age}: expected a whole number and a unit, such as 90m, 12h, 30d or 4w")
    return float(int(count) * _UNITS[unit])
