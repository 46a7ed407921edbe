"""What can be said of an input before a run starts: cheap, and only where the data is on this machine."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, tee
from typing import TYPE_CHECKING

from fanout.config.settings import Settings, resolve_datastore
from fanout.errors import InputError, Problem, SpecError
from fanout.files import uris
from fanout.files.byte_ranges import read_head
from fanout.pipeline.model import DataInput, DataType, ParallelStep, Pipeline, ReadOptions
from fanout.pipeline.trigger import ARRIVALS
from fanout.pipeline.yaml.diagnostics import join, suggest
from fanout.planning.division import decide_division
from fanout.planning.split import check_keys
from fanout.planning.tables.plain_source import plain_columns, plain_files
from fanout.planning.tables.table_source import is_table
from fanout.tables.formats.readers import Delimited, DeltaLake, HeaderMode, Parquet
from fanout.tables.formats.row_groups import parquet_columns
from fanout.tables.mltable_file import MLTableFile, files_of, list_files, load_mltable
from fanout.tables.recipe import PATH, TableRecipe
from fanout.tables.resolution import resolve_recipe
from fanout.tables.transformations import DropColumns, KeepColumns

if TYPE_CHECKING:
    from fanout.storage.access import Access

MOST_PATHS = 1_000
"""So many entries of `paths` are looked for; there may be a million."""
_UNNAMED = re.compile(r"Column\d+")
"""Names of columns that only a later, longer line of delimited text may have."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with an input: the key of the pipeline file that it is about, unless the place is known."""

    key: str
    message: str
    problems: tuple[Problem, ...] = ()  # of the MLTable file itself, with their places


def look_at_tables(pipeline: Pipeline, settings: Settings, access: "Access") -> list[Finding]:
    """What is wrong with tables that steps cut: in themselves, by what is not there, or by not fitting the step.

    Of plain files the beginning of the first is read. What other steps make, and what is remote, is looked at when the
    step is planned.
    """
    found: list[Finding] = []
    for step in pipeline.steps:
        given = step.inputs.get(step.input_data) if isinstance(step, ParallelStep) else None
        if not isinstance(step, ParallelStep) or not isinstance(given, DataInput):
            continue
        if given.type is DataType.MLTABLE:
            found += _look_at(step, given, pipeline, settings, access)
        elif given.paths or step.reads_rows:
            found += _look_at_files(step, given, settings, access)
    return found


def _look_at_files(step: ParallelStep, given: DataInput, settings: Settings, access: "Access") -> Iterator[Finding]:
    """What is wrong with plain files: none is there, they cannot be read as rows, or have no such columns."""
    uri = resolve_datastore(given.uri, settings)
    if given.uri == ARRIVALS or not uris.is_local(uri):
        return
    key = f"jobs.{step.name}"
    try:
        files = plain_files(uri, given.type, given.paths, access)
        if not step.reads_rows:
            next(files, None)
            return
        columns = plain_columns(uri, files, given.read or ReadOptions(), access)
    except InputError as error:
        yield Finding(f"{key}.inputs.{step.input_data}", str(error))
        return
    yield from _not_among(step, key, columns)


def _look_at(
    step: ParallelStep, given: DataInput, pipeline: Pipeline, settings: Settings, access: "Access"
) -> Iterator[Finding]:
    key = f"jobs.{step.name}"
    trigger = pipeline.trigger
    if given.uri == ARRIVALS and trigger is not None and trigger.template is None:
        yield from _misfit(step, key, table=False)  # the objects alone are a list of files
        return
    waits = given.uri == ARRIVALS and trigger is not None
    uri = resolve_datastore(trigger.template if waits and trigger and trigger.template else given.uri, settings)
    if not uris.is_local(uri):
        return
    try:
        table = load_mltable(uri, access)
        yield from _misfit(step, key, table=is_table(table, given.mode))
        if not waits:  # else the files are those that arrive
            _look_for_files(table, access)
            yield from _unknown_keys(step, key, table, given, access)
    except SpecError as error:
        yield Finding(f"{key}.inputs.{step.input_data}", str(error), error.problems)
    except InputError as error:
        yield Finding(f"{key}.inputs.{step.input_data}", str(error))


def _misfit(step: ParallelStep, key: str, *, table: bool) -> Iterator[Finding]:
    """How the step's settings do not fit its input."""
    try:
        decide_division(step, table=table)
    except InputError as error:
        yield Finding(f"{key}.{'mini_batch_size' if step.mini_batch_rows is None else 'mini_batch_rows'}", str(error))


def _look_for_files(table: MLTableFile, access: "Access") -> None:
    if isinstance(table.reader, DeltaLake):
        return  # its files are those that its log names
    for path in islice(table.paths, MOST_PATHS):
        if uris.is_local(path.uri):
            next(iter(files_of(path, table, access)), None)


def _unknown_keys(
    step: ParallelStep, key: str, table: MLTableFile, given: DataInput, access: "Access"
) -> Iterator[Finding]:
    """Partition keys that are no column of the table, or no partition of a list of files, as far as its head shows."""
    if not step.partition_keys or isinstance(table.reader, DeltaLake):
        return
    if not all(uris.is_local(path.uri) for path in islice(table.paths, MOST_PATHS)):
        return
    if not is_table(table, given.mode):
        try:
            check_keys(step.partition_keys, TableRecipe(None, steps=table.transformations).partition_names)
        except InputError as error:
            yield Finding(f"{key}.partition_keys", str(error))
        return
    yield from _not_among(step, key, _columns(table, access))


def _not_among(step: ParallelStep, key: str, columns: Sequence[str]) -> Iterator[Finding]:
    """Partition keys that are none of the columns, as far as these are known."""
    for number, name in enumerate(step.partition_keys if columns else ()):
        if name not in columns and not _UNNAMED.fullmatch(name):
            hint = suggest(name, columns) or f"; it has {join(columns)}"
            yield Finding(f"{key}.partition_keys.{number}", f"{name}: no such column of {step.input_data}{hint}")


def _columns(table: MLTableFile, access: "Access") -> Sequence[str]:
    """The columns of the table after its transformations; none where only reading all of it can tell."""
    head, files = tee(entry for entry in list_files(table, access) if entry.size)
    recipe = resolve_recipe(table, (entry.uri for entry in head), lambda uri, size: read_head(uri, size, access))
    match recipe.reader:
        case Delimited(header=header) if header is not HeaderMode.ALL_FILES_DIFFERENT_HEADERS:
            names = [column.name for column in recipe.columns]
        case Parquet():
            names = [name for entry in islice(files, 1) for name in parquet_columns(entry.uri, entry.size, access)]
        case _:
            return ()
    if not names:
        return ()
    if recipe.include_path_column:
        names.append(PATH)
    names += [name for name in recipe.partition_names if name not in names]
    for transformation in recipe.steps:
        if isinstance(transformation, KeepColumns | DropColumns):
            names = list(filter(transformation.keeps, names))
    return names
