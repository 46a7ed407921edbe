"""Reads and writes ticking.json: which tick of a run comes next, and what that tick needs to know.

Nothing else depends on it: a run whose ticking.json is lost counts its ticks and its seconds from the start again. Its
purpose is that of ticks that were delivered twice only one chain goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.errors import DamagedRecordError
from fanout.records.codec import Record, Seconds, Whole
from fanout.storage import keys
from fanout.storage.objects import put, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, slots=True)
class StepMemory:
    """What a look at a step leaves for the next one; moments are epoch seconds."""

    begun: Seconds
    news: Seconds
    empty: Seconds | None = None  # since when no message was in the work queue
    settled: Whole = 0
    idle: Seconds | None = None  # since when no message has waited there


@dataclass(frozen=True, slots=True)
class Ticking:
    """The number of the next tick, the delay until it, and what is known of steps under way.

    `made_from` holds the digests of what these steps were made from, where later runs may take them over.
    """

    number: Whole = 0
    delay: Seconds = 0.0
    steps: Mapping[str, StepMemory] = field(default_factory=dict)
    made_from: Mapping[str, str] = field(default_factory=dict)


TICKINGS = Record(Ticking, version=None, indent=None)


async def read_ticking(store: "ObjectStore", run: str) -> Ticking:
    """Returns what the last tick of the run has left; the initial state when nothing can be read."""
    body = await read(store, keys.ticking_json(run))
    if body is None:
        return Ticking()
    try:
        return TICKINGS.load(body, "ticking.json")
    except DamagedRecordError:
        return Ticking()


async def write_ticking(store: "ObjectStore", run: str, ticking: Ticking) -> None:
    """Writes what the next tick of the run needs to know."""
    await put(store, keys.ticking_json(run), TICKINGS.dump(ticking))
