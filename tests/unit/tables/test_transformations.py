"""What can be known of transformations before any row is read."""

from fanout.tables.transformations import (
    Conversion,
    ConvertColumnTypes,
    DropColumns,
    ExtractPartitions,
    Filter,
    KeepColumns,
    Take,
    early_conversions,
    unneeded_columns,
)
from fanout.tables.values.types import ColumnType, Kind

INT, TEXT = ColumnType(Kind.INT), ColumnType(Kind.STRING)


def convert(name: str, column: ColumnType) -> ConvertColumnTypes:
    return ConvertColumnTypes((Conversion((name,), column),))


def test_the_first_conversion_of_a_column_is_done_while_reading() -> None:
    """Later ones convert what the first one made."""
    assert dict(early_conversions((Take(5), convert("a", TEXT), convert("a", INT)))) == {"a": TEXT}


def test_a_conversion_behind_a_filter_on_the_column_is_not() -> None:
    """The filter must see the inferred type."""
    steps = (Filter('col("a") > 1'), convert("a", TEXT), convert("b", TEXT))
    assert dict(early_conversions(steps)) == {"b": TEXT}


def test_a_conversion_of_a_partition_column_is_not() -> None:
    """The file may have a column of that name, which it does not mean."""
    assert dict(early_conversions((ExtractPartitions("{a}.csv"), convert("a", INT)))) == {}


def test_columns_that_are_dropped_unseen_need_not_be_read() -> None:
    """What a filter looks at must be, and so must what could be an error."""
    names = ("a", "b", "c", "d")
    strict = convert("d", ColumnType(Kind.BOOLEAN, mismatch_as="error"))
    assert unneeded_columns((KeepColumns(("a",)),), names) == {"b", "c", "d"}
    assert unneeded_columns((Filter('col("b") == 1'), strict, DropColumns(("b", "c", "d"))), names) == {"c"}
    assert unneeded_columns((), names) == frozenset()
