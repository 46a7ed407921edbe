"""The table of a script: what is read, and what is done to it; nothing is read before its rows are asked for."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fanout.errors import InputError
from fanout.files import uris
from fanout.mltable import options
from fanout.mltable.options import DataType, Names
from fanout.mltable.save import Overwrite, save_table
from fanout.mltable.text import to_text
from fanout.storage.access import Access
from fanout.tables import mltable_file as data
from fanout.tables.mltable_file import pinned
from fanout.tables.recipe import PATH, TableRecipe
from fanout.tables.transformations import (
    ConvertColumnTypes,
    DropColumns,
    ExtractPartitions,
    Filter,
    KeepColumns,
    Skip,
    Take,
    TakeSample,
    Transformation,
)
from fanout.tables.values.filter_expressions import parse_filter
from fanout.tables.values.partition_format import compile_format
from fanout.tables.whole_table import load_table

if TYPE_CHECKING:
    import pandas as pd

_SEEDS = 1000


@dataclass(frozen=True, slots=True, repr=False)
class MLTable:
    """A table that is read when its rows are asked for. It never changes: each method returns another one."""

    _table: data.MLTableFile
    _access: Access = field(compare=False)

    def __repr__(self) -> str:
        """The table as an MLTable file, with absolute paths; what lets one into a remote place is left out."""
        return to_text(self._table, [{path.kind: _shown(path.full)} for path in self._table.paths])

    @property
    def paths(self) -> list[dict[str, str]]:
        """The paths as they were written."""
        return [{path.kind: path.written} for path in self._table.paths]

    @property
    def partition_keys(self) -> list[str]:
        """The columns that come from paths: what `partition_keys` of a step may be chosen from."""
        table = pinned(self._table, self._access)
        return list(TableRecipe(table.reader, steps=table.transformations).partition_names)

    def to_pandas_dataframe(self) -> "pd.DataFrame":
        """All rows; InputError when a file is missing or cannot be read as the table says."""
        return load_table(self._table, self._access)

    def show(self, count: int = 20) -> "pd.DataFrame":
        """The first `count` rows."""
        return self.take(count).to_pandas_dataframe()

    def validate(self) -> None:
        """Returns when the first row can be read; InputError says why it cannot."""
        self.take(1).to_pandas_dataframe()

    def take(self, count: int = 20) -> "MLTable":
        """Only the first `count` rows."""
        return self._then(Take(options.count("take", count)))

    def skip(self, count: int) -> "MLTable":
        """All but the first `count` rows."""
        return self._then(Skip(options.count("skip", count)))

    def take_random_sample(self, probability: float, seed: int | None = None) -> "MLTable":
        """Each row with this probability; the same rows for the same seed."""
        chance = options.share("probability", probability)
        return self._then(TakeSample(chance, _seed(seed)))

    def random_split(self, percent: float = 0.5, seed: int | None = None) -> "tuple[MLTable, MLTable]":
        """About `percent` (a share, 0 to 1) of the rows, and all others; the same for the same seed."""
        chance, chosen = options.share("percent", percent), _seed(seed)
        return self._then(TakeSample(chance, chosen)), self._then(TakeSample(1.0, chosen, above=chance))

    def filter(self, expression: str) -> "MLTable":
        """Only rows for which the expression holds, such as `col("a") > 1 and b == "x"`."""
        if not isinstance(expression, str):
            raise InputError(f"filter: expected text, got {expression!r:.60}")
        parse_filter(expression)
        return self._then(Filter(expression))

    def keep_columns(self, columns: Names) -> "MLTable":
        """Only these columns, in the table's order; names that are not there are ignored."""
        kept = options.names("keep_columns", columns)
        if not kept:
            raise InputError("keep_columns: expected at least one column")
        return self._then(KeepColumns(kept))

    def drop_columns(self, columns: Names) -> "MLTable":
        """All but these columns; names that are not there are ignored."""
        dropped = options.names("drop_columns", columns)
        return self._then(DropColumns(dropped)) if dropped else self

    def convert_column_types(self, column_types: Mapping[str | tuple[str, ...], DataType | str]) -> "MLTable":
        """These columns, or tuples of columns, with these types; what does not fit becomes null."""
        return self._then(ConvertColumnTypes(options.conversions("convert_column_types", column_types)))

    def extract_columns_from_partition_format(self, partition_format: str) -> "MLTable":
        """Columns from each file's path, such as `/{brand}/{day:yyyy/MM/dd}/{name}.csv`; null where it does not fit."""
        if not isinstance(partition_format, str):
            raise InputError(f"partition_format: expected text, got {partition_format!r:.60}")
        compile_format(partition_format)
        step, reader = ExtractPartitions(partition_format), self._table.reader
        if reader is None or reader.include_path_column:
            return self._then(step)
        # The values come from the Path column, which this table was made without.
        with_path = replace(self._table, reader=replace(reader, include_path_column=True))
        return replace(self, _table=with_path)._then(step)._then(DropColumns((PATH,)))

    def save(
        self,
        path: str | None = None,
        overwrite: bool | str = True,
        colocated: bool = False,
        show_progress: bool = False,
        if_err_remove_files: bool = True,
    ) -> "MLTable":
        """Writes the table as a file named MLTable into a local folder, the current one unless said otherwise.

        With `colocated` its files are copied beside it; else local paths are written relative to the folder.
        `overwrite` is 'overwrite' (True), 'fail' (False) or 'skip'. `show_progress` changes nothing.
        """
        del show_progress
        save_table(
            self._table, path, Overwrite.of(overwrite), self._access, copy=colocated, clean_up=if_err_remove_files
        )
        return self

    def _then(self, step: Transformation) -> "MLTable":
        return replace(self, _table=replace(self._table, transformations=(*self._table.transformations, step)))


def _shown(uri: str) -> str:
    return uri if uris.is_local(uri) else uris.display(uri)


def _seed(given: int | None) -> int:
    chosen = options.seed(given)
    return random.randrange(_SEEDS) if chosen is None else chosen  # noqa: S311 - a sample guards nothing
