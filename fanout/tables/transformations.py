"""What an MLTable does to the rows and columns that were read: a value for each transformation, in its order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from fanout.tables.values.column_pattern import ColumnPattern
from fanout.tables.values.filter_expressions import columns_of, parse_filter
from fanout.tables.values.partition_format import compile_format
from fanout.tables.values.types import ColumnType


@dataclass(frozen=True, slots=True)
class KeepColumns:
    """Only these columns, in the table's order; names that are not there are ignored."""

    names: tuple[str, ...]
    pattern: ColumnPattern | None = None  # in place of names
    kind: Literal["keep_columns"] = "keep_columns"

    def keeps(self, name: str) -> bool:
        """Whether a column stays."""
        return _means(self, name)


@dataclass(frozen=True, slots=True)
class DropColumns:
    """All but these columns; names that are not there are ignored."""

    names: tuple[str, ...]
    pattern: ColumnPattern | None = None  # in place of names
    kind: Literal["drop_columns"] = "drop_columns"

    def keeps(self, name: str) -> bool:
        """Whether a column stays."""
        return not _means(self, name)


@dataclass(frozen=True, slots=True)
class Filter:
    """Only rows for which the expression holds (filters.py)."""

    expression: str
    kind: Literal["filter"] = "filter"


@dataclass(frozen=True, slots=True)
class Conversion:
    """These columns get this type."""

    columns: tuple[str, ...]
    type: ColumnType
    pattern: ColumnPattern | None = None  # in place of columns

    def of(self, name: str) -> bool:
        """Whether it is about this column."""
        return name in self.columns if self.pattern is None else self.pattern.fits(name)


@dataclass(frozen=True, slots=True)
class ConvertColumnTypes:
    """Types given instead of inferred."""

    conversions: tuple[Conversion, ...]
    kind: Literal["convert_column_types"] = "convert_column_types"


@dataclass(frozen=True, slots=True)
class ExtractPartitions:
    """Columns from the parts of each file's path (partition_format.py)."""

    partition_format: str
    kind: Literal["extract_columns_from_partition_format"] = "extract_columns_from_partition_format"


@dataclass(frozen=True, slots=True)
class Take:
    """The first `count` rows of the whole table."""

    count: int
    kind: Literal["take"] = "take"


@dataclass(frozen=True, slots=True)
class Skip:
    """All but the first `count` rows of the whole table."""

    count: int
    kind: Literal["skip"] = "skip"


@dataclass(frozen=True, slots=True)
class TakeSample:
    """Each row of the whole table with this probability; the seed and the row's place in the table decide.

    Of a row's draw from 0 to 1 it is asked that it lies below `probability` and not below `above`: so one seed splits
    a table in two.
    """

    probability: float
    seed: int
    above: float = 0.0
    kind: Literal["take_random_sample"] = "take_random_sample"


Transformation = KeepColumns | DropColumns | Filter | ConvertColumnTypes | ExtractPartitions | Take | Skip | TakeSample
GLOBAL = (Take, Skip, TakeSample)


def _means(step: KeepColumns | DropColumns, name: str) -> bool:
    return name in step.names if step.pattern is None else step.pattern.fits(name)


def early_conversions(steps: Sequence[Transformation]) -> Iterator[tuple[str, ColumnType]]:
    """The conversions that nothing before them depends on: a column of text can be read as that type from the start."""
    settled: set[str] = set()
    for step in steps:
        match step:
            case Filter(expression=expression):
                settled |= columns_of(parse_filter(expression))
            case ExtractPartitions(partition_format=text):
                settled.update(compile_format(text).names)
            case ConvertColumnTypes(conversions=conversions):
                found = dict(_unsettled(conversions, settled))
                settled.update(found)
                yield from found.items()
            case _:
                pass


def _unsettled(conversions: Sequence[Conversion], settled: set[str]) -> Iterator[tuple[str, ColumnType]]:
    return ((name, c.type) for c in conversions for name in c.columns if name not in settled)


def keeps_rows(steps: Sequence[Transformation]) -> bool:
    """Whether the rows are left as they were read; columns may go. All else makes them anew in the original."""
    return all(isinstance(step, KeepColumns | DropColumns) for step in steps)


def unneeded_columns(steps: Sequence[Transformation], names: Sequence[str]) -> frozenset[str]:
    """Those of `names` that are dropped before anything looks at them, so that they need not be read."""
    alive, needed = set(names), set[str]()
    for step in steps:
        match step:
            case KeepColumns() | DropColumns():
                alive = set(filter(step.keeps, alive))
            case Filter(expression=expression):
                needed |= columns_of(parse_filter(expression))
            case ConvertColumnTypes(conversions=conversions):
                strict = [c for c in conversions if c.type.mismatch_as == "error"]
                needed.update(name for name in names if any(c.of(name) for c in strict))
            case _:
                pass
    return frozenset(set(names) - alive - needed)
