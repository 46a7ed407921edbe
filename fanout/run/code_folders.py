"""The code folders of a pipeline: their snapshots in the store, and what has changed in them since."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from fanout.data import uris
from fanout.errors import StoreError
from fanout.run.outside import Outside
from fanout.spec.steps import ParallelStep, Step
from fanout.step import code
from fanout.step.code import Snapshot
from fanout.store import keys
from fanout.store.objects import create, read


def code_folder(step: Step) -> str | None:
    """The folder that the step's code comes from, when it has any."""
    return step.task.code if isinstance(step, ParallelStep) else step.code


async def take_snapshots(steps: Sequence[Step], outside: Outside) -> dict[str, Snapshot]:
    """The code of each step that has any, as it is now; InputError when a folder cannot be read."""
    store_folder = Path(uris.to_path(outside.settings.store)) if uris.is_local(outside.settings.store) else None
    taken: dict[str, Snapshot] = {}
    by_folder: dict[str, Snapshot] = {}
    for step in steps:
        folder = code_folder(step)
        if folder is None:
            continue
        if folder not in by_folder:
            by_folder[folder] = await asyncio.to_thread(code.snapshot, Path(folder), without=store_folder)
        taken[step.name] = by_folder[folder]
    return taken


async def store_snapshots(taken: Mapping[str, Snapshot], outside: Outside) -> dict[str, str]:
    """The snapshots are in the store; their digests by step."""
    for digest, snapshot in {snapshot.digest: snapshot for snapshot in taken.values()}.items():
        if await read(outside.store, keys.code(digest)) is None:
            await create(outside.store, keys.code(digest), snapshot.archive)
    return {step: snapshot.digest for step, snapshot in taken.items()}


async def changed_files(before: str, now: Snapshot, outside: Outside) -> list[str]:
    """The files that are new, gone or different in `now`; `before` is the digest of a snapshot in the store."""
    if before == now.digest:
        return []
    archive = await read(outside.store, keys.code(before))
    if archive is None:
        raise StoreError(f"{keys.code(before)}: the code of this run is not in the store any more")
    return code.differences(archive, now.archive)
