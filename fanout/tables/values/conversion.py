"""Columns of text to columns of values (pyarrow), and those to the DataFrame that user code gets.

The frame holds what MLTable's does: int64, float64, bool, datetime64[ns] and object, missing texts as None, whole
numbers with gaps as float64, booleans with gaps as object (reference, section 12). Where no step makes rows anew, the
columns of parquet have the types of the files.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fanout.tables.values.datetimes import FIRST, LAST, OUT_OF_RANGE
from fanout.tables.values.null_hints import NullHint, fit_float64, fits_int64
from fanout.tables.values.types import ISO_FORMATS, ColumnType, Kind, parser

_WIDE = 64
_SAMPLE = 1000  # texts that show whether a column has many different ones

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
    import pyarrow as pa

    for index, name in enumerate(texts.column_names):
        column, values = types.get(name), texts.column(index)
        if column is not None and values.type != arrow_type(column):
            made = convert_column(values, column) if pa.types.is_string(values.type) else _nanoseconds(values)
            texts = texts.set_column(index, name, made)
    return texts


def _nanoseconds(moments: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Days or seconds as nanoseconds; what those cannot say is NaT."""
    import pyarrow as pa
    import pyarrow.compute as pc

    seconds = moments.cast(pa.timestamp("s"))
    low, high = (pa.scalar(moment.replace(tzinfo=None), seconds.type) for moment in (FIRST, LAST))
    fits = pc.and_(pc.greater_equal(seconds, low), pc.less(seconds, high))
    if pc.all(fits).as_py() is not False:
        return seconds.cast(pa.timestamp("ns"))
    nat = pa.scalar(-(2**63), pa.int64()).cast(pa.timestamp("ns"))
    return pc.if_else(fits, pc.if_else(fits, seconds, pa.scalar(None, seconds.type)).cast(pa.timestamp("ns")), nat)


def convert_column(texts: "pa.ChunkedArray", column: ColumnType) -> "pa.ChunkedArray":
    """A column of text as values; what does not fit its type becomes null, a time out of range NaT."""
    match column.kind:
        case Kind.INT | Kind.FLOAT:
            return _numbers(texts, column)
        case Kind.DATETIME:
            return _moments(texts, column)
        case Kind.BOOLEAN:
            return _each_once(texts, column)
        case _:
            return texts


def _numbers(texts: "pa.ChunkedArray", column: ColumnType) -> "pa.ChunkedArray":
    """Whatever is written in the regular way at once, the rest one by one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = arrow_type(column)
    regular = pc.match_substring_regex(texts, _REGULAR[column.kind])
    found = pc.if_else(regular, texts, pa.scalar(None, pa.string())).cast(wanted)
    if pc.all(regular).as_py() in (True, None):
        return found
    rest = pc.if_else(regular, pa.scalar(None, pa.string()), texts)
    return pc.coalesce(found, _each_once(rest, column))


# Always without the fast reader's own ideas, such as hexadecimal numbers.
_REGULAR = {Kind.INT: r"^-?[0-9]{1,18}$", Kind.FLOAT: r"^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"}


def _each_once(texts: "pa.ChunkedArray", column: ColumnType) -> "pa.ChunkedArray":
    """Each different text parsed once."""
    import pyarrow as pa

    parse, encoded = parser(column), texts.combine_chunks().dictionary_encode()
    values = [None if text is None else parse(text) for text in encoded.dictionary.to_pylist()]
    times = column.kind is Kind.DATETIME
    known = _moment_array(values) if times else pa.array(values, type=arrow_type(column))
    return pa.chunked_array([known.take(encoded.indices)])


def _moments(texts: "pa.ChunkedArray", column: ColumnType) -> "pa.ChunkedArray":
    """What is written in the regular way of the first format by pandas, the rest one by one."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    formats = ISO_FORMATS if column.formats is None else column.formats
    found = _seconds(texts, formats[0][8]) if formats and formats[0] in _SECONDS else None
    if found is not None:
        return found
    regular = _regular(formats[0]) if formats else None
    if regular is None:
        return _each_once(texts, column)
    none, plain = pa.scalar(None, pa.string()), formats[0].replace("%.f", ".%f")
    fitting = pd.Series(text_values(pc.if_else(pc.match_substring_regex(texts, regular), texts, none)), dtype=object)
    found = pa.array(parse_times(fitting, plain).to_numpy(), from_pandas=True)
    rest = pc.if_else(pc.is_valid(found), none, texts)
    if rest.null_count == len(rest):
        return pa.chunked_array([found])
    return pa.chunked_array([pc.coalesce(found, _each_once(rest, column).combine_chunks())])


