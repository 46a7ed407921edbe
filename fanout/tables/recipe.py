"""The recipe of a table: all that is needed to read any part of it the same way, on any machine.

Made once by the planner (resolve.py), stored with the plan as JSON, followed in the slots (table.py). Standard library
only.
"""

from dataclasses import dataclass
from typing import Literal

from fanout.records.codec import Record
from fanout.tables.formats.readers import Delimited, DeltaLake, HeaderMode, JsonLines, Parquet, Reader
from fanout.tables.transformations import GLOBAL, ExtractPartitions, Transformation, unneeded_columns
from fanout.tables.values.partition_format import compile_format
from fanout.tables.values.types import ColumnType

PATH = "Path"  # the name of the column that holds each row's file

Format = Literal["delimited", "json_lines", "parquet", "delta_lake", "none"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the head of the table shows it."""

    name: str
    type: ColumnType
    given: bool = False  # by the MLTable, instead of shown by the data
    bits: bool = False  # a boolean that is written as 0 and 1 there


@dataclass(frozen=True, slots=True)
class TableRecipe:
    """How a table is read.

    `columns` are those in the head of the table, in its order, with the types inferred there or given: of delimited
    text all of them (more only where a later line is longer than all in the head, or every file has names of its own),
    of JSON lines those that were seen, of parquet none, because its files say it themselves. `keeps_types` says whether
    its columns have the types of the files, or one of the few that all other tables have.
    """

    reader: Reader | None  # None: a list of files, with one column, Path
    columns: tuple[Column, ...] = ()
    steps: tuple[Transformation, ...] = ()
    header_uri: str | None = None  # the file that the names come from
    version: Literal[1] = 1
    keeps_types: bool = False  # of parquet: no step makes rows anew, and all files have the same columns

    @property
    def format(self) -> Format:
        """What the files hold."""
        return "none" if self.reader is None else self.reader.kind

    @property
    def splittable(self) -> bool:
        """Whether a file may be cut at any line start (parquet: at any row group)."""
        return self.reader is not None and self.reader.splittable

    @property
    def is_parquet(self) -> bool:
        """Whether the files are parquet."""
        return isinstance(self.reader, Parquet | DeltaLake)

    @property
    def is_packed(self) -> bool:
        """Whether some of the files are compressed as a whole."""
        return isinstance(self.reader, Delimited | JsonLines) and self.reader.packed

    @property
    def countable(self) -> bool:
        """Whether rows can be found by their bytes, and read without the head of their file."""
        return self.reader is not None and self.reader.countable

    @property
    def global_rows(self) -> tuple[Transformation, ...]:
        """The steps that count rows of the whole table: take, skip and sample.

        Reading a part does not apply them. When there are any, the planner cuts so that the parts hold just the rows
        they leave: counted off where nothing filters before, else found out by `table.transform_rows`.
        """
        return tuple(step for step in self.steps if isinstance(step, GLOBAL))

    @property
    def include_path_column(self) -> bool:
        """Whether each row knows its file, which is also what partition columns are made from."""
        return self.reader is None or self.reader.include_path_column

    @property
    def partition_names(self) -> tuple[str, ...]:
        """The columns that come from paths: what partition keys may be chosen from."""
        formats = (s.partition_format for s in self.steps if isinstance(s, ExtractPartitions))
        named = [name for text in formats for name in compile_format(text).names]
        return tuple(dict.fromkeys([*(self.reader.partitions if isinstance(self.reader, DeltaLake) else ()), *named]))

    @property
    def unneeded(self) -> frozenset[str]:
        """Columns that the steps drop before they look at them."""
        return unneeded_columns(self.steps, [column.name for column in self.columns])

    def has_header(self, uri: str) -> bool:
        """Whether the first line of this file holds names instead of data."""
        match self.reader:
            case Delimited(header=HeaderMode.NO_HEADER):
                return False
            case Delimited(header=HeaderMode.FROM_FIRST_FILE):
                return uri == self.header_uri
            case Delimited():
                return True
            case None | JsonLines() | Parquet() | DeltaLake():
                return False

    def to_json(self) -> str:
        """The recipe as compact JSON; equal recipes give equal text."""
        return RECIPES.dump(self).decode()


RECIPES = Record(TableRecipe, indent=None, refused="not a table's recipe: ")


def from_json(text: str | bytes, source: str) -> TableRecipe:
    """The recipe in a JSON text; DamagedRecordError, naming `source`, when it is not exactly one of this version."""
    return RECIPES.load(text, source)
