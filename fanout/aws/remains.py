"""What a deployment has left in the store, and which of it may go with it: never what a run or another one needs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.clock import Clock
from fanout.code_snapshots.uses import codes_of_runs, remove_unused
from fanout.errors import RunError
from fanout.storage import keys
from fanout.storage.objects import delete, list_keys, list_names

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ONE_REQUEST = 1000


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
    others = [other for other in await list_names(store, keys.DEPLOYMENTS) if other != name]
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
        code -= await codes_of_runs(store, runs)
    return Remains((*own, *sorted(keys.code(digest) for digest in code)), len(runs))


async def remove(store: "ObjectStore", remains: Remains, clock: Clock) -> None:
    """None of the objects is there any more, except for code that a run is about to use."""
    codes = [key for key in remains.keys if key.startswith(keys.CODE) and not remains.data]
    others = [key for key in remains.keys if key not in frozenset(codes)]
    for start in range(0, len(others), ONE_REQUEST):
        await delete(store, *others[start : start + ONE_REQUEST])
    for key in codes:
        await remove_unused(store, key.removeprefix(keys.CODE).removesuffix(".zip"), clock)
