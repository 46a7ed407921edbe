"""Rows of a table as bytes, for a slot in another Python: written by `table_server`, read by `table_client`.

The header lists the columns, each with a kind and how many bytes of the payload are its own:

    array   numpy's bytes of one type: numbers, booleans, times and durations
    zoned   times of a zone: those of UTC, as `array`
    texts   JSON: texts and nulls
    values  JSON: any values; an object with one member named after a type stands for a value that JSON does not have

No pickle: what reads it makes values of these types and no others.
"""

import base64
import datetime
import decimal
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fanout.errors import InputError

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

_compose = json.JSONEncoder(separators=(",", ":")).encode
_PLAIN = frozenset({str, type(None)})
_NATIVE = frozenset({str, type(None), bool, int, float})


def pack_objects(objects: list[dict[str, Any]]) -> tuple[dict[str, Any], bytes]:
    """Header and payload of the objects of JSON lines."""
    return {"rows": len(objects)}, _compose(objects).encode()


def pack_frame(frame: pd.DataFrame) -> tuple[dict[str, Any], bytes]:
    """Header and payload of a DataFrame whose rows are numbered from 0; InputError for values of an unknown type."""
    columns, parts = [], []
    for name, series in frame.items():
        column, part = _column(str(name), series)
        columns.append({"name": name, "bytes": len(part), **column})
        parts.append(part)
    return {"rows": len(frame), "columns": columns}, b"".join(parts)


def _column(name: str, series: "pd.Series[Any]") -> tuple[dict[str, Any], bytes]:
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        moments = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        return {"kind": "zoned", "type": moments.dtype.str, "zone": _zone(name, series.dt.tz)}, moments.tobytes()
    values = series.to_numpy()
    if values.dtype != object:
        return {"kind": "array", "type": values.dtype.str}, values.tobytes()
    found = values.tolist()
    if set(map(type, found)) <= _PLAIN:
        return {"kind": "texts"}, _compose(found).encode()
    return {"kind": "values"}, _compose([_tagged(name, value) for value in found]).encode()


def _zone(name: str, zone: Any) -> str | float:
    """The name of a zone, or its seconds ahead of UTC."""
    if key := getattr(zone, "key", None) or getattr(zone, "zone", None):
        return str(key)
    offset = zone.utcoffset(None)
    if offset is None:
        raise InputError(f"column {name!r}: times of the zone {zone} cannot be handed to the step's own environment")
    return float(offset.total_seconds())


def _tagged(name: str, value: Any) -> Any:
    """The value as JSON has it; what it does not have as an object with the name of its type."""
    kind = type(value)
    if kind in _NATIVE:
        return value
    if kind is list:
        return [_tagged(name, each) for each in value]
    if kind is dict:
        return {"dict": [[_tagged(name, key), _tagged(name, each)] for key, each in value.items()]}
    if isinstance(value, np.ndarray):
        return _array(name, value)
    if isinstance(value, np.generic):
        return {"scalar": [value.dtype.str, base64.b64encode(value.tobytes()).decode()]}
    writer = _WRITERS.get(kind)
    if writer is None:
        raise InputError(f"column {name!r}: values of {kind.__name__} cannot be handed to the step's own environment")
    try:
        return {kind.__name__: writer(name, value)}
    except (ValueError, OverflowError) as exc:  # a time that nanoseconds cannot say
        raise InputError(f"column {name!r}: {value} cannot be handed to the step's own environment: {exc}") from exc


def _array(name: str, array: "Array") -> Any:
    if array.dtype == object or array.ndim != 1:
        return {"objects": [_tagged(name, each) for each in array]}
    return {"array": [array.dtype.str, base64.b64encode(array.tobytes()).decode()]}


def _datetime(name: str, value: datetime.datetime) -> list[Any]:
    if value.tzinfo is None:
        return [value.isoformat(), None]
    return [value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat(), _zone(name, value.tzinfo)]


def _timestamp(name: str, value: pd.Timestamp) -> list[Any]:
    moment = value if value.tz is None else value.tz_convert("UTC").tz_localize(None)
    return [int(moment.as_unit("ns").value), None if value.tz is None else _zone(name, value.tz)]


_WRITERS: dict[type, Callable[[str, Any], Any]] = {
    bytes: lambda _, value: base64.b64encode(value).decode(),
    decimal.Decimal: lambda _, value: str(value),
    datetime.date: lambda _, value: value.isoformat(),
    datetime.time: lambda _, value: value.isoformat(),
    datetime.datetime: _datetime,
    datetime.timedelta: lambda _, value: [value.days, value.seconds, value.microseconds],
    pd.Timestamp: _timestamp,
    pd.Timedelta: lambda _, value: int(value.as_unit("ns").value),
    type(pd.NaT): lambda *_: 0,
    tuple: lambda name, value: [_tagged(name, each) for each in value],
}
