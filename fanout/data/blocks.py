"""Applying a table's transformations to a block of its rows, in their order.

What needs only the row itself is done to every block alike. What counts rows of the whole table (take, skip, sample)
is done where blocks come in the table's order, with one `GlobalRows` for all of them, and is otherwise left out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fanout.data import uris
from fanout.data.columns import convert_column, object_values, to_values
from fanout.data.filters import parse_filter, rows_that_pass
from fanout.data.partition_format import compile_format
from fanout.data.recipe import PATH
from fanout.data.transformations import (
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
from fanout.data.types import ColumnType, Kind

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of a table, and where each comes from."""

    frame: "pd.DataFrame"
    uris: Sequence[str]
    sources: "Array"  # of each row, the index into `uris`

    def only(self, mask: "Array") -> "Block":
        """The rows for which `mask` is true."""
        return self if mask.all() else replace(self, frame=self.frame[mask], sources=self.sources[mask])


class GlobalRows:
    """Which rows take, skip and sample keep, as the blocks of a table go by in its order."""

    def __init__(self, steps: Sequence[Transformation]) -> None:
        import numpy as np

        self._steps = steps
        self._seen = [0] * len(steps)
        self._draws = [np.random.default_rng(s.seed) if isinstance(s, TakeSample) else None for s in steps]

    @property
    def exhausted(self) -> bool:
        """Whether no later row can be kept."""
        return any(isinstance(s, Take) and seen >= s.count for s, seen in zip(self._steps, self._seen, strict=True))

    def keep(self, index: int, rows: int) -> "Array":
        """For each of the next `rows` rows that reach step `index`, whether it is kept."""
        import numpy as np

        step, before, draws = self._steps[index], self._seen[index], self._draws[index]
        self._seen[index] += rows
        if isinstance(step, TakeSample) and draws is not None:
            drawn = draws.random(rows)
            return (drawn >= step.above) & (drawn < step.probability)
        places = np.arange(before, before + rows)
        if isinstance(step, Take):
            return places < step.count
        return places >= step.count if isinstance(step, Skip) else places >= 0


def transform(block: Block, steps: Sequence[Transformation], rows: GlobalRows | None = None) -> Block:
    """The block after all steps; InputError when one cannot be done. Without `rows`, global steps do nothing."""
    for index, step in enumerate(steps):
        match step:
            case Take() | Skip() | TakeSample():
                block = block if rows is None else block.only(rows.keep(index, len(block.frame)))
            case Filter(expression=expression):
                block = block.only(rows_that_pass(block.frame, parse_filter(expression)))
            case ExtractPartitions(partition_format=text):
                block = replace(block, frame=_with_partitions(block, text))
            case _:
                block = replace(block, frame=_with_columns(block.frame, step))
    return block


def _with_columns(frame: "pd.DataFrame", step: KeepColumns | DropColumns | ConvertColumnTypes) -> "pd.DataFrame":
    match step:
        case KeepColumns(names=names):
            return frame[[name for name in frame.columns if name in names]]
        case DropColumns(names=names):
            return frame.drop(columns=[name for name in frame.columns if name in names])
        case ConvertColumnTypes(conversions=conversions):
            pairs = ((name, c.type) for c in conversions for name in c.columns if name in frame.columns)
            converted = {name: convert_series(frame[name], column) for name, column in pairs}
            return frame.assign(**converted) if converted else frame


def _with_partitions(block: Block, text: str) -> "pd.DataFrame":
    """The frame with the columns of a partition format at its right; null without a Path column, as in the original."""
    import pandas as pd

    compiled, frame = compile_format(text), block.frame
    matches = [compiled.extract(uris.path_of(uri)) if PATH in frame.columns else None for uri in block.uris]
    columns: dict[str, pd.Series[Any]] = {}
    for name in compiled.names:
        values = object_values([None if found is None else found[name] for found in matches])
        if name in compiled.times and any(found is not None for found in matches):
            values = pd.to_datetime(pd.Series(values)).to_numpy().astype("datetime64[ns]")
        columns[name] = pd.Series(values[block.sources], index=frame.index, dtype=values.dtype)
    others = frame.drop(columns=[name for name in compiled.names if name in frame.columns])
    return others.assign(**columns)


def convert_series(series: "pd.Series[Any]", column: ColumnType) -> "pd.Series[Any]":
    """The values as another type; null where they do not fit it."""
    match column.kind, series.dtype.kind:
        case (Kind.INT, "i") | (Kind.FLOAT, "f") | (Kind.BOOLEAN, "b") | (Kind.DATETIME, "M"):
            return series
        case (Kind.FLOAT, "i" | "b") | (Kind.INT, "b"):
            return series.astype("float64" if column.kind is Kind.FLOAT else "int64")
        case Kind.INT, "f":
            return _whole_numbers(series)
        case Kind.STRING | Kind.STREAM_INFO, _:
            return _series(series, object_values([_text(value) for value in series.tolist()]))
        case Kind.BOOLEAN, "O":
            return _from_booleans(series, column)
        case _:
            return _from_texts(series, column)


def _series(like: "pd.Series[Any]", values: "Array") -> "pd.Series[Any]":
    import pandas as pd

    made: pd.Series[Any] = pd.Series(values, index=like.index, dtype=values.dtype)
    return made


def _whole_numbers(series: "pd.Series[Any]") -> "pd.Series[Any]":
    import numpy as np

    whole: pd.Series[Any] = series.where(np.floor(series) == series)
    return (
        whole if whole.isna().any() or np.isinf(whole).any() or (whole.abs() >= 2**63).any() else whole.astype("int64")
    )


def _from_booleans(series: "pd.Series[Any]", column: ColumnType) -> "pd.Series[Any]":
    """Booleans with gaps stay; anything else goes by its text."""
    present = [value for value in series.tolist() if value is not None]
    return series if present and all(isinstance(v, bool) for v in present) else _from_texts(series, column)


def _from_texts(series: "pd.Series[Any]", column: ColumnType) -> "pd.Series[Any]":
    import pyarrow as pa

    texts = pa.chunked_array([pa.array([_text(value) for value in series.tolist()], type=pa.string())])
    return _series(series, to_values(convert_column(texts, column)))


def _text(value: object) -> str | None:
    """A value as the text that reads back as it."""
    import pandas as pd

    match value:
        case str():
            return value
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case None:
            return None
        case pd.Timestamp():
            return value.isoformat()
        case float() if value.is_integer() and abs(value) < 2**53:
            return str(int(value))
        case _:
            return None if bool(pd.isna(value)) else str(value)  # type: ignore[call-overload]
