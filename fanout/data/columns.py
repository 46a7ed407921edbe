"""Columns of text to columns of values (pyarrow), and those to the DataFrame that user code gets.

The frame holds what MLTable's does: int64, float64, bool, datetime64[ns] and object, missing texts as None, whole
numbers with gaps as float64, booleans with gaps as object (reference, section 12).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fanout.data.types import ColumnType, Kind, parser

_WIDE = 64

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    Array = np.ndarray[Any, Any]


def arrow_type(column: ColumnType) -> "pa.DataType":
    """The type in which a column is held until it becomes a Series."""
    import pyarrow as pa

    match column.kind:
        case Kind.INT:
            return pa.int64()
        case Kind.FLOAT:
            return pa.float64()
        case Kind.BOOLEAN:
            return pa.bool_()
        case Kind.DATETIME:
            return pa.timestamp("ns")
        case _:
            return pa.string()


def convert_texts(texts: "pa.Table", types: Mapping[str, ColumnType]) -> "pa.Table":
    """The table with each of its columns as its type says; columns without one stay text."""
    for index, name in enumerate(texts.column_names):
        column = types.get(name)
        if column is not None and texts.column(index).type != arrow_type(column):
            texts = texts.set_column(index, name, convert_column(texts.column(index), column))
    return texts


def convert_column(texts: "pa.ChunkedArray", column: ColumnType) -> "pa.ChunkedArray":
    """A column of text as values; what does not fit its type becomes null."""
    import pyarrow as pa

    if column.is_plain:
        try:
            return texts.cast(arrow_type(column))
        except pa.ArrowInvalid:
            pass  # some value does not fit, or only fits by our wider rules
    if column.formats:
        return pa.chunked_array([_by_formats(texts, column.formats)])
    parse = parser(column)
    values = pa.array([None if text is None else parse(text) for text in texts.to_pylist()], from_pandas=False)
    return pa.chunked_array([values.cast(arrow_type(column))])


def _by_formats(texts: "pa.ChunkedArray", formats: tuple[str, ...]) -> "pa.Array":
    import pandas as pd
    import pyarrow as pa

    series = pd.Series(text_values(texts), dtype=object)
    found = pd.Series(pd.NaT, index=series.index, dtype="datetime64[ns]")
    for form in formats:
        rest = found.isna() & series.notna()
        if not rest.any():
            break
        found[rest] = parse_times(series[rest], form)
    return pa.array(found.to_numpy(), from_pandas=True)


def parse_times(series: "pd.Series[Any]", form: str) -> "pd.Series[Any]":
    """The times in a Series of text, datetime64[ns] without a zone; what does not fit, or is out of range, is NaT."""
    import pandas as pd

    parsed: pd.Series[Any] = pd.to_datetime(series, format=form, errors="coerce", utc="%z" in form)
    if parsed.dt.tz is not None:
        parsed = parsed.dt.tz_localize(None)
    within = (parsed >= pd.Timestamp.min) & (parsed <= pd.Timestamp.max)
    times: pd.Series[Any] = parsed.where(within).astype("datetime64[ns]")
    return times


def text_values(column: "pa.ChunkedArray") -> "Array":
    """Texts as an object array, None where they are missing."""
    values: Array = column.to_numpy(zero_copy_only=False)
    return values


def to_values(column: "pa.ChunkedArray") -> "Array":
    """A column of pyarrow's as the array that a Series is made of."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return to_values(column.cast(kind.value_type))
    if pa.types.is_integer(kind):
        wanted = pa.float64() if column.null_count or not _fits_int64(column) else pa.int64()
        return _numpy(column.cast(wanted, safe=False))
    if pa.types.is_floating(kind):
        return _numpy(column.cast(pa.float64()))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _numpy(_in_range(column))
    if pa.types.is_nested(kind) or pa.types.is_decimal(kind) or pa.types.is_time(kind):
        return object_values(column.to_pylist())
    if pa.types.is_null(kind):
        return object_values([None] * len(column))
    return _numpy(column)


def _fits_int64(column: "pa.ChunkedArray") -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    return column.type != pa.uint64() or not len(column) or pc.max(column).as_py() < 2**63


def _in_range(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Times in nanoseconds, those of a zone as UTC; null where nanoseconds cannot say it."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    wide = column.cast(pa.timestamp(column.type.unit) if pa.types.is_timestamp(column.type) else pa.timestamp("s"))
    if wide.type.unit == "ns":
        return wide
    low, high = (pa.scalar(moment, wide.type) for moment in _limits(pd))
    fits = pc.and_(pc.greater_equal(wide, low), pc.less_equal(wide, high))
    return pc.if_else(fits, wide, pa.scalar(None, wide.type)).cast(pa.timestamp("ns"))


def _limits(pd: Any) -> "tuple[pd.Timestamp, pd.Timestamp]":
    # A second less on both sides, so that rounding to the column's unit stays inside.
    return pd.Timestamp.min.ceil("s"), pd.Timestamp.max.floor("s")


def _numpy(column: "pa.ChunkedArray") -> "Array":
    values: Array = column.to_numpy(zero_copy_only=False)
    # What pyarrow hands out may be a view of memory that must not be written to; user code may write.
    return values if values.flags.writeable else values.copy()


def object_values(values: list[Any]) -> "Array":
    """Any values as an object array, element by element, also when they are lists."""
    import numpy as np

    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def to_frame(columns: "Mapping[str, Array]", rows: int) -> "pd.DataFrame":
    """A DataFrame of these columns; objects stay objects, whatever pandas would make of texts."""
    import pandas as pd

    index = pd.RangeIndex(rows)
    series = {n: pd.Series(v, index=index, dtype=object) if v.dtype == object else v for n, v in columns.items()}
    # Nobody else holds these arrays. Wide frames are copied into few blocks: pandas warns of more than a hundred.
    return pd.DataFrame(series, index=index, copy=len(columns) > _WIDE)


def finish(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The frame as user code sees it: rows numbered from 0, a column of nothing but nulls as None.

    A frame without rows has no columns either, as in the original (reference, section 12).
    """
    import pandas as pd

    if not len(frame):
        return pd.DataFrame()
    frame = frame.reset_index(drop=True) if not isinstance(frame.index, pd.RangeIndex) else frame
    # One look at the first row spares nearly every column the whole look.
    suspects = [name for name, value in zip(frame.columns, frame.iloc[0], strict=True) if _is_missing(value)]
    for name in suspects:
        if frame[name].dtype != object and frame[name].isna().all():
            frame[name] = pd.Series([None] * len(frame), dtype=object)
    return frame


def _is_missing(value: object) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_scalar(value) and pd.isna(value))  # type: ignore[call-overload]
