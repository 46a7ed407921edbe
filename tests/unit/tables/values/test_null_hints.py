"""Marks: what a column would be without its gaps."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fanout.tables.values.null_hints import NullHint, fits_int64, null_hint

NAN, INF = math.nan, math.inf
FRACTIONS = [
    ([1.0, NAN], NullHint.REAL),
    ([NAN, None], NullHint.REAL),
    ([INF, -INF], None),
    ([1.0, None], None),
    ([None], None),
]


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.float16()], ids=str)
@pytest.mark.parametrize(
    ("values", "mark"),
    [
        ([1.0, NAN], NullHint.REAL),
        ([NAN, None], NullHint.REAL),
        ([INF, -INF], None),
        ([1.0, None], None),
        ([None], None),
        ([], None),
    ],
)
def test_nan_is_a_value(values: list[Any], kind: Any, mark: NullHint | None) -> None:
    """Beside other numbers, gaps, and infinities whose sum is none."""
    whole = np.float16 if kind == pa.float16() else float
    array = pa.array([None if value is None else whole(value) for value in values], kind)
    assert null_hint(pa.chunked_array([array])) is mark


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        ([1, None], NullHint.WHOLE),
        ([1], None),
        ([True, None], NullHint.FLAG),
        (["x", None], None),
        (pa.array([0, None], pa.timestamp("ns")), None),
        (pa.array([-(2**63), 1]).cast(pa.timestamp("ns")), NullHint.REAL),
        (pa.array([2**64 - 1, None], pa.uint64()), None),
    ],
)
def test_other_columns(values: Any, mark: NullHint | None) -> None:
    """Whole numbers and booleans that have gaps; times that nanoseconds cannot say."""
    assert null_hint(pa.chunked_array([pa.array(values)])) is mark


def test_whole_numbers_that_are_too_large() -> None:
    """Only those without a sign can be."""
    assert fits_int64(pa.chunked_array([pa.array([2**63 - 1], pa.uint64())]))
    assert not fits_int64(pa.chunked_array([pa.array([2**63], pa.uint64())]))
    assert fits_int64(pa.chunked_array([], pa.uint64()))
