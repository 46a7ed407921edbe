"""Whole files and folders between a remote place and this machine: inputs come down, outputs go up."""

import asyncio
from collections.abc import Awaitable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import obstore

from fanout.errors import InputError
from fanout.files import uris
from fanout.files.listing import list_folder
from fanout.files.local_folder import files_below
from fanout.storage.access import Access
from fanout.storage.atomic import appearing
from fanout.storage.folder import synced
from fanout.storage.objects import translated
from fanout.storage.open import locate
from fanout.storage.retry import with_retries
from fanout.tasks import AT_ONCE, task_group

if TYPE_CHECKING:
    from obstore.store import ObjectStore

CHUNK = 8 * 1024 * 1024


async def download_file(uri: str, target: Path, access: Access) -> None:
    """The object at `uri` is the file `target`, whole or not at all; InputError when there is none."""
    store, key = locate(uri, access)

    async def download(partial: Path) -> None:
        with translated("read", uris.display(uri)):
            answer = await obstore.get_async(store, key)
            with partial.open("wb") as file:
                async for chunk in answer.stream(min_chunk_size=CHUNK):
                    file.write(chunk)

    with appearing(target, durable=False) as partial:
        try:
            await with_retries(store, lambda: download(partial))
        except FileNotFoundError as exc:
            raise InputError(f"{uris.display(uri)}: there is no such object") from exc


async def download_folder(uri: str, target: Path, access: Access) -> None:
    """Everything below `uri` is below the folder `target`; names that would lead out of it are refused."""
    entries = await asyncio.to_thread(lambda: list(list_folder(uri, access)))
    await some_at_once(
        download_file(entry.uri, target / uris.confined(uris.relative_to(entry.uri, uri) or ""), access)
        for entry in entries
    )


async def upload_folder(folder: Path, uri: str, access: Access) -> list[str]:
    """Every regular file below `folder` is below `uri`; their relative names, sorted."""
    names = await asyncio.to_thread(lambda: files_below(folder))
    store, prefix = locate(uri, access)
    await some_at_once(upload_file(folder / name, store, f"{prefix}/{name}".lstrip("/")) for name in names)
    return names


async def upload_file(file: Path, store: "ObjectStore", key: str) -> None:
    """The object at `key` is the file, whatever was there; large ones in parts."""

    async def upload() -> None:
        with translated("write", key):
            async with synced(store, key):
                await obstore.put_async(store, key, file)

    await with_retries(store, upload)


async def some_at_once(jobs: Iterable[Awaitable[None]]) -> None:
    """Does all `jobs`, sixteen at a time, each made when its turn comes; the first error ends the rest."""
    waiting = iter(jobs)
    async with task_group() as group:
        for _ in range(AT_ONCE):
            group.create_task(_one_after_another(waiting))


async def _one_after_another(jobs: Iterable[Awaitable[None]]) -> None:
    for job in jobs:
        await job
