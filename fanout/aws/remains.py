"""What a deployment has left in the store, and which of it may go with it: never what a run or another one needs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.errors import RunError
from fanout.storage import keys
from fanout.storage.objects import delete, list_keys, list_names, read
from fanout.tasks import each

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ONE_REQUEST = 1000
DEPLOYMENTS = "deployments/"


@dataclass(frozen=True, slots=True)
class Remains:
    """Objects that go with the deployment, and how many runs stay."""

    keys: tuple[str, ...]
    runs_kept: int
    data: bool = False


async def find_remains(store: "ObjectStore", name: str, *, data: bool) -> Remains:
    """The deployment's own objects, and code that no other record needs; with `data` all of the store.

    RunError when `data` would take what another deployment works on.
    """
    others = [other for other in await list_names(store, DEPLOYMENTS) if other != name]
    if data:
        if others:
            raise RunError(f"--data: this store is also that of {', '.join(others)}; destroy that first")
        return Remains(tuple([listed.key async for listed in list_keys(store)]), 0, data=True)
    own = [listed.key async for listed in list_keys(store, keys.deployment(name))]
    runs = await list_names(store, keys.RUNS)
    code = set(await list_names(store, keys.deployment_code(name)))
    for other in others if code else ():
        code -= set(await list_names(store, keys.deployment_code(other)))
    if code:
        code -= await _code(store, await _records(store, runs))
    return Remains((*own, *sorted(keys.code(digest) for digest in code)), len(runs))


async def remove(store: "ObjectStore", remains: Remains) -> None:
    """None of the objects is there any more."""
    for start in range(0, len(remains.keys), ONE_REQUEST):
        await delete(store, *remains.keys[start : start + ONE_REQUEST])


async def _records(store: "ObjectStore", runs: Sequence[str]) -> list[str]:
    """The records of these runs that name code: that of the run, and of each round."""

    async def of(run: str) -> list[str]:
        names = await list_names(store, f"{keys.RUNS}{run}/")
        return [f"{keys.RUNS}{run}/{name}" for name in names if name == "run.json" or name.startswith("redrive-")]

    return [key for found in await each(of, runs) for key in found]


async def _code(store: "ObjectStore", records: Sequence[str]) -> set[str]:
    """The digests of code in these records; one that cannot be read stops it: it might name any code."""

    async def of(key: str) -> set[str]:
        body = await read(store, key)
        if body is None:
            return set()
        try:
            return {str(digest) for digest in json.loads(body)["code"].values()}
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise RunError(f"{key} cannot be read, so it is unknown which code it needs; nothing was removed") from exc

    return set().union(*await each(of, records))
