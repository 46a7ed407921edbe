"""The options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

PipelineFile = Annotated[Path, typer.Argument(metavar="PIPELINE", help="The pipeline file.", show_default=False)]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="The name of the run, or its beginning.", show_default=False)
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B.C=VALUE", help="Replace a value of the pipeline file.", show_default=False),
]
Input = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="NAME=VALUE", help="Give an input of the pipeline a value.", show_default=False),
]
Store = Annotated[
    str | None,
    typer.Option(metavar="URI", help="Where runs live: a folder or s3://bucket/prefix.", show_default=False),
]
Queue = Annotated[
    str | None,
    typer.Option(metavar="URI", help="sqlite:FOLDER or sqs:; follows from the store.", show_default=False),
]
Profile = Annotated[str | None, typer.Option(metavar="NAME", help="A profile of fanout.toml.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="For programs: JSON.")]
StepName = Annotated[str | None, typer.Option("--step", metavar="STEP", help="One step.", show_default=False)]

Strict = Annotated[
    bool | None,
    typer.Option(
        "--strict/--no-strict",
        help="Exit code 1 when anything failed, also within the thresholds; else as strict in fanout.toml says.",
        show_default=False,
    ),
]
