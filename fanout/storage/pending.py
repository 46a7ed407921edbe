"""Requests that have no answer yet, so that the command can print what it waits for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A request: where it went, since when there is no answer (monotonic), and for how many seconds it is tried."""

    where: str
    since: float
    limit: float


# Of the whole process: requests are made in many threads and loops. Adding and removing is one step each.
_OPEN: dict[int, Waiting] = {}


@contextmanager
def waiting(where: str, limit: float, *, longer: float = 0.0) -> Iterator[None]:
    """While the context lasts a request to `where` is without an answer, which is normal for `longer` seconds."""
    request = Waiting(where, time.monotonic() + longer, limit)
    _OPEN[id(request)] = request
    try:
        yield
    finally:
        del _OPEN[id(request)]


def longest() -> Waiting | None:
    """The request that has had no answer for the longest time; None when there is none."""
    return min(tuple(_OPEN.values()), key=lambda request: request.since, default=None)
