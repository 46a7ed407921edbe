"""A block of JSON lines to columns: as they are in the JSON, nested values included (reference, section 12)."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fanout.data.columns import object_values
from fanout.data.readers import JsonLines
from fanout.data.types import INT64_MAX, INT64_MIN
from fanout.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Row = Mapping[str, Any]
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
"""One that may be; whether the other half follows is seen by encoding."""


def read_rows(body: bytes, reader: JsonLines) -> Iterator[Row]:
    """The object on each line of `body`, which is UTF-8; blank lines are none.

    A line that is no JSON object is left out when the reader drops invalid lines; else InputError, which shows it.
    """
    for line in body.split(b"\n"):
        if not line or line.isspace():
            continue
        row = _parse(line)
        if isinstance(row, dict):
            yield row
        elif reader.invalid_lines == "error":
            raise InputError(_complaint(line, row))


def _parse(line: bytes) -> object:
    """The value on a line, or the error it is."""
    try:
        row = json.loads(line.decode(), parse_constant=_refuse)
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


def _complaint(line: bytes, row: object) -> str:
    why = str(row) if isinstance(row, Exception) else f"a JSON object is expected, not {type(row).__name__}"
    shown = line.strip()[:100].decode(errors="replace")
    return f"invalid JSON line {shown!r}: {why}; set read_json_lines.invalid_lines to drop to leave such lines out"


def to_columns(rows: Sequence[Row], known: Sequence[str] = ()) -> "dict[str, Array]":
    """A column for each key of any row, `known` ones first; a key that a row does not have is None in it."""
    names = dict.fromkeys(known)
    for row in rows:
        names.update(dict.fromkeys(row))
    return {name: _column([row.get(name) for row in rows]) for name in names}


def _column(values: list[Any]) -> "Array":
    """Numbers and booleans in arrays of their own, as far as nothing else is among them."""
    import numpy as np

    kinds = set(map(type, values))
    if kinds == {bool}:
        return np.array(values, dtype=bool)
    if kinds == {int} and min(values) >= INT64_MIN and max(values) <= INT64_MAX:
        return np.array(values, dtype="int64")
    if kinds <= {int, float, type(None)} and kinds != {type(None)}:
        return np.array([np.nan if value is None else _float(value) for value in values], dtype="float64")
    return object_values(values)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return float("inf") if value > 0 else float("-inf")
