"""Which code snapshots are needed, and how one that is not is removed without taking it from a run that begins.

Snapshots are named by their content, so a run that begins may use one that has been there for years, and that nothing
needed a moment ago. Two notes keep the two apart:

- A run, before it relies on a snapshot, notes that it is about to use it (`note_use`), and then looks for the mark of
  somebody who removes it. It waits until the mark has gone; then the snapshot is there, or the run stores it again.
- Who removes a snapshot marks it first, and then looks for such a note. A note younger than a day keeps the snapshot:
  the run's own record, which is made within seconds, keeps it from then on.

Whichever of the two comes second sees the other, as both write before they look. Times are those of the store's clock.
A mark is left within `REMOVED_WITHIN` seconds; one that stays longer belongs to a process that was killed.
"""

import json
import secrets
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from fanout.clock import Clock
from fanout.errors import RunError
from fanout.storage import keys
from fanout.storage.objects import delete, list_changed, list_names, put, read
from fanout.tasks import each

if TYPE_CHECKING:
    from obstore.store import ObjectStore

A_DAY = 86400.0
REMOVED_WITHIN = 10.0
"""Seconds after its mark in which a snapshot is removed, or not at all."""
MARKS_STAY = 30.0
"""Seconds after which a mark is that of a process that was killed."""
LOOK_EVERY = 0.2
_USE, _MARK = "use", "removing-"


async def note_use(store: "ObjectStore", digest: str, clock: Clock) -> None:
    """From here on, for a day, nobody removes the snapshot; it may have been removed before: look whether it is there.

    Waits for a removal that is under way.
    """
    prefix = keys.code_uses(digest)
    await put(store, f"{prefix}{_USE}", b"")
    deadline = clock.monotonic() + MARKS_STAY
    while marks := [name for name in await list_names(store, prefix) if name.startswith(_MARK)]:
        if clock.monotonic() >= deadline:
            await delete(store, *(f"{prefix}{name}" for name in marks))
            return
        await clock.sleep(LOOK_EVERY)


async def remove_unused(store: "ObjectStore", digest: str, clock: Clock) -> bool:
    """Whether the snapshot was removed: no run is about to use it. Ask only for one that no record needs."""
    prefix = keys.code_uses(digest)
    begun, mark = clock.monotonic(), f"{prefix}{_MARK}{secrets.token_hex(8)}"
    await put(store, mark, b"")
    try:
        notes = await list_changed(store, prefix)
        used, marked = notes.get(f"{prefix}{_USE}"), notes.get(mark)
        if marked is None or (used is not None and marked - used < A_DAY):
            return False
        if clock.monotonic() - begun > REMOVED_WITHIN:
            return False
        await delete(store, keys.code(digest))
    finally:
        await delete(store, mark)
    await delete(store, f"{prefix}{_USE}")
    return True


async def was_used(store: "ObjectStore", digest: str, now: float) -> bool:
    """Whether a run has begun to use the snapshot in the day before `now`: a first look, which decides nothing."""
    notes = await list_changed(store, keys.code_uses(digest))
    return now - notes.get(f"{keys.code_uses(digest)}{_USE}", 0.0) < A_DAY


async def codes_of_runs(store: "ObjectStore", runs: Sequence[str]) -> set[str]:
    """The digests of all code that these runs need, in any round and after any change of their code.

    RunError when a record cannot be read: it might name any code.
    """

    async def of_run(run: str) -> set[str]:
        names = await list_names(store, f"{keys.RUNS}{run}/")
        return set().union(*[await _codes_in(store, f"{keys.RUNS}{run}/{name}") for name in names if _names_code(name)])

    return set().union(*await each(of_run, runs))


async def codes_of_deployments(store: "ObjectStore", names: Collection[str]) -> set[str]:
    """The digests of all code that versions of these deployments have brought."""

    async def of_deployment(name: str) -> set[str]:
        noted = set(await list_names(store, keys.deployment_code(name)))
        return noted | await _codes_in(store, keys.deployment_json(name))

    return set().union(*await each(of_deployment, names))


def _names_code(name: str) -> bool:
    return name == "run.json" or name.startswith(("redrive-", "code-"))


async def _codes_in(store: "ObjectStore", key: str) -> set[str]:
    body = await read(store, key)
    if body is None:
        return set()
    try:
        return {str(digest) for digest in json.loads(body).get("code", {}).values()}
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise RunError(f"{key} cannot be read, so it is unknown which code it needs; nothing was removed") from exc
