"""Columns to the frame that user code gets."""

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fanout.tables.values.conversion import finish, object_values, own_values, parse_times, to_frame, to_values
from fanout.tables.values.null_hints import NullHint


@pytest.mark.parametrize(
    ("column", "dtype", "values"),
    [
        (pa.array([1, 2]), "int64", [1, 2]),
        (pa.array([1, None]), "float64", [1.0, None]),
        (pa.array([1, 2], pa.int8()), "int64", [1, 2]),
        (pa.array([2**64 - 1], pa.uint64()), "float64", [float(2**64)]),
        (pa.array([1.5], pa.float32()), "float64", [1.5]),
        (pa.array([True, False]), "bool", [True, False]),
        (pa.array([True, None]), "object", [True, None]),
        (pa.array(["x", None]), "object", ["x", None]),
        (pa.array(["x", "x"]).dictionary_encode(), "object", ["x", "x"]),
        (pa.array(["x", None, "y"]).dictionary_encode(), "object", ["x", None, "y"]),
        (pa.array([5, None]).dictionary_encode(), "float64", [5.0, None]),
        (pa.array([], pa.dictionary(pa.int32(), pa.string())), "object", []),
        (pa.array([b"x"]), "object", [b"x"]),
        (pa.array([[1], None]), "object", [[1], None]),
        (pa.array([{"k": 1}]), "object", [{"k": 1}]),
        (pa.array([Decimal("1.5")]), "object", [Decimal("1.5")]),
        (pa.array([datetime.date(2020, 2, 13), None]), "datetime64[ns]", [pd.Timestamp("2020-02-13"), None]),
        (pa.array([datetime.date(9999, 12, 31)]), "datetime64[ns]", [None]),
        (pa.nulls(1), "object", [None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_every_type_becomes_one_of_five(column: pa.Array, dtype: str, values: list[Any]) -> None:
    """int64, float64, bool, datetime64[ns] and object (reference, section 12)."""
    found = to_values(pa.chunked_array([column]))
    assert str(found.dtype) == dtype
    assert [
        None if value is None or value is pd.NaT or value != value else value for value in pd.Series(found)
    ] == values


@pytest.mark.parametrize(
    ("column", "dtype", "values"),
    [
        (pa.array([1, -2], pa.int8()), "int8", [1, -2]),
        (pa.array([1, 2], pa.int32()), "int32", [1, 2]),
        (pa.array([1, None], pa.int8()), "float64", [1.0, None]),
        (pa.array([None, None], pa.int8()), "float64", [None, None]),
        (pa.array([2**63 + 5], pa.uint64()), "uint64", [2**63 + 5]),
        (pa.array([2**63 + 5, None], pa.uint64()), "float64", [float(2**63), None]),
        (pa.array([0.1, None], pa.float32()), "float32", [float(np.float32(0.1)), None]),
        (pa.array([True, None]), "object", [True, None]),
        (pa.array([datetime.date(9999, 1, 1), None]), "object", [datetime.date(9999, 1, 1), None]),
        (pa.array([1, None], pa.timestamp("ms")), "datetime64[ms]", [pd.Timestamp(1, unit="ms"), None]),
        (
            pa.array([0, None], pa.timestamp("us", "Europe/Berlin")),
            "datetime64[us, Europe/Berlin]",
            [pd.Timestamp("1970-01-01 01:00+01:00"), None],
        ),
        (pa.array([Decimal("1.5")]), "object", [Decimal("1.5")]),
        (pa.array(["x", None]).dictionary_encode(), "object", ["x", None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_types_of_parquet_are_kept(column: pa.Array, dtype: str, values: list[Any]) -> None:
    """Measured with mltable 1.7.0; whole numbers with gaps are float64 there, too."""
    frame = to_frame({"a": own_values(pa.chunked_array([column]))}, len(column))
    found = finish(frame, {"a": NullHint.OWN})["a"]
    assert str(found.dtype) == dtype
    assert [None if pd.isna(value) else value for value in found] == values
    found.array[0] = found.array[-1]  # user code may write


def test_times_of_a_zone_are_utc_without_saying_so() -> None:
    """A column of times has no zone."""
    stamp = datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    found = to_values(pa.chunked_array([pa.array([stamp], pa.timestamp("us", "Europe/Berlin"))]))
    assert str(found[0]) == "2020-01-01T10:00:00.000000000"


def test_arrays_of_a_frame_may_be_written_to() -> None:
    """User code owns its mini-batch."""
    frame = to_frame({"a": to_values(pa.chunked_array([pa.array([1.0, 2.0])]))}, 2)
    frame.loc[0, "a"] = 5.0
    assert frame["a"].tolist() == [5.0, 2.0]


def test_texts_stay_objects() -> None:
    """Whatever string type pandas would choose."""
    assert to_frame({"a": object_values(["x", None])}, 2)["a"].dtype == object


def test_wide_frames_take_new_columns_without_a_warning() -> None:
    """pandas warns of frames in more than a hundred blocks, and warnings fail this suite."""
    frame = to_frame({f"c{i}": np.arange(2.0) for i in range(200)}, 2)
    frame["prediction"] = 1


def test_a_finished_frame_without_rows_has_no_columns() -> None:
    """As the original's (reference, section 12)."""
    assert finish(to_frame({"a": np.array([1.0])}, 1).iloc[:0], {}).shape == (0, 0)


def test_a_finished_column_of_nothing_but_nulls_is_none() -> None:
    """Also when it is one of numbers elsewhere in the table."""
    frame = finish(
        pd.DataFrame({"a": [np.nan, np.nan], "b": [np.nan, 1.0], "c": [np.nan, np.nan]}, index=[5, 7]),
        {"c": NullHint.REAL},
    )
    assert frame["a"].tolist() == [None, None]
    assert [str(dtype) for dtype in frame.dtypes] == ["object", "float64", "float64"]
    assert list(frame.index) == [0, 1]


def test_what_is_left_of_a_column_has_the_type_it_has_without_gaps() -> None:
    """Whole numbers and booleans whose gaps were left out; also when the rows left are neighbours."""
    columns = {"n": np.array([np.nan, 2.0, 3.0]), "f": np.array([None, True, False], dtype=object)}
    marks = {"n": NullHint.WHOLE, "f": NullHint.FLAG}
    whole = finish(to_frame(columns, 3), marks)
    assert [str(dtype) for dtype in whole.dtypes] == ["float64", "object"]
    left = finish(to_frame(columns, 3)[np.array([False, True, True])], marks)
    assert [str(dtype) for dtype in left.dtypes] == ["int64", "bool"]
    assert list(left.index) == [0, 1]


def test_times_with_offsets_are_turned_to_utc_when_the_format_reads_them() -> None:
    """%z is what the format asks for; the column has no zone all the same."""
    found = parse_times(pd.Series(["2020-01-01 12:00 +0200", "x"], dtype=object), "%Y-%m-%d %H:%M %z")
    assert str(found[0]) == "2020-01-01 10:00:00"
    assert found.isna().tolist() == [False, True]