_SECONDS = frozenset({"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"})
_WIDTH = len("2020-01-31T10:11:12")


def _seconds(texts: "pa.ChunkedArray", separator: str) -> "pa.ChunkedArray | None":
    """Times that are all written in full, by pyarrow; None when any is not, as it takes more than we do."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = texts.combine_chunks()
    if set(pc.min_max(pc.binary_length(whole)).as_py().values()) != {_WIDTH}:
        return None
    offsets, letters = (
        np.frombuffer(buffer, kind) for buffer, kind in zip(whole.buffers()[1:], ("i4", "u1"), strict=True)
    )
    first, last = offsets[whole.offset], offsets[whole.offset + len(whole)]
    if (letters[first:last].reshape(-1, _WIDTH)[:, 10] != ord(separator)).any():
        return None
    try:
        return _nanoseconds(pa.chunked_array([whole.cast(pa.timestamp("s"))]))
    except pa.ArrowInvalid:
        return None


_PIECES = re.compile(r"%\.f|%(.)|([^%]+)")
_LETTERS = dict.fromkeys("mdHMSI", "[0-9]{1,2}") | {
    "Y": "[0-9]{4}",
    "p": "[AaPp][Mm]",
    "b": "[A-Za-z]{3}",
    "z": "(?:Z|[+-][0-9]{2}:?[0-9]{2})",
}


def _regular(form: str) -> str | None:
    """Which texts pandas reads by a format just as we do, as an expression; None when it does not know all letters."""
    pieces = list(_PIECES.finditer(form))
    letters = {piece[1] for piece in pieces if piece[1]}
    if not letters <= _LETTERS.keys() or not ({"Y", "m", "d"} <= letters or {"Y", "b", "d"} <= letters):
        return None
    written = (_LETTERS[p[1]] if p[1] else re.escape(p[2]) if p[2] else r"\.[0-9]{1,9}" for p in pieces)
    return f"^{''.join(written)}$"


def _moment_array(values: Sequence[Any]) -> "pa.Array":
    """Times given as ISO text; OUT_OF_RANGE is a value, though NaT, and no null."""
    import numpy as np
    import pyarrow as pa

    nat = np.datetime64("NaT", "ns")
    moments = np.array([nat if value in (None, OUT_OF_RANGE) else value for value in values], dtype="datetime64[ns]")
    mask = np.array([value is None for value in values], dtype=bool)
    return pa.array(moments.view("int64"), mask=mask).cast(pa.timestamp("ns"))


def parse_times(series: "pd.Series[Any]", form: str) -> "pd.Series[Any]":
    """The times in a Series of text, datetime64[ns] in UTC; what does not fit, or is out of range, is NaT."""
    import pandas as pd

    parsed: pd.Series[Any] = pd.to_datetime(series, format=form, errors="coerce", utc="%z" in form)
    if parsed.dt.tz is not None:
        parsed = parsed.dt.tz_localize(None)
    low, high = (pd.Timestamp(moment.replace(tzinfo=None)) for moment in (FIRST, LAST))
    times: pd.Series[Any] = parsed.where((parsed >= low) & (parsed < high)).astype("datetime64[ns]")
    return times


def text_values(column: "pa.ChunkedArray") -> "Array":
    """Texts as an object array, None where they are missing; alike ones may be one object."""
    import pyarrow as pa
    import pyarrow.compute as pc

    head = column.slice(0, _SAMPLE)
    if len(column) <= _SAMPLE or pc.count_distinct(head).as_py() > len(head) // 4:
        values: Array = column.to_numpy(zero_copy_only=False)
        return values
    # Making each of few different texts once takes a third of the time.
    return _few_texts(pa.chunked_array(column.chunks).combine_chunks().dictionary_encode())


def _few_texts(encoded: "pa.DictionaryArray") -> "Array":
    texts = object_values([*encoded.dictionary.to_pylist(), None])
    places: Array = encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)
    found: Array = texts[places]
    return found


def to_values(column: "pa.ChunkedArray") -> "Array":
    """A column of pyarrow's as the array that a Series is made of."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        if pa.types.is_string(kind.value_type) and len(column):
            return _few_texts(column.unify_dictionaries().combine_chunks())
        return to_values(column.cast(kind.value_type))
    if pa.types.is_integer(kind):
        wanted = pa.float64() if column.null_count or not fits_int64(column) else pa.int64()
        return _numpy(column.cast(wanted, safe=False))
    if pa.types.is_floating(kind):
        return _numpy(column.cast(pa.float64()))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _numpy(_in_range(column))
    if pa.types.is_nested(kind):
        return _nested(column)
    if pa.types.is_decimal(kind) or pa.types.is_time(kind):
        return object_values(column.to_pylist())
    if pa.types.is_null(kind):
        return object_values([None] * len(column))
    return text_values(column) if pa.types.is_string(kind) else _numpy(column)


