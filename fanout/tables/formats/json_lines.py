"""A block of JSON lines to columns: as they are in the JSON, nested values included (reference, section 12)."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fanout.errors import InputError
from fanout.tables.formats.readers import JsonLines
from fanout.tables.values.types import INT64_MAX, INT64_MIN, ColumnType, Kind, as_text, parser, whole_number

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
"""One that may be; whether the other half follows is seen by encoding."""


def read_rows(body: bytes, reader: JsonLines) -> Iterator[Row]:
    """The object on each line of `body`, which is UTF-8; empty lines are none, what follows an object is passed over.

    A line that is no JSON object is left out when the reader drops invalid lines; else InputError, which shows it.
    """
    for line in body.split(b"\n"):
        if not line:
            continue
        row = _parse(line)
        if isinstance(row, dict):
            yield row
        elif reader.invalid_lines == "error":
            raise InputError(_complaint(line, row))


def _parse(line: bytes) -> object:
    """The value on a line, or the error it is."""
    try:
        row, _ = _DECODER.raw_decode(line.decode().lstrip(" \t\r"))
        if _HALF_CHARACTER.search(line):
            json.dumps(row, ensure_ascii=False).encode()
        return row
    except UnicodeEncodeError:
        return ValueError("an escape such as \\ud800 stands for half a character, which no text can hold")
    except UnicodeDecodeError as exc:
        return ValueError(f"byte {exc.start} of the line is not UTF-8; set read_json_lines.encoding")
    except (ValueError, RecursionError) as exc:
        return exc


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


# Not strict: as in the original, texts may hold control characters.
_DECODER = json.JSONDecoder(parse_constant=_refuse, strict=False)


def _complaint(line: bytes, row: object) -> str:
    why = str(row) if isinstance(row, Exception) else f"a JSON object is expected, not {type(row).__name__}"
    shown = line.strip()[:100].decode(errors="replace")
    return f"invalid JSON line {shown!r}: {why}; set read_json_lines.invalid_lines to drop to leave such lines out"


def to_columns(
    rows: Sequence[Row],
    known: Mapping[str, ColumnType] = MappingProxyType({}),
    wanted: Mapping[str, ColumnType] = MappingProxyType({}),
) -> "dict[str, pa.Array]":
    """A column for each key of any row, `known` ones first; a key that a row does not have is null in it.

    The first value that is not null says the type of a column, or else its known type does; values of any other type
    are null, so a 2 among fractions is, too. It is the same inside of lists and objects. This is what the original
    does; a column of which a type is `wanted` has each of its values converted first, so that none is lost.
    """
    names = dict.fromkeys(known)
    for row in rows:
        names.update(dict.fromkeys(row))
    columns = ((name, [row.get(name) for row in rows]) for name in names)
    return {
        name: _column([converted(value, wanted[name]) for value in values], wanted[name])
        if name in wanted
        else _column(values, known.get(name))
        for name, values in columns
    }


def _column(values: list[Any], known: ColumnType | None) -> "pa.Array":
    import pyarrow as pa

    shape = _SHAPES.get(known.kind) if known is not None else None
    shape = shape or shape_of(values)
    return pa.array([fitted(value, shape) for value in values], type=_arrow_type(shape))


@dataclass(frozen=True, slots=True)
class ListOf:
    """Lists whose members have one shape."""

    members: "Shape"


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """Objects, with the shape of each key that any of them has."""

    shapes: "Mapping[str, Shape]"


Shape = type[bool] | type[int] | type[float] | type[str] | ListOf | ObjectShape | None
_SHAPES: Mapping[Kind, Shape] = {Kind.BOOLEAN: bool, Kind.INT: int, Kind.FLOAT: float}
_PLAIN = (bool, int, float, str)


def shape_of(values: Iterable[Any]) -> Shape:
    """The shape of the first value that is not null, with the members of all values like it; None: all are null."""
    present = [value for value in values if value is not None]
    if not present:
        return None
    first: type = float if _is_huge(present[0]) else type(present[0])
    alike: list[Any] = [value for value in present if type(value) is first]
    if first is list:
        return ListOf(shape_of(member for value in alike for member in value))
    if first is dict:
        keys = dict.fromkeys(key for value in alike for key in value)
        return ObjectShape({key: shape_of(value.get(key) for value in alike) for key in keys})
    return first if first in _PLAIN else None


def fitted(value: Any, shape: Shape) -> Any:
    """The value as its column holds it: None where it is of another shape."""
    match shape, value:
        case ListOf(members=members), list():
            return [fitted(member, members) for member in value]
        case ObjectShape(shapes=shapes), dict():
            return {key: fitted(value.get(key), inner) for key, inner in shapes.items()}
        case type(), int() if _is_huge(value):
            return float(value) if shape is float else None
        case type(), int() if type(value) is shape is int:
            return _wrapped(value)
        case type(), _ if type(value) is shape:
            return value
        case _:
            return None


def _is_huge(value: Any) -> bool:
    """Whether a whole number has more than 64 bits, so that it counts as a fraction."""
    return type(value) is int and not INT64_MIN <= value < 2**64


def _wrapped(number: int) -> int:
    """A whole number of 64 bits; one that needs the sign's bit is negative, as in the original."""
    return number if number <= INT64_MAX else number - 2**64


def converted(value: Any, column: ColumnType) -> Any:
    """A value as another type, as `convert_column_types` does it; lists and objects stay what they are."""
    match value:
        case None | list() | dict():
            return value
        case str():
            return parser(column)(value)
    match column.kind:
        case Kind.STRING | Kind.STREAM_INFO:
            return as_text(value)
        case Kind.BOOLEAN:
            return value != 0
        case Kind.FLOAT if type(value) is not bool:
            return float(value)
        case Kind.INT if type(value) is not bool:
            return int(value) if type(value) is int else whole_number(value)
        case _:
            return None


def _arrow_type(shape: Shape) -> "pa.DataType":
    import pyarrow as pa

    match shape:
        case ListOf(members=members):
            return pa.list_(_arrow_type(members))
        case ObjectShape(shapes=shapes):
            return pa.struct([(key, _arrow_type(inner)) for key, inner in shapes.items()])
        case None:
            return pa.null()
        case _:
            return {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}[shape]
