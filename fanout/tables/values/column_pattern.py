"""Regular expressions over the names of columns, in the bounds in which they end.

The table says both: the expression and, in a file's header, the names. Python's `re` can take years for some of them
and cannot be interrupted, so what can be repeated is one character at a time, and the tries that a name may cost are
counted beforehand.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fanout.errors import InputError

LONGEST = 1000
MOST_TRIES = 10_000_000
_FEW = 16
"""Of a repetition up to so often, as in `[0-9]{1,4}`, each way is counted."""


@dataclass(frozen=True, slots=True)
class ColumnPattern:
    """Columns by a regular expression that fits somewhere in their names, or (`invert`) in none of those."""

    pattern: str
    ignore_case: bool = False
    invert: bool = False

    def fits(self, name: str) -> bool:
        """Whether it means the column of this name; InputError when that would take long to find out."""
        found = re.search(self.pattern, name, re.IGNORECASE if self.ignore_case else 0) if self._ends(name) else None
        return (found is not None) is not self.invert

    def _ends(self, name: str) -> bool:
        repeats, ways = tries_of(self.pattern)
        if len(name) ** (repeats + 1) * ways > MOST_TRIES:
            raise InputError(
                f"pattern {self.pattern[:60]!r}: it can be tried in too many ways on a column name of {len(name)} "
                "characters; write it with fewer of '*', '+' and '?', or name the columns"
            )
        return True


@lru_cache(maxsize=64)
def tries_of(pattern: str) -> tuple[int, int]:
    """How often the expression repeats without a bound, and in how many ways what has a bound can be tried.

    InputError when it is no expression, or repeats what can itself be tried in several ways.
    """
    if len(pattern) > LONGEST:
        raise InputError(f"pattern {pattern[:60]!r}…: longer than {LONGEST} characters")
    try:
        re.compile(pattern)
        parsed = re._parser.parse(pattern)  # type: ignore[attr-defined]
        return _tries(parsed, pattern, repeated=False)
    except (re.error, OverflowError, RecursionError) as exc:
        raise InputError(f"{pattern[:60]!r} is no regular expression: {exc}") from exc


def _tries(parsed: Any, pattern: str, *, repeated: bool) -> tuple[int, int]:
    repeats, ways = 0, 1
    for operation, argument in parsed:
        inner = repeated
        if (name := str(operation)) in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most = int(argument[0]), int(argument[1])
            inner = repeated or most > 1
            if least != most and repeated:
                raise InputError(f"pattern {pattern[:60]!r}: it repeats what varies by itself; write it without")
            repeats += most > _FEW
            ways *= most - least + 1 if most <= _FEW else 1
        elif name in ("BRANCH", "GROUPREF_EXISTS"):
            ways *= len(argument[1]) if name == "BRANCH" else 2
            if repeated:
                raise InputError(f"pattern {pattern[:60]!r}: it repeats a choice; write it without")
        for part in _parts(argument):
            more = _tries(part, pattern, repeated=inner)
            repeats, ways = repeats + more[0], ways * more[1]
    return repeats, ways


def _parts(argument: Any) -> list[Any]:
    """What is inside a repetition, a group, a look around, or a choice."""
    from re import _parser  # type: ignore[attr-defined]

    if isinstance(argument, _parser.SubPattern):
        return [argument]
    return [part for one in argument for part in _parts(one)] if isinstance(argument, tuple | list) else []
