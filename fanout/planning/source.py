"""From a step's major input to its mini-batches: what kind of input it is, what is in it, and how it is divided.

A table is an `mltable` whose MLTable has a reader, taken in mode direct or none; everything else is a list of files
(reference, section 4).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fanout.files import uris
from fanout.files.chosen import chosen_files
from fanout.files.listing import find_file, list_folder, list_uris
from fanout.pipeline.model import DataInput, DataType, InputMode, ParallelStep
from fanout.planning.division import ByCount, ByRank, Division, decide_division
from fanout.planning.item_versions import digest_of, local_version
from fanout.planning.known_items import Item, KnownBatches, split_around
from fanout.planning.split import split_list
from fanout.planning.stop_request import stoppable
from fanout.planning.tables.shuffle_store import NOWHERE, ShuffleStore
from fanout.records.mini_batch import MiniBatch

if TYPE_CHECKING:
    from fanout.storage.access import Access
    from fanout.tables.formats.parquet import SameColumns
    from fanout.tables.recipe import TableRecipe


@dataclass(frozen=True, slots=True)
class PlannedInput:
    """An input that has been looked at, and its mini-batches, which are found while one iterates."""

    batches: Iterator[MiniBatch]
    division: Division
    recipe: "TableRecipe | None" = None  # None: the mini-batches are lists of files
    columns: "SameColumns | None" = None  # what the files of parquet are found to have in common meanwhile
    found: tuple[str, ...] = ()  # of plain files, in sentences, how they are read

    @property
    def settled_recipe(self) -> "TableRecipe | None":
        """The recipe when all mini-batches have been found: types of parquet are kept if its files have the same."""
        if self.recipe is None or self.columns is None or self.columns.holds:
            return self.recipe
        return replace(self.recipe, keeps_types=False)

    @property
    def recipe_json(self) -> str | None:
        """The recipe as it is stored with the plan."""
        recipe = self.settled_recipe
        return None if recipe is None else recipe.to_json()


def plan_mini_batches(
    step: ParallelStep,
    uri: str,
    type_: DataType,
    mode: InputMode | None,
    access: "Access",
    spill: ShuffleStore = NOWHERE,
    known: KnownBatches | None = None,
) -> PlannedInput:
    """The mini-batches of the major input at `uri`, in order, with dense indexes; the same every time it is asked.

    Rows that partition keys regroup are put into `spill`. With `known` the items of a
    list of files have versions, and mini-batches that are known stay as they were.

    InputError when the input is missing or empty, cannot be read as it says, or does not fit the settings of `step`.
    """
    if step.json_records or type_ is DataType.MLTABLE or step.reads_rows:
        from fanout.planning.tables.table_source import (  # more than all the rest of a run loads
            are_plain_rows,
            plan_plain,
            plan_records,
            plan_table,
        )

        if step.json_records:
            return PlannedInput(*plan_records(step, uri, type_, access))
        if are_plain_rows(step, uri, type_, access):
            return PlannedInput(*plan_plain(step, uri, type_, access, spill))
        return PlannedInput(*plan_table(step, uri, mode, access, spill, known))
    division = decide_division(step, table=False)
    major = step.inputs.get(step.input_data)
    paths = major.paths if isinstance(major, DataInput) else ()
    if known is not None and isinstance(division, ByCount) and type_ is not DataType.URI_FILE:
        found = _versioned(uri, paths, access)
        return PlannedInput(split_around(found, division.files, known), division)
    return PlannedInput(split_list(_files_at(uri, type_, paths, access), division, (), lambda _: {}), division)


def _versioned(uri: str, paths: tuple[str, ...], access: "Access") -> Iterator[Item]:
    """The files with their versions, which those on servers have by their listing."""
    if uris.is_local(uri):
        for file in _files_at(uri, DataType.URI_FOLDER, paths, access):
            yield Item(file, digest_of(file, local_version(file)))
        return
    for entry in stoppable(chosen_files(uri, paths, access) if paths else list_folder(uri, access)):
        yield Item(entry.uri, digest_of(entry.uri, entry.tag and f"{entry.tag} {entry.size}"))


def plan_ranks(step: ParallelStep) -> PlannedInput:
    """Mini-batches without data: `rank_mini_batch_count` of them."""
    count = step.rank_mini_batch_count
    return PlannedInput((MiniBatch(index, items=0) for index in range(count)), ByRank(count))


def _files_at(uri: str, type_: DataType, paths: tuple[str, ...], access: "Access") -> Iterator[str]:
    if paths:
        return stoppable(entry.uri for entry in chosen_files(uri, paths, access))
    return iter((find_file(uri, access).uri,)) if type_ is DataType.URI_FILE else stoppable(list_uris(uri, access))
