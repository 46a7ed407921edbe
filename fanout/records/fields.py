"""Fields of stored and sent records, checked one by one where they come in. Pure; the standard library only."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

LARGEST = 2**31
"""More than there are of anything that is counted here: what a column of the ledger holds, and then some."""
LATEST = 1e11
"""Epoch seconds in the year 5138: what calendars still can write."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def parse(body: str | bytes) -> Any:
    """The value of a JSON text; ValueError for NaN and the infinities too, which are not JSON."""
    text = body if isinstance(body, str) else body.decode(json.detect_encoding(body), "surrogatepass")
    try:
        value, end = _DECODER.raw_decode(text)
    except ValueError:
        end = -1
    # Blanks around the value, or an error, are for the whole decoder, which costs half as much again.
    return value if end == len(text) else _DECODER.decode(text)


def whole(value: object, what: str, *, least: int = 0, below: int = LARGEST) -> int:
    """`value`, a whole number from `least` on and below `below`; else ValueError, naming `what` it is."""
    if type(value) is not int or not least <= value < below:
        raise ValueError(f"{what} is {_shown(value)}, expected a whole number from {least} on and below {below}")
    return value


def seconds(value: object, what: str) -> float:
    """`value`, a number of seconds that can be; else ValueError."""
    if type(value) not in (int, float) or not 0 <= value < LATEST:  # type: ignore[operator]
        raise ValueError(f"{what} is {_shown(value)}, expected seconds")
    return float(value)  # type: ignore[arg-type]


def text(value: object, what: str) -> str:
    """`value`, a text that is not empty; else ValueError."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is {_shown(value)}, expected text")
    return value


def digest(value: object, what: str) -> str:
    """`value`, a SHA-256 in lower-case hexadecimal digits; else ValueError."""
    if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
        raise ValueError(f"{what} is {_shown(value)}, expected a SHA-256")
    return value


def numbers(value: object, what: str) -> tuple[int, ...]:
    """`value`, a list of whole numbers; else ValueError."""
    if not isinstance(value, list):
        raise ValueError(f"{what} is {_shown(value)}, expected a list of whole numbers")
    return tuple([whole(number, what) for number in value])


def texts(value: object, what: str) -> dict[str, str]:
    """`value`, texts by name; else ValueError."""
    if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
        raise ValueError(f"{what} is {_shown(value)}, expected texts by name")
    return dict(value)


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


# Made once: json.loads with settings of its own makes a decoder a call, which costs as much as a message.
_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _shown(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "no number"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return "a number of very many digits"  # which Python itself refuses to write
    return f"{value!r:.80}"
