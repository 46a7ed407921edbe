"""The options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

PipelineFile = Annotated[Path, typer.Argument(metavar="PIPELINE", help="The pipeline file.", show_default=False)]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="Name of the run, or a unique prefix.", show_default=False)]
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
    typer.Option(metavar="URI", help="sqlite:FOLDER or sqs:; by default as the store needs.", show_default=False),
]
Profile = Annotated[str | None, typer.Option(metavar="NAME", help="A profile of fanout.toml.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
StepName = Annotated[str | None, typer.Option("--step", metavar="STEP", help="Only this step.", show_default=False)]

Strict = Annotated[
    bool | None,
    typer.Option(
        "--strict/--no-strict",
        help="Exit code 1 when anything failed, also within the thresholds; by default as strict in fanout.toml says.",
        show_default=False,
    ),
]
