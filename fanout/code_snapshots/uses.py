"""Which code snapshots are needed, and how one that is not is removed without taking it from a run that begins.

Snapshots are named by their content, so a run that begins may use one that has been there for years, and that nothing
needed a moment ago. Two notes keep the two apart:

- A run, before it relies on a snapshot, notes that it is about to use it (`note_use`), and then looks for the mark of
  a removal. It waits until the mark has gone; then the snapshot is there, or the run stores it again.
- Who removes a snapshot marks it first, and then looks for such a note. A note younger than a day keeps the snapshot:
  the run's own record, which is made within seconds, keeps it from then on.

Whichever of the two comes second sees the other, as both write before they look. Times are those of the store's clock.
A mark is left within `REMOVED_WITHIN` seconds; one that stays longer belongs to a process that was killed.
"""

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
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


async def note_use(store: "ObjectStore", digest: str, clock: Clock, by: str = "") -> None:
    """The snapshot is not removed for a day. It may have been removed before: look whether it is there.

    Waits for a removal that is under way. A note of one's own name (`by`) can be taken back with `forget_use`.
    """
    prefix = keys.code_uses(digest)
    await put(store, _note(digest, by), b"")
    deadline = clock.monotonic() + MARKS_STAY
    while marks := [name for name in await list_names(store, prefix) if name.startswith(_MARK)]:
        if clock.monotonic() >= deadline:
            await delete(store, *(f"{prefix}{name}" for name in marks))
            return
        await clock.sleep(LOOK_EVERY)


async def forget_use(store: "ObjectStore", digest: str, by: str) -> None:
    """The note of this name is gone: by now a record keeps the snapshot."""
    await delete(store, _note(digest, by))


def _note(digest: str, by: str) -> str:
    return f"{keys.code_uses(digest)}{_USE}{f'-{by}' if by else ''}"


async def remove_unused(store: "ObjectStore", digest: str, clock: Clock) -> bool:
    """Whether the snapshot was removed: no run is about to use it. Ask only for one that no record needs."""
    prefix = keys.code_uses(digest)
    begun, mark = clock.monotonic(), f"{prefix}{_MARK}{secrets.token_hex(8)}"
    await put(store, mark, b"")
    try:
        notes = await list_changed(store, prefix)
        uses, marked = _uses(digest, notes), notes.get(mark)
        if marked is None or any(marked - used < A_DAY for used in uses.values()):
            return False
        if clock.monotonic() - begun > REMOVED_WITHIN:
            return False
        await delete(store, keys.code(digest))
    finally:
        await delete(store, mark)
    await delete(store, *uses)
    return True


def _uses(digest: str, notes: Mapping[str, float]) -> dict[str, float]:
    return {key: changed for key, changed in notes.items() if key.startswith(_note(digest, ""))}


async def was_used(store: "ObjectStore", digest: str, now: float) -> bool:
    """Whether a run has begun to use the snapshot in the day before `now`: a first look, which decides nothing."""
    uses = _uses(digest, await list_changed(store, keys.code_uses(digest)))
    return any(now - used < A_DAY for used in uses.values())


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
