"""The mini-batches of MLTables, tables or lists of files, and of objects in JSON lines."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice, tee
from typing import TYPE_CHECKING

from fanout.errors import InputError
from fanout.files import uris
from fanout.files.byte_ranges import ByteSource, open_bytes, read_head
from fanout.files.listing import FileEntry, find_file, list_folder
from fanout.pipeline.model import DataInput, DataType, InputMode, ParallelStep, ReadOptions, StepOutput
from fanout.planning.division import ByBytes, ByCount, ByPartition, ByRank, ByRows, Division, decide_division
from fanout.planning.item_versions import digest_of, local_version
from fanout.planning.known_items import Item, KnownBatches, split_around, with_versions
from fanout.planning.split import check_keys, split_list, split_partitions
from fanout.planning.stop_request import stoppable
from fanout.planning.tables.filtered_scan import split_filtered
from fanout.planning.tables.layout import TableLayout, layout_of
from fanout.planning.tables.plain_source import plain_files, plain_table, unpacked_file
from fanout.planning.tables.row_cuts import TableAccess, split_blocks, split_rows
from fanout.planning.tables.shuffle import RECIPE, split_by_columns
from fanout.planning.tables.shuffle_store import ShuffleStore
from fanout.records.mini_batch import MiniBatch
from fanout.security.redaction import has_credential
from fanout.tables.file_parts import Section
from fanout.tables.formats.delta import NULL, partition_texts
from fanout.tables.formats.parquet import SameColumns
from fanout.tables.formats.readers import Delimited, DeltaLake, JsonLines, is_plain
from fanout.tables.formats.row_groups import footer, group_sizes
from fanout.tables.localize import localized
from fanout.tables.mltable_file import MLTableFile, list_files, list_uris, load_mltable, pinned
from fanout.tables.plain.compression import HEAD, codec_of
from fanout.tables.recipe import TableRecipe
from fanout.tables.resolution import resolve_recipe
from fanout.tables.row_limits import RowLimits, row_limits
from fanout.tables.transformations import ExtractPartitions, Filter, TakeSample
from fanout.tables.values.partition_format import PartitionFormat, compile_format
from fanout.tables.values.types import Kind

if TYPE_CHECKING:
    from fanout.storage.access import Access

Planned = tuple[Iterator[MiniBatch], Division, TableRecipe | None, SameColumns | None]
"""What a PlannedInput consists of, but for what was found of plain files."""


def plan_plain(
    step: ParallelStep, uri: str, type_: DataType, access: "Access", spill: ShuffleStore
) -> tuple[Iterator[MiniBatch], Division, TableRecipe | None, SameColumns | None, tuple[str, ...]]:
    """The rows of plain files, and in sentences how they are found to be read."""
    major = step.inputs[step.input_data]
    paths = major.paths if isinstance(major, DataInput) else ()
    options = _read_options(step) or ReadOptions()
    if type_ is DataType.MLTABLE:
        listed = list_files(load_mltable(uri, access), access)
    else:
        listed = plain_files(uri, type_, paths, access)
    table = plain_table(uri, listed, options, access)
    division, recipe = decide_division(step, table=True), table.recipe
    if isinstance(division, ByBytes) and isinstance(recipe.reader, Delimited) and recipe.reader.support_multi_line:
        # Only counting rows from the start of a file shows where they end.
        division = ByRows(max(1, table.facts.rows * division.block_bytes // max(1, table.facts.size)))
    layout = layout_of(recipe)
    if table.facts.blank_lines:
        layout = replace(layout, keeps_rows=False)
    _refuse_mixed_values(recipe, division)
    planned = _divided(stoppable(iter(table.files)), recipe, division, access, spill, layout)
    return *planned, tuple(table.found.lines())


def are_plain_rows(step: ParallelStep, uri: str, type_: DataType, access: "Access") -> bool:
    """Whether the input is read as rows without a reader of its own: the objects of a trigger come as such a list."""
    if type_ is not DataType.MLTABLE:
        return True
    return _read_options(step) is not None and not load_mltable(uri, access).is_tabular


def _read_options(step: ParallelStep) -> ReadOptions | None:
    major = step.inputs.get(step.input_data)
    return major.read if isinstance(major, DataInput | StepOutput) else None


def _refuse_mixed_values(recipe: TableRecipe, division: Division) -> None:
    if isinstance(division, ByPartition) and (names := [c.name for c in recipe.columns if c.type.kind is Kind.OBJECT]):
        raise InputError(
            f"partition_keys: the values of column {names[0]} are lists, objects or of several types, and rows that "
            f"hold such are not regrouped; set read.types to {{{names[0]}: string}} to have them as JSON text"
        )


def plan_table(
    step: ParallelStep,
    uri: str,
    mode: InputMode | None,
    access: "Access",
    spill: ShuffleStore,
    known: KnownBatches | None = None,
) -> Planned:
    """The MLTable at `uri`: its rows, or its files where it is a list of them or is taken as one."""
    mltable = pinned(load_mltable(uri, access), access)
    _refuse_credentials(mltable)
    division = decide_division(step, table=is_table(mltable, mode))
    if is_table(mltable, mode):
        return _of_table(mltable, division, access, spill)
    partitions = Partitions.of(TableRecipe(None, steps=mltable.transformations))
    files = _listed_files(mltable, mode, access)
    if known is not None:
        version_of = _version_of(mltable, access)
        found = (Item(file, digest_of(file, version_of(file))) for file in files)
        return _around_known(found, division, partitions, known), division, None, None
    return split_list(files, division, partitions.names, partitions.values), division, None, None


def _version_of(mltable: MLTableFile, access: "Access") -> Callable[[str], str]:
    """The version of each file of a list of files; of those on servers their tags are listed first."""
    if all(uris.is_local(path.uri) for path in mltable.paths):
        return local_version
    tags = {entry.uri: f"{entry.tag} {entry.size}" for entry in list_files(mltable, access) if entry.tag}
    return lambda uri: local_version(uri) if uris.is_local(uri) else tags.get(uri, "")


def _around_known(
    found: Iterator[Item], division: Division, partitions: "Partitions", known: KnownBatches
) -> Iterator[MiniBatch]:
    """As `split_list`, with versions, around mini-batches that are known."""
    if isinstance(division, ByCount):
        yield from split_around(found, division.files, known)
        return
    versions = dict[str, str]()

    def noted() -> Iterator[str]:
        for item in found:
            versions[item.uri] = item.version
            yield item.uri

    for batch in split_list(noted(), division, partitions.names, partitions.values):
        yield with_versions(batch, tuple(versions[file] for file in batch.files), known)


def _refuse_credentials(table: MLTableFile) -> None:
    """InputError for a path that lets everybody in who has it: the plan would keep it."""
    for path in table.paths:
        if has_credential(path.full):
            raise InputError(
                f"{uris.display(table.uri)}: the path '{uris.display(path.full)}' holds a password or a signature, "
                "which would be stored with the run; give the plain one, and credentials in the environment"
            )


def plan_records(step: ParallelStep, uri: str, type_: DataType, access: "Access") -> Planned:
    """The objects in JSON lines: of one file, or of all files in a folder."""
    if type_ is DataType.MLTABLE:
        raise InputError(f"{step.name}: --amlbi_file_format jsonl needs a uri_file or a uri_folder of JSON lines")
    recipe, division = TableRecipe(JsonLines()), ByRows(step.mini_batch_rows or 1)
    listed = iter((find_file(uri, access),)) if type_ is DataType.URI_FILE else list_folder(uri, access)
    files = stoppable(entry for entry in listed if entry.size)
    return mini_batches_of_table(files, recipe, division, access), division, recipe, None


def is_table(mltable: MLTableFile, mode: InputMode | None) -> bool:
    """Whether an mltable input is a table rather than a list of files (reference, section 4)."""
    return mltable.is_tabular and mode in (None, InputMode.DIRECT)


def _listed_files(mltable: MLTableFile, mode: InputMode | None, access: "Access") -> Iterator[str]:
    """The files of an MLTable as a list; without a reader they are its rows, which `take` and `skip` count."""
    files = stoppable(list_uris(mltable, access, mounted=mode not in (None, InputMode.DIRECT)))
    if mltable.is_tabular:
        return files
    limits = row_limits(mltable.transformations)
    if limits is None or any(isinstance(step, (Filter, TakeSample)) for step in mltable.transformations):
        raise InputError(
            f"{uris.display(mltable.uri)}: filter and take_random_sample need a table; "
            "for a list of files name those wanted under paths"
        )
    return _limited(files, limits)


def _limited(files: Iterator[str], limits: RowLimits) -> Iterator[str]:
    return islice(files, limits.skip, None if limits.take is None else limits.skip + limits.take)


def _of_table(mltable: MLTableFile, division: Division, access: "Access", spill: ShuffleStore) -> Planned:
    # The recipe is judged by the first few files; the others wait in the listing, so that it is made once.
    head, files = tee(stoppable(entry for entry in list_files(mltable, access) if entry.size))
    recipe = resolve_recipe(mltable, (e.uri for e in head), lambda uri, size: read_head(uri, size, access))
    del head
    return _divided(files, recipe, division, access, spill, layout_of(recipe))


def _divided(
    files: Iterator[FileEntry],
    recipe: TableRecipe,
    division: Division,
    access: "Access",
    spill: ShuffleStore,
    layout: TableLayout,
) -> Planned:
    if isinstance(division, ByPartition) and _is_regrouped(recipe, division.keys):
        check_keys(division.keys, division.keys)
        if recipe.keeps_types:
            # Here before any row is read: what is spilled is read by another recipe.
            files, recipe = _with_types_known(list(files), recipe, access)
        regrouped = split_by_columns(files, recipe, layout, division.keys, _table_reader(recipe, access), spill)
        return regrouped, division, replace(RECIPE, keeps_types=recipe.keeps_types), None
    columns = SameColumns(recipe.steps)
    return mini_batches_of_table(files, recipe, division, access, columns, layout), division, recipe, columns


def _with_types_known(
    files: list[FileEntry], recipe: TableRecipe, access: "Access"
) -> tuple[Iterator[FileEntry], TableRecipe]:
    columns = SameColumns(recipe.steps)
    reader = _table_reader(recipe, access, columns)
    for entry in stoppable(iter(files)):
        reader.row_groups(entry)
        if not columns.holds:
            break
    return stoppable(iter(files)), replace(recipe, keeps_types=columns.holds)


def _is_regrouped(recipe: TableRecipe, keys: tuple[str, ...]) -> bool:
    """Whether the paths of files do not say to which partition their rows belong, or which rows there are."""
    return bool(recipe.global_rows) or not set(keys) <= set(recipe.partition_names)


def mini_batches_of_table(
    files: Iterator[FileEntry],
    recipe: TableRecipe,
    division: Division,
    access: "Access",
    columns: SameColumns | None = None,
    layout: TableLayout | None = None,
) -> Iterator[MiniBatch]:
    """The mini-batches of a table's files, which are not empty; `columns` takes in files of parquet as they go by."""
    reader, layout = _table_reader(recipe, access, columns), layout or layout_of(recipe)
    match division:
        case ByPartition(keys=keys):
            return _of_partitions(files, recipe, keys)
        case ByBytes() | ByRows() if layout.limits is None:
            return split_filtered(files, recipe, layout, division, reader)
        case ByBytes(block_bytes=size):
            return split_blocks(files, layout, size, reader)
        case ByRows(rows=rows):
            return split_rows(files, layout, rows, reader)
        case ByCount() | ByRank():
            raise InputError("a table is divided by bytes, by rows or by partition_keys")


