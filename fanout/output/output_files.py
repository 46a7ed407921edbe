"""Output files of the winning attempts move from their staging place to the step's outputs, after the seal.

In mini-batch order: of two mini-batches that wrote a file of the same name the later one's stays. Doing it again
changes nothing: a file that has moved already is where it belongs.
"""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.store import LocalStore

from fanout.errors import DamagedRecordError, InputError
from fanout.files import uris
from fanout.pipeline.model import DataType
from fanout.results.split_tree import StagedFiles
from fanout.storage import atomic, keys
from fanout.storage.access import Access
from fanout.storage.folder import synced
from fanout.storage.keys import StepRound
from fanout.storage.objects import translated
from fanout.storage.open import locate
from fanout.storage.retry import with_retries

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.records.step import BoundOutput


async def publish_files(
    store: "ObjectStore",
    at: StepRound,
    staged: Iterable[StagedFiles],
    outputs: "Mapping[str, BoundOutput]",
    access: Access,
) -> int:
    """Every file of `staged` is in its output; returns how many there are.

    DamagedRecordError, before anything is moved, when a result names a file that no attempt can have left.
    """
    chosen: dict[tuple[str, str], str] = {}
    for files in staged:
        for name in files.names:
            output, below = _checked(files.folder, name, outputs, at)
            chosen[output, below] = f"{keys.staged(at.in_round(files.round))}{files.folder}/{name}"
    for (output, below), source in chosen.items():
        bound = outputs[output]
        target = bound.uri if bound.type is DataType.URI_FILE else uris.join(bound.uri, below)
        await move(store, source, target, access)
    return len(chosen)


def _checked(folder: str, name: str, outputs: "Mapping[str, BoundOutput]", at: StepRound) -> tuple[str, str]:
    """Output and path of a file that a result names."""
    output, _, below = name.partition("/")
    try:
        if output not in outputs or "/" in uris.confined(folder):
            raise InputError(f"there is no output {output!r}, or no folder {folder!r}")
        return output, uris.confined(below)
    except InputError as exc:
        raise DamagedRecordError(f"{at.root}/results: one of them names the file {name!r}: {exc}") from exc


async def move(store: "ObjectStore", source: str, target: str, access: Access) -> None:
    """The object `source` of the store is at the URI `target`; no error when it has moved already."""
    if isinstance(store, LocalStore) and uris.is_local(target) and store.prefix is not None:
        with translated("write", uris.display(target)):
            job = partial(atomic.move, Path(store.prefix) / source, Path(uris.to_path(target)), durable=access.durable)
            await asyncio.to_thread(job)
        return
    destination, key = locate(target, access)

    async def copy() -> None:
        with translated("write", uris.display(target)):
            try:
                body = await obstore.get_async(store, source)
            except FileNotFoundError:
                return
            async with synced(destination, key):
                await obstore.put_async(destination, key, body.stream())

    await with_retries(destination, copy)
