"""ticking.json: which tick of a run comes next, and the moments that the next one goes by.

It decides nothing: a run whose ticking.json is lost begins to count its ticks and its seconds anew. What it is for: of
ticks that were delivered twice only one chain goes on.
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
    """What a look at a step leaves for the next one; moments in epoch seconds."""

    begun: Seconds
    news: Seconds
    empty: Seconds | None = None  # since when no message was in the work queue
    settled: Whole = 0
    idle: Seconds | None = None  # since when no message has waited there


@dataclass(frozen=True, slots=True)
class Ticking:
    """The number of the tick that is to come, after how long, and what is known of steps under way.

    `made_from` are the fingerprints of what they were made from, where steps may be taken over by later runs.
    """

    number: Whole = 0
    delay: Seconds = 0.0
    steps: Mapping[str, StepMemory] = field(default_factory=dict)
    made_from: Mapping[str, str] = field(default_factory=dict)


TICKINGS = Record(Ticking, version=None, indent=None)


async def read_ticking(store: "ObjectStore", run: str) -> Ticking:
    """What the last tick of the run has left; the beginning when there is nothing that can be read."""
    body = await read(store, keys.ticking_json(run))
    if body is None:
        return Ticking()
    try:
        return TICKINGS.load(body, "ticking.json")
    except DamagedRecordError:
        return Ticking()


async def write_ticking(store: "ObjectStore", run: str, ticking: Ticking) -> None:
    """What the next tick of the run goes by."""
    await put(store, keys.ticking_json(run), TICKINGS.dump(ticking))
