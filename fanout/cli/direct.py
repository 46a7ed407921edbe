"""The options of a verb that takes a script or a function and its data in the place of a pipeline file."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.api.where import Where
from fanout.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.pipeline.model import Pipeline

Target = Annotated[
    Path,
    typer.Argument(
        metavar="PIPELINE",
        help="The pipeline file; with --over a script, MODULE:FUNCTION or FILE.py:FUNCTION.",
        show_default=False,
    ),
]
Over = Annotated[
    str | None,
    typer.Option(metavar="DATA", help="What a script or function runs over: a file, folder, pattern or URI."),
]
Rows = Annotated[int | None, typer.Option(min=1, metavar="N", help="With --over: rows of a mini-batch.")]
Size = Annotated[
    str | None, typer.Option(metavar="SIZE", help="With --over: files of a mini-batch, or the size of its rows (10mb).")
]
RowFile = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="With --over: rows go here (.csv, .tsv, .jsonl, .parquet)."),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of a run without a pipeline file."""

    over: str | None
    rows: int | None
    size: str | None
    output: str | None = None


@contextlib.contextmanager
def pipeline_of(
    file: Path,
    asked: Asked,
    sets: list[str] | None,
    inputs: list[str] | None,
    where: Where,
    *,
    with_tables: bool = True,
) -> "Iterator[Pipeline]":
    """The pipeline of the file, or of the script or function, while what it needs is there.

    `with_tables`: tables of this machine are looked at, too. InputError for options that do not go together; SpecError
    with all that is wrong with what is to be run.
    """
    _check_together(file, asked, inputs)
    if asked.over is None:
        from fanout.api.pipelines import load, look_at_tables

        loaded = load(file, sets, inputs, where=where)
        if with_tables:
            look_at_tables(loaded, file, where)
        yield loaded
        return
    from fanout.api.functions.direct import Direct, direct_pipeline

    with direct_pipeline(
        Direct(str(file), asked.over, asked.rows, asked.size, asked.output), sets or (), where if with_tables else None
    ) as made:
        yield made


def _check_together(file: Path, asked: Asked, inputs: list[str] | None) -> None:
    """InputError for options that do not go with what is to be run."""
    is_code = file.suffix == ".py" or (":" in file.name and not file.is_file())
    if asked.over is None and is_code:
        raise InputError(f"{file} is no pipeline file: give what it runs over, such as --over data/")
    if asked.over is None and (asked.rows, asked.size, asked.output) != (None, None, None):
        raise InputError("--rows, --size and --output go with --over; keys of a pipeline file are replaced by --set")
    if asked.over is not None and not is_code:
        raise InputError(
            f"--over goes with a script (.py) or a function (MODULE:FUNCTION), and {file} is neither; inputs of a "
            "pipeline file are given by --input"
        )
    if asked.over is not None and inputs:
        raise InputError("--input gives values to inputs of a pipeline file; scripts and functions have data by --over")
