"""What the store and the script's notes tell afterwards, and what in it contradicts the promises."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from obstore.store import ObjectStore

from fanout.clock import SystemClock
from fanout.queues.factory import open_queue_service
from fanout.records.seal import Seal, step_seal
from fanout.results.codec import Entry, Status
from fanout.results.reader import read_index
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import list_names, read
from fanout.storage.open import open_store
from tests.chaos.scene import MAX_RETRIES, SLOTS, STEP, Scene
from tests.chaos.weather import Blow


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of a run that is over: its seal, every result that counts, every attempt begun."""

    mini_batches: int
    seal: Seal
    results: tuple[Entry, ...]
    begun: Mapping[tuple[int, int], int]
    queues: tuple[str, ...]  # that are left

    @property
    def duplicates(self) -> int:
        """Successes of mini-batches that had one already: none of them may be in the output."""
        return sum(entry.status is Status.SUCCEEDED for entry in self.results) - self.seal.counts.succeeded


async def read_history(scene: Scene) -> History | None:
    """The history of the scene's run; None when its step has no seal."""
    access, at = Access.from_environ(scene.environ), StepRound(scene.run, STEP)
    store = open_store(scene.store, access)
    sealed = await step_seal(store, at)
    if sealed is None:
        return None
    found = [
        await read_index(store, keys.result(at, node, seq))
        for node, count in sealed.objects.items()
        for seq in range(count)
    ]
    queues = await _queues_left(scene, store, access)
    entries = tuple(entry for index in found if index is not None for entry in index.entries)
    return History(scene.mini_batches, sealed, entries, scene.begun(), queues)


async def _queues_left(scene: Scene, store: ObjectStore, access: Access) -> tuple[str, ...]:
    """Of the queues that the step has used, those that are still there."""
    prefix = keys.queues(StepRound(scene.run, STEP))
    noted = [json.loads(await read(store, prefix + name) or b"{}") for name in await list_names(store, prefix)]
    service = open_queue_service(scene.environ.get("FANOUT_QUEUE"), scene.store, access, SystemClock())
    try:
        return tuple([note["name"] for note in noted if await service.open(note["name"]) is not None])
    finally:
        await service.close()


def contradictions(history: History, blows: Mapping[Blow, int]) -> Iterator[str]:
    """Each promise that this history breaks, in a sentence with its first example. Pure."""
    yield from _outcomes(history)
    yield from _order(history)
    yield from _bounds(history, blows)
    if history.queues:
        yield f"queues are left: {', '.join(history.queues)}"


def _outcomes(history: History) -> Iterator[str]:
    """Every mini-batch succeeded, and the counts say so (I1)."""
    succeeded = {entry.index for entry in history.results if entry.status is Status.SUCCEEDED}
    if lost := sorted(set(range(history.mini_batches)) - succeeded):
        yield f"{len(lost)} mini-batches have no success, mini-batch {lost[0]} is the first"
    counts = history.seal.counts
    ends = counts.succeeded + counts.failed + counts.dead_lettered + counts.canceled
    if not ends == counts.total == history.mini_batches == counts.succeeded:
        yield f"the counts do not add up to {history.mini_batches} successes: {counts}"
    retried = sum(entry.status is Status.RETRIED for entry in history.results)
    if counts.retried != retried:
        yield f"the seal counts {counts.retried} retried attempts, the results hold {retried}"


def _order(history: History) -> Iterator[str]:
    """Nothing is known of an attempt before it began, and none begins before the one before it is on record (I5)."""
    committed = Counter((e.index, e.attempt) for e in history.results if e.status is Status.SUCCEEDED)
    if early := [attempt for attempt, count in committed.items() if count > history.begun.get(attempt, 0)]:
        yield f"{len(early)} attempts have succeeded without having begun: {_first(early)}"
    on_record = {(e.index, e.attempt) for e in history.results if e.status is Status.RETRIED}
    if early := [(i, a) for i, a in history.begun if a > 0 and (i, a - 1) not in on_record]:
        yield f"{len(early)} attempts have begun without a failure before them on record: {_first(early)}"


def _bounds(history: History, blows: Mapping[Blow, int]) -> Iterator[str]:
    """User code is tried max_retries + 1 times, plus once for each node that vanished (I6)."""
    vanished = blows.get(Blow.NODE, 0) + blows.get(Blow.PAUSE, 0)
    tries = Counter[int]()
    for (index, _), count in history.begun.items():
        tries[index] += count
    most = MAX_RETRIES + 1 + vanished
    if often := [index for index, count in tries.items() if count > most]:
        yield f"{len(often)} mini-batches were tried more than {most} times: mini-batch {min(often)}"
    failed = sum(entry.failure is not None for entry in history.results)
    killed = blows.get(Blow.SLOT, 0) + SLOTS * blows.get(Blow.SERVER, 0)  # slots end with the server they are copies of
    if failed > killed:
        yield f"{failed} attempts have failed, but only {killed} slots were killed"


def _first(attempts: list[tuple[int, int]]) -> str:
    index, attempt = min(attempts)
    return f"mini-batch {index}, attempt {attempt}"
