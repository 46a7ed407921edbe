"""What gaps did to a column on its way to a Series (pyarrow)."""

import math
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


class NullHint(StrEnum):
    """What a column would be without its gaps, or what its gaps are: rows may be left out after it was read."""

    WHOLE = "whole"  # whole numbers, as float64 because of gaps
    FLAG = "flag"  # booleans, as object because of gaps
    OWN = "own"  # nothing: the column has the type of its parquet file, whatever rows are left
    REAL = "real"  # some NaN or NaT are values: numbers that are none, and times out of range


def null_hint(column: "pa.ChunkedArray") -> NullHint | None:
    """The mark of a column that `to_values` makes an array of."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type):
        return NullHint.REAL if column.null_count < len(column) and _holds_nan(column) else None
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        nat = pa.scalar(-(2**63), pa.int64()).cast(column.type)
        return NullHint.REAL if column.null_count < len(column) and pc.any(pc.equal(column, nat)).as_py() else None
    if column.null_count in (0, len(column)):
        return None
    if pa.types.is_boolean(column.type):
        return NullHint.FLAG
    return NullHint.WHOLE if pa.types.is_integer(column.type) and fits_int64(column) else None


def _holds_nan(numbers: "pa.ChunkedArray") -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    # Their sum is NaN then, and hardly ever else: three times as fast as a look at each.
    total: float = pc.sum(numbers.cast(pa.float64())).as_py()
    return math.isnan(total) and bool(pc.any(pc.is_nan(numbers)).as_py())


def fits_int64(column: "pa.ChunkedArray") -> bool:
    """Whether whole numbers of any type are within the range of int64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return column.type != pa.uint64() or not len(column) or pc.max(column).as_py() < 2**63


def fit_float64(column: "pa.ChunkedArray") -> bool:
    """Whether a float holds each of these whole numbers."""
    import pyarrow.compute as pc

    ends = pc.min_max(column)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    return low is None or (low >= -(2**53) and high <= 2**53)
