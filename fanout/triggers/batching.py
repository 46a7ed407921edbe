"""When what has arrived becomes a run: at once, or with others, when there are enough or the first has waited. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from fanout.pipeline.model import EventBatch
from fanout.queues.base import Delivery
from fanout.triggers.event import ObjectEvent


@dataclass(frozen=True, slots=True)
class PendingEvents:
    """A message that is held back from others, what it tells of, and since when (monotonic seconds)."""

    delivery: Delivery
    events: tuple[ObjectEvent, ...]
    since: float


def due(held: Sequence[PendingEvents], batch: EventBatch | None, now: float) -> list[list[PendingEvents]]:
    """The messages to start runs for now, by run; what is left out waits for more.

    A message is never in two groups, so that it can be deleted with the run that its group makes.
    """
    if batch is None:
        return [[one] for one in held]
    groups: list[list[PendingEvents]] = []
    group: list[PendingEvents] = []
    objects: set[str] = set()
    for one in held:
        more = objects | {event.identity for event in one.events}
        if group and len(more) > batch.objects:
            groups.append(group)
            group, more = [], {event.identity for event in one.events}
        group, objects = [*group, one], more
    # Nothing is waited for beyond what makes a batch full; the last group is the one that may grow.
    if group and (len(objects) >= batch.objects or now - group[0].since >= batch.seconds):
        groups.append(group)
    return groups


def wait_for(held: Sequence[PendingEvents], batch: EventBatch | None, now: float, longest: float) -> float:
    """Seconds, `longest` at most, until something of `held` is due even when nothing more comes."""
    if batch is None or not held:
        return longest
    return min(longest, max(0.0, min(one.since for one in held) + batch.seconds - now))