def _of_partitions(files: Iterator[FileEntry], recipe: TableRecipe, keys: tuple[str, ...]) -> Iterator[MiniBatch]:
    partitions = Partitions.of(recipe)
    return split_partitions(files, keys, partitions.names, partitions.values, table=True)


def _table_reader(recipe: TableRecipe, access: "Access", columns: SameColumns | None = None) -> TableAccess:
    unpacked: dict[str, str] = {}  # of compressed files that are open: where they are, unpacked

    @contextmanager
    def open_(entry: FileEntry) -> Iterator[ByteSource]:
        with open_bytes(entry.uri, entry.size, access) as source:
            codec = codec_of(source.read(0, min(HEAD, entry.size))) if recipe.is_packed else None
            if codec is None:
                yield source
                return
            with unpacked_file(source, codec, entry.uri) as whole:
                unpacked[entry.uri] = f"/proc/self/fd/{whole.descriptor}"
                yield whole
                del unpacked[entry.uri]

    @contextmanager
    def bring(section: Section) -> Iterator[Section]:
        if section.uri in unpacked:
            yield replace(section, path=unpacked[section.uri])
            return
        with localized([section], access, parquet=recipe.is_parquet, packed=recipe.is_packed) as [here]:
            yield here

    def row_groups(entry: FileEntry) -> tuple[int, ...]:
        metadata = footer(entry.uri, entry.size, access)
        if columns is not None and columns.holds and recipe.keeps_types:
            schema = metadata.schema.to_arrow_schema()
            columns.see(schema, metadata.num_rows)
            if is_plain(recipe.reader) and not columns.holds:
                raise InputError(f"{uris.display(entry.uri)}: {columns.difference(schema)}")
        return group_sizes(metadata)

    return TableAccess(open=open_, row_groups=row_groups, has_header=recipe.has_header, bring=bring)


@dataclass(frozen=True, slots=True)
class Partitions:
    """The partition columns of an MLTable."""

    formats: tuple[PartitionFormat, ...]
    names: tuple[str, ...]
    delta: DeltaLake | None = None  # whose log names partitions, too

    @classmethod
    def of(cls, recipe: TableRecipe) -> "Partitions":
        """Those that the recipe's partition formats, or the log of a Delta Lake table, name."""
        formats = (step.partition_format for step in recipe.steps if isinstance(step, ExtractPartitions))
        delta = recipe.reader if isinstance(recipe.reader, DeltaLake) else None
        return cls(tuple(map(compile_format, formats)), recipe.partition_names, delta)

    def values(self, uri: str) -> Mapping[str, str] | None:
        """The value of each, as text, for a file; None when its path does not fit a format."""
        texts = partition_texts(self.delta, uri) if self.delta else {}
        found = {name: NULL if text is None else text for name, text in texts.items()}
        for form in self.formats:
            columns = form.extract(uris.path_of(uri))
            if columns is None or None in columns.values():
                return None
            found.update((name, str(value)) for name, value in columns.items())
        return found
