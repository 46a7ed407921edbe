"""What can be said of an input before a run starts: cheap, and only where the data is on this machine."""

from itertools import islice
from typing import TYPE_CHECKING

from fanout.data import uris
from fanout.data.mltable import MLTable, files_of, load_mltable
from fanout.data.readers import DeltaLake
from fanout.plan.division import decide_division
from fanout.plan.table_source import is_table
from fanout.spec.settings import Settings, resolve_datastore
from fanout.spec.steps import DataInput, DataType, ParallelStep, Pipeline

if TYPE_CHECKING:
    from fanout.store.access import Access

MOST_PATHS = 1_000
"""So many entries of `paths` are looked for; there may be a million."""


def look_at_tables(pipeline: Pipeline, settings: Settings, access: "Access") -> None:
    """InputError when an MLTable that a step cuts is wrong, names what is not there, or does not fit the step.

    What other steps make, and what is remote, is looked at when the step is planned.
    """
    for step in pipeline.steps:
        given = step.inputs.get(step.input_data) if isinstance(step, ParallelStep) else None
        if isinstance(step, ParallelStep) and isinstance(given, DataInput) and given.type is DataType.MLTABLE:
            uri = resolve_datastore(given.uri, settings)
            if uris.is_local(uri):
                table = load_mltable(uri, access)
                decide_division(step, table=is_table(table, given.mode))
                _look_for_files(table, access)


def _look_for_files(table: MLTable, access: "Access") -> None:
    if isinstance(table.reader, DeltaLake):
        return  # its files are those that its log names
    for path in islice(table.paths, MOST_PATHS):
        if uris.is_local(path.uri):
            next(iter(files_of(path, table, access)), None)
