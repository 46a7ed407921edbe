"""Applying a table's transformations to a block of its rows, in their order.

What needs only the row itself is done to every block alike. What counts rows of the whole table (take, skip, sample)
is done where blocks come in the table's order, with one `GlobalRows` for all of them, and is otherwise left out.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fanout.files import uris
from fanout.records.value_changes import Change
from fanout.tables.recipe import PATH
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
from fanout.tables.values.conversion import convert_column, object_values, to_values
from fanout.tables.values.filter_expressions import parse_filter, rows_that_pass
from fanout.tables.values.null_hints import NullHint, null_hint
from fanout.tables.values.partition_format import compile_format
from fanout.tables.values.types import ColumnType, Kind, as_text, whole_number

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
    marks: Mapping[str, NullHint] = field(default_factory=dict)  # of columns that gaps have changed
    changes: tuple[Change, ...] = ()  # what the types have made of values, before any transformation

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
            case KeepColumns() | DropColumns():
                block = replace(block, frame=block.frame[[n for n in block.frame.columns if step.keeps(n)]])
            case ConvertColumnTypes(conversions=conversions):
                for conversion in conversions:
                    block = _converted(block, conversion)
    return block


def _converted(block: Block, conversion: Conversion) -> Block:
    frame, marks = block.frame, dict(block.marks)
    converted = {}
    for name in frame.columns:
        if conversion.of(name):
            converted[name], mark = convert_series(frame[name], conversion.type, marks.pop(name, None))
            if mark is not None:
                marks[name] = mark
    return replace(block, frame=frame.assign(**converted), marks=marks) if converted else block


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


def convert_series(
    series: "pd.Series[Any]", column: ColumnType, mark: NullHint | None = None
) -> "tuple[pd.Series[Any], NullHint | None]":
    """The values as another type, and the mark of the result; null where they do not fit it.

    Only texts are parsed. Numbers become booleans by being 0 or not, and all but texts become texts; else booleans and
    times are nothing but themselves.
    """
    texts = series.dtype == object and mark is not NullHint.FLAG and not _are_flags(series)
    kind = "O" if texts else "M" if series.dtype.kind == "M" else "b" if series.dtype.kind in "bO" else "f"
    match column.kind, kind:
        case (Kind.STRING | Kind.STREAM_INFO, _):
            return _series(series, object_values([_text(value, mark) for value in series.tolist()])), None
        case (_, "O"):
            return _from_texts(series, column)
        case (Kind.BOOLEAN, "b") | (Kind.DATETIME, "M"):
            return series, mark
        case (Kind.FLOAT, "f"):
            return series.astype("float64"), None
        case (Kind.INT, "f"):
            return _whole_numbers(series)
        case (Kind.BOOLEAN, "f"):
            return _are_not_zero(series)
        case _:
            return _series(series, object_values([None] * len(series))), None


def _are_flags(series: "pd.Series[Any]") -> bool:
    present = [value for value in series.tolist() if value is not None]
    return bool(present) and all(isinstance(value, bool) for value in present)


def _series(like: "pd.Series[Any]", values: "Array") -> "pd.Series[Any]":
    import pandas as pd

    made: pd.Series[Any] = pd.Series(values, index=like.index, dtype=values.dtype)
    return made


def _whole_numbers(series: "pd.Series[Any]") -> "tuple[pd.Series[Any], NullHint | None]":
    if series.dtype.kind == "i":
        return series, None
    if series.isna().any():
        cut: pd.Series[Any] = series.map(lambda value: float(whole_number(value)), na_action="ignore")
        return cut, NullHint.WHOLE
    return series.map(whole_number).astype("int64"), None


def _are_not_zero(series: "pd.Series[Any]") -> "tuple[pd.Series[Any], NullHint | None]":
    missing = series.isna()
    if not missing.any():
        return series != 0, None
    return _series(
        series, object_values([None if gap else v != 0 for v, gap in zip(series.tolist(), missing, strict=True)])
    ), NullHint.FLAG


def _from_texts(series: "pd.Series[Any]", column: ColumnType) -> "tuple[pd.Series[Any], NullHint | None]":
    import pyarrow as pa

    values = [value if isinstance(value, str) else None for value in series.tolist()]
    found = convert_column(pa.chunked_array([pa.array(values, type=pa.string())]), column)
    return _series(series, to_values(found)), null_hint(found)


def _text(value: object, mark: NullHint | None) -> str | None:
    """A value as text, as the original writes it."""
    import numpy as np
    import pandas as pd

    match value:
        case str():
            return value
        case list() | dict() | np.ndarray():
            return json.dumps(value, ensure_ascii=False, default=lambda members: members.tolist())
        case None:
            return None
        case pd.Timestamp():
            return value.isoformat() + "+00:00"
        case bool() | int():
            return as_text(value)
        case float() if not math.isnan(value) or mark is NullHint.REAL:
            return as_text(value)
        case _:
            return None
