"""ticking.json: which tick of a run comes next, and the moments that the next one goes by.

It decides nothing: a run whose ticking.json is lost begins to count its ticks and its seconds anew. What it is for: of
ticks that were delivered twice only one chain goes on.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from fanout.records import fields as checked
from fanout.storage import keys
from fanout.storage.objects import put, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, slots=True)
class StepMemory:
    """What a look at a step leaves for the next one; moments in epoch seconds."""

    begun: float
    news: float
    empty: float | None = None  # since when no message was in the work queue
    settled: int = 0
    idle: float | None = None  # since when no message has waited there


@dataclass(frozen=True, slots=True)
class Ticking:
    """The number of the tick that is to come, after how long, and what is known of steps under way.

    `made_from` are the fingerprints of what they were made from, where steps may be taken over by later runs.
    """

    number: int = 0
    delay: float = 0.0
    steps: Mapping[str, StepMemory] = field(default_factory=dict)
    made_from: Mapping[str, str] = field(default_factory=dict)


async def read_ticking(store: "ObjectStore", run: str) -> Ticking:
    """What the last tick of the run has left; the beginning when there is nothing that can be read."""
    body = await read(store, keys.ticking_json(run))
    if body is None:
        return Ticking()
    try:
        fields = checked.parse(body)
        steps = {str(name): _step(of) for name, of in fields["steps"].items()}
        number, delay = checked.whole(fields["number"], "number"), checked.seconds(fields["delay"], "delay")
        return Ticking(number, delay, steps, checked.texts(fields.get("made_from", {}), "made_from"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Ticking()


async def write_ticking(store: "ObjectStore", run: str, ticking: Ticking) -> None:
    """What the next tick of the run goes by."""
    await put(store, keys.ticking_json(run), json.dumps(asdict(ticking)).encode())


def _step(fields: Mapping[str, object]) -> StepMemory:
    return StepMemory(
        begun=checked.seconds(fields["begun"], "begun"),
        news=checked.seconds(fields["news"], "news"),
        empty=_moment(fields["empty"], "empty"),
        settled=checked.whole(fields["settled"], "settled"),
        idle=_moment(fields.get("idle"), "idle"),
    )


def _moment(value: object, what: str) -> float | None:
    return None if value is None else checked.seconds(value, what)
