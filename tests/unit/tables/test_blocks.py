"""Transformations on blocks of rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.tables.blocks import Block, GlobalRows, convert_series, transform
from fanout.tables.transformations import (
    Conversion,
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
from fanout.tables.values.types import ColumnType, Kind


def block(frame: pd.DataFrame, uris: Sequence[str] = ("file:///r/u1/a.csv",)) -> Block:
    return Block(frame, uris, np.arange(len(frame)) % len(uris))


def applied(frame: pd.DataFrame, *steps: Transformation, uris: Sequence[str] = ("file:///r/u1/a.csv",)) -> pd.DataFrame:
    return transform(block(frame, uris), steps).frame


def objects(*values: Any) -> "pd.Series[Any]":
    return pd.Series(values, dtype=object)


def test_kept_columns_keep_the_order_of_the_table() -> None:
    """Names that are not there are ignored (reference, section 12)."""
    frame = pd.DataFrame({"a": [1], "b": [2], "c": [3]})
    assert list(applied(frame, KeepColumns(("c", "zz", "a"))).columns) == ["a", "c"]
    assert list(applied(frame, DropColumns(("b", "zz"))).columns) == ["a", "c"]


def test_steps_follow_each_other() -> None:
    """A filter sees what the conversion before it made."""
    frame = pd.DataFrame({"a": objects("5", "x", "7")})
    to_int = ConvertColumnTypes((Conversion(("a", "zz"), ColumnType(Kind.INT)),))
    assert applied(frame, to_int, Filter('col("a") > 5'))["a"].tolist() == [7]


def test_partition_columns_come_from_the_file_of_each_row() -> None:
    """At the right; null where the path does not fit."""
    frame = pd.DataFrame({"Path": ["p", "q"], "a": [1, 2]})
    made = applied(frame, ExtractPartitions("{u}/{f}.csv"), uris=("file:///r/u%201/a.csv", "s3://b/u2/b.txt"))
    assert list(made.columns) == ["Path", "a", "u", "f"]
    assert made["u"].tolist() == ["u 1", None]


def test_partition_columns_follow_their_rows_through_a_filter() -> None:
    """What was filtered before does not shift them."""
    frame = pd.DataFrame({"Path": list("pqr"), "a": [1, 2, 3]})
    uris = ("file:///1.csv", "file:///2.csv", "file:///3.csv")
    made = applied(frame, Filter('col("a") != 2'), ExtractPartitions("{n}.csv"), uris=uris)
    assert made["n"].tolist() == ["1", "3"]


def test_a_partition_column_takes_the_place_of_one_in_the_file() -> None:
    """One name, one column."""
    made = applied(pd.DataFrame({"u": [1], "Path": ["p"]}), ExtractPartitions("{u}/{f}.csv"))
    assert list(made.columns) == ["Path", "u", "f"]
    assert made["u"].tolist() == ["u1"]


def test_without_a_path_column_partition_columns_are_null() -> None:
    """The original's surprise 14 (reference, section 0)."""
    made = applied(pd.DataFrame({"a": [1]}), ExtractPartitions("{u}/{d:yyyy}.csv"))
    assert made[["u", "d"]].to_numpy().tolist() == [[None, None]]


def test_steps_that_count_the_whole_table_are_left_out_of_a_block() -> None:
    """They are the planner's."""
    assert len(applied(pd.DataFrame({"a": range(5)}), Take(1), Skip(1), TakeSample(0.0, 0))) == 5


STEPS = st.one_of(
    st.integers(0, 30).map(Take),
    st.integers(0, 30).map(Skip),
    st.builds(TakeSample, st.floats(0, 1), st.integers(0, 9)),
    st.just(Filter('col("a") != 7')),
)


@given(st.lists(STEPS, max_size=4), st.lists(st.integers(0, 12), max_size=6))
def test_counting_goes_on_from_block_to_block(steps: list[Transformation], sizes: list[int]) -> None:
    """However a table is cut, take, skip and sample keep the same rows."""
    frame = pd.DataFrame({"a": range(sum(sizes))})
    whole = transform(block(frame), steps, GlobalRows(steps)).frame["a"].tolist()
    rows = GlobalRows(steps)
    ends = np.cumsum(sizes).tolist()
    parts = [frame.iloc[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    assert [v for part in parts for v in transform(block(part), steps, rows).frame["a"].tolist()] == whole


def test_a_take_that_is_full_ends_the_reading() -> None:
    """Nothing behind it can be kept."""
    steps = (Take(3),)
    rows = GlobalRows(steps)
    assert not rows.exhausted
    transform(block(pd.DataFrame({"a": range(3)})), steps, rows)
    assert rows.exhausted


@pytest.mark.parametrize(
    ("series", "kind", "dtype", "values"),
    [
        (objects("5", "x", None), Kind.INT, "float64", [5.0, None, None]),
        (objects("5", "6"), Kind.INT, "int64", [5, 6]),
        (pd.Series([1.0, 2.0]), Kind.INT, "int64", [1, 2]),
        (pd.Series([1.5, -2.7]), Kind.INT, "int64", [1, -2]),
        (pd.Series([1.5, 1e300, np.nan]), Kind.INT, "float64", [1.0, 2.0**63, None]),
        (pd.Series([True, False]), Kind.INT, "object", [None, None]),
        (objects(True, None), Kind.FLOAT, "object", [None, None]),
        (pd.Series(pd.to_datetime(["2020-02-13"])), Kind.FLOAT, "object", [None]),
        (pd.Series([1, 2]), Kind.FLOAT, "float64", [1.0, 2.0]),
        (pd.Series([1, 0]), Kind.BOOLEAN, "bool", [True, False]),
        (pd.Series([1, 2]), Kind.BOOLEAN, "bool", [True, True]),
        (pd.Series([2.5, np.nan]), Kind.BOOLEAN, "object", [True, None]),
        (pd.Series([1.0, 0.0]), Kind.BOOLEAN, "bool", [True, False]),
        (objects(True, None), Kind.BOOLEAN, "object", [True, None]),
        (objects(None, None), Kind.BOOLEAN, "object", [None, None]),
        (pd.Series([1, 2]), Kind.STRING, "object", ["1", "2"]),
        (
            pd.Series([1.5, np.nan, 3.0, 1e20, 1e-7]),
            Kind.STRING,
            "object",
            ["1.5", None, "3", "1" + "0" * 20, "0.0000001"],
        ),
        (objects({"k": [1]}, "x", True), Kind.STRING, "object", ['{"k": [1]}', "x", "True"]),
        (pd.Series(pd.to_datetime(["2020-02-13"])), Kind.STRING, "object", ["2020-02-13T00:00:00+00:00"]),
        (objects("2020-02-13", "x"), Kind.DATETIME, "datetime64[ns]", [pd.Timestamp("2020-02-13"), None]),
        (pd.Series([5]), Kind.DATETIME, "object", [None]),
        (objects("p"), Kind.STREAM_INFO, "object", ["p"]),
    ],
)
def test_conversions(series: "pd.Series[Any]", kind: Kind, dtype: str, values: list[Any]) -> None:
    """What does not fit is null; only texts are parsed (measured with the original)."""
    found, _ = convert_series(series, ColumnType(kind))
    assert str(found.dtype) == dtype
    assert [None if pd.isna(value) else value for value in found.tolist()] == values
