"""One mini-batch for the page: its items, and each try of it with node, slot, seconds and traceback."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.errors import InfrastructureError
from fanout.planning.manifests import read_mini_batch
from fanout.queries.failures import items_of
from fanout.queries.page.columns import TICK
from fanout.queries.page.outcomes import NAMES
from fanout.queries.page.step_data import StepData
from fanout.results.codec import STATUSES
from fanout.results.reader import read_index
from fanout.storage import keys

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_ITEMS = 200
MOST_TRIES = 100
LONG_TRACEBACK = 20_000


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt. `part` is (start, stop) of the items that it was about, None for all."""

    attempt: int
    status: str
    node: int
    process: str
    started: float
    load: float
    run: float
    items: int
    rows: int
    part: tuple[int, int] | None
    cause: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class MiniBatchPage:
    """A mini-batch: `items` are the first of `item_count` things it holds; `failed` are items that were isolated."""

    index: int
    outcome: str
    items: tuple[str, ...]
    item_count: int
    failed: tuple[str, ...]
    tries: tuple[Try, ...]


async def read_mini_batch_page(store: "ObjectStore", data: StepData, index: int) -> MiniBatchPage:
    """All that is known of the mini-batch; its items are left out when the plan cannot be read."""
    try:
        batch = await read_mini_batch(store, data.at.in_round(data.record.planned_in), index)
    except InfrastructureError:
        batch = None
    items, places = items_of(batch), data.attempts.places_of(index)
    tries = [await _try(store, data, place) for place in places[-MOST_TRIES:]]
    failed = [name for part in data.outcomes.failed_parts(index) for name in items_of(batch, part)]
    codes = data.codes
    return MiniBatchPage(
        index=index,
        outcome=NAMES[codes[index]] if index < len(codes) else NAMES[0],
        items=items[:MOST_ITEMS],
        item_count=len(items),
        failed=tuple(failed[:MOST_ITEMS]),
        tries=tuple(sorted(tries, key=lambda one: one.started)),
    )


async def _try(store: "ObjectStore", data: StepData, place: int) -> Try:
    a = data.attempts
    node, process = a.lanes[a.lane[place]]
    cause, message, traceback = await _failure(store, data, place) if a.kind[place] else ("", "", "")
    part = data.kinds.parts.get(place)
    return Try(
        attempt=a.attempt[place],
        status=STATUSES[a.status[place]].value,
        node=node,
        process=process,
        started=(a.base or 0.0) + TICK * a.start[place],
        load=round(a.load[place], 6),
        run=round(a.run[place], 6),
        items=a.items[place],
        rows=a.rows[place],
        part=None if part is None else (part.start, part.stop),
        cause=cause,
        message=message,
        traceback=traceback,
    )


async def _failure(store: "ObjectStore", data: StepData, place: int) -> tuple[str, str, str]:
    """Cause, message and traceback, read again from the result object that the attempt is in."""
    node, seq, position = data.object_of(place)
    index = await read_index(store, keys.result(data.at, node, seq))
    failure = None if index is None else index.entries[position].failure
    if failure is None:
        return "", "", ""
    source = data.kinds.source
    return failure.cause.value, source.restore(failure.message), source.restore(failure.traceback)[-LONG_TRACEBACK:]