def own_values(column: "pa.ChunkedArray", *, exact: bool = False) -> Any:
    """A column of parquet as the array that a Series is made of, with its own type as far as pandas has it.

    Whole numbers with gaps are float64 all the same, when `exact` only if that holds each of them; days are dates.
    """
    import pyarrow as pa

    kind = column.type
    if exact and pa.types.is_integer(kind) and column.null_count and not fit_float64(column):
        return object_values(column.to_pylist())
    if pa.types.is_date(kind):
        return column.to_pandas().to_numpy()
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return column.to_pandas().array.copy()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_timestamp(kind):
        return _numpy(column)
    return to_values(column)


def _nested(column: "pa.ChunkedArray") -> "Array":
    """Lists as arrays and objects as dicts; numbers in them with gaps are fractions, as in the original."""
    return object_values(column.to_pandas().tolist())


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
    # These arrays have no other owner. Wide frames are copied into few blocks: pandas warns of more than a hundred.
    return pd.DataFrame(series, index=index, copy=len(columns) > _WIDE)


def finish(frame: "pd.DataFrame", marks: Mapping[str, NullHint]) -> "pd.DataFrame":
    """The frame as user code sees it: rows numbered from 0, types as what is left of each column has them.

    A column of nothing but nulls is None; whole numbers and booleans whose gaps are gone are what they are. A frame
    without rows has no columns either, as in the original (reference, section 12).
    """
    import pandas as pd

    if not len(frame):
        return pd.DataFrame()
    if not (isinstance(frame.index, pd.RangeIndex) and frame.index.start == 0 and frame.index.step == 1):
        frame = frame.reset_index(drop=True)
    changed: dict[str, Any] = {}
    # One look at the first row spares nearly every column the whole look.
    for name, value in zip(frame.columns, frame.iloc[0], strict=True):
        mark = marks.get(name)
        if _is_missing(value):
            if frame[name].dtype != object and mark not in (NullHint.REAL, NullHint.OWN) and frame[name].isna().all():
                changed[name] = pd.Series([None] * len(frame), dtype=object)
        elif mark in (NullHint.WHOLE, NullHint.FLAG) and not frame[name].isna().any():
            changed[name] = frame[name].astype("int64" if mark is NullHint.WHOLE else "bool")
    return frame.assign(**changed) if changed else frame


def _is_missing(value: object) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_scalar(value) and pd.isna(value))  # type: ignore[call-overload]
