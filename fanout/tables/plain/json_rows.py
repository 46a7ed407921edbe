"""Plain JSON lines to columns, exactly: values of one type as such, any mixture as the values that they are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fanout.errors import InputError
from fanout.files import uris
from fanout.records.value_changes import LONGEST, Change, How
from fanout.tables.file_parts import Section, read_bytes
from fanout.tables.formats.readers import JsonLines, to_utf8
from fanout.tables.plain.text_rows import Origin
from fanout.tables.recipe import Column
from fanout.tables.values.conversion import object_values
from fanout.tables.values.datetimes import OUT_OF_RANGE
from fanout.tables.values.null_hints import NullHint
from fanout.tables.values.types import INT64_MAX, INT64_MIN, Kind, parser

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Row = Mapping[str, Any]
_MISSING = object()


def objects_of(body: bytes, origin: Origin) -> Iterator[tuple[int, Row]]:
    """The object on each line, and how many line ends are before it; InputError, with the line, for anything else."""
    for number, line in enumerate(body.split(b"\n")):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise InputError(
                f"{origin.at(number)}: {line[:LONGEST].decode(errors='replace')!r} is no JSON: {exc}"
            ) from exc
        if not isinstance(row, dict):
            raise InputError(f"{origin.at(number)}: a JSON object is expected, not {type(row).__name__}")
        yield number, row


def read_plain_json(
    reader: JsonLines, columns: Sequence[Column], pieces: Sequence[Section], changes: list[Change]
) -> "tuple[dict[str, Array], dict[str, NullHint], list[int]]":
    """The columns of all pieces together, and how many rows each piece gave.

    InputError, with file and line, for what does not fit its column, unless the reader takes misfits as null.
    """
    names = frozenset(column.name for column in columns)
    rows: list[tuple[Origin, int, Row]] = []
    counts: list[int] = []
    for piece in pieces:
        before = len(rows)
        rows += _rows_of(piece, reader, names)
        counts.append(len(rows) - before)
    found = {column.name: _values(column, rows, reader, changes) for column in columns}
    made = {name: _array(values, kind) for name, (values, kind) in found.items()}
    return (
        made,
        {name: NullHint.FLAG for name, (values, kind) in found.items() if kind is Kind.BOOLEAN and None in values},
        counts,
    )


def _rows_of(piece: Section, reader: JsonLines, names: frozenset[str]) -> Iterator[tuple[Origin, int, Row]]:
    origin = Origin(piece.uri, piece.start if piece.cut == "bytes" else 0)
    try:
        body = to_utf8(read_bytes(piece, packed=reader.packed), reader.encoding, from_start=piece.from_start)
    except UnicodeDecodeError as exc:
        raise InputError(f"{uris.display(piece.uri)}: not {reader.encoding}; set read.encoding") from exc
    for number, row in objects_of(body, origin):
        if not row.keys() <= names:
            extra = min(row.keys() - names)
            raise InputError(f"{origin.at(number)}: the key {extra!r} was not there when the run was planned")
        yield origin, number, row


def _values(
    column: Column, rows: Sequence[tuple[Origin, int, Row]], reader: JsonLines, changes: list[Change]
) -> tuple[list[Any], Kind]:
    name, kind = column.name, column.type.kind
    values = [row.get(name) for _, _, row in rows]
    if kind is Kind.OBJECT:
        return values, kind
    fitted = [None if value is None else _fitted(value, column) for value in values]
    lost = [k for k, value in enumerate(fitted) if value is _MISSING]
    if lost:
        origin, number, _ = rows[lost[0]]
        text = json.dumps(values[lost[0]], ensure_ascii=False)
        if reader.misfits != "null":
            raise InputError(
                f"{origin.at(number)}: column {name}: {text[:LONGEST]} is no {kind}; mend the file, take {name} out of "
                "read.types, or set read.misfits: 'null' to have null for such values, counted"
            )
        changes.append(
            Change(
                name[:LONGEST], How.MISFIT, len(lost), text[:LONGEST], origin.uri, origin.start, origin.line + number
            )
        )
        fitted = [None if value is _MISSING else value for value in fitted]
    return fitted, kind


def _fitted(value: Any, column: Column) -> Any:
    """The value as its column holds it, _MISSING when it does not fit: a number never becomes another one."""
    match column.type.kind, value:
        case Kind.STRING, str():
            return value
        case Kind.STRING, bool() | int() | float() | list() | dict():
            return json.dumps(value, ensure_ascii=False) if column.given else _MISSING
        case Kind.BOOLEAN, bool():
            return value
        case Kind.INT, int() if type(value) is int and INT64_MIN <= value <= INT64_MAX:
            return value
        case Kind.FLOAT, float():
            return value
        case Kind.FLOAT, int() if type(value) is int and float(value) == value:
            return float(value)
        case Kind.DATETIME, str():
            moment = parser(column.type)(value)
            return _MISSING if moment in (None, OUT_OF_RANGE) else moment
        case _:
            return _MISSING


def _array(values: list[Any], kind: Kind) -> "Array":
    """A column of pandas; whole numbers with gaps are fractions where no digit is lost, else what they are."""
    import numpy as np

    has_gaps = None in values
    if kind is Kind.DATETIME:
        nat = np.datetime64("NaT", "ns")
        return np.array([nat if value is None else np.datetime64(value, "ns") for value in values], "datetime64[ns]")
    if kind is Kind.FLOAT or (kind is Kind.INT and has_gaps and all(v is None or abs(v) <= 2**53 for v in values)):
        return np.array([np.nan if value is None else value for value in values], dtype="float64")
    if kind is Kind.INT and not has_gaps:
        return np.array(values, dtype="int64")
    if kind is Kind.BOOLEAN and not has_gaps:
        return np.array(values, dtype=bool)
    return object_values(values)
