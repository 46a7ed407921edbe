"""Where each step stands in the drawing of a pipeline: a column by what comes before it, a row within that. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence


def layout(after: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, int]]:
    """Column and row of each step. A step is right of all that it comes after; its row is near theirs."""
    columns: dict[str, int] = {}
    for name in after:  # a pipeline names steps in an order in which none comes before what it needs, as a rule
        _column(name, after, columns, ())
    places: dict[str, tuple[int, int]] = {}
    used = Counter[tuple[int, int]]()
    for name in sorted(after, key=lambda one: columns[one]):
        rows = [places[before][1] for before in after[name] if before in places]
        row = min(rows, default=0)
        while used[columns[name], row]:
            row += 1
        used[columns[name], row] += 1
        places[name] = columns[name], row
    return places


def _column(name: str, after: Mapping[str, Sequence[str]], found: dict[str, int], path: tuple[str, ...]) -> int:
    if name not in found:
        before = [one for one in after.get(name, ()) if one in after and one not in path]
        found[name] = max((1 + _column(one, after, found, (*path, name)) for one in before), default=0)
    return found[name]


def critical_path(after: Mapping[str, Sequence[str]], ends: Mapping[str, float]) -> tuple[str, ...]:
    """The steps that the end of the run waited for: from the last to end, back by what ended last before each."""
    path: list[str] = []
    at = max(ends, key=lambda one: ends[one], default=None)
    while at is not None and at not in path:
        path.insert(0, at)
        at = max((one for one in after.get(at, ()) if one in ends), key=lambda one: ends[one], default=None)
    return tuple(path)
