"""The objects that events tell of, as they are now: still the same version, kept in an older one, or gone."""

import os
import stat
from typing import TYPE_CHECKING

import obstore

from fanout.errors import StoreError
from fanout.files import uris
from fanout.scheduler.context import RunContext
from fanout.storage.folder import synced
from fanout.storage.objects import translated
from fanout.storage.open import locate
from fanout.storage.retry import with_retries
from fanout.triggers.event import ObjectEvent

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def file_version(found: os.stat_result) -> str:
    """What a local file has for an ETag: another one after every write."""
    return f"{found.st_mtime_ns:x}-{found.st_size:x}"


def regular_file(folder: str | os.PathLike[str], name: str) -> os.stat_result | None:
    """What the file `name` below `folder` is; None when it is no regular file, or when a link leads to it.

    Links count from the folder on: who may write into a watched folder must not make the watch read what only the
    watch may read. So each part of the name is opened by itself, and none is followed.
    """
    *folders, last = name.split("/")
    if any(part in ("", ".", "..") for part in (*folders, last)):
        return None
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    at = -1
    try:
        at = os.open(folder, flags)
        for part in folders:
            below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        found = os.stat(last, dir_fd=at, follow_symlinks=False)
    except OSError:
        return None
    finally:
        if at >= 0:
            os.close(at)
    return found if stat.S_ISREG(found.st_mode) else None


async def present(event: ObjectEvent, copies: str, context: RunContext) -> str | None:
    """Where exactly this version can be read: in its place, or as a copy below `copies`; None when it is gone.

    An object that was replaced is copied from the version that the bucket keeps of it, when it keeps any.
    """
    if event.is_local:
        return event.uri if _same_file(event) else None
    store, key = locate(event.uri, context.access)
    if await _is_current(store, key, event):
        return event.uri
    if event.version is None:
        return None
    target = f"{copies}/{event.identity[:16]}/{_file_name(event)}"
    copied = await _copy(store, key, event.version, context.store, target)
    return f"{context.settings.store.rstrip('/')}/{target}" if copied else None


async def copy_into(folder: str, name: str, uri: str, context: RunContext) -> None:
    """The object at `uri` is in the store too, as `name` in `folder`."""
    store, key = locate(uri, context.access)
    if not await _copy(store, key, None, context.store, f"{folder}/{name}"):
        raise StoreError(f"{uris.display(uri)}: it was removed while it was copied")


def _same_file(event: ObjectEvent) -> bool:
    found = regular_file(uris.to_path(event.root), event.key)
    return found is not None and file_version(found) == event.etag


async def _is_current(store: "ObjectStore", key: str, event: ObjectEvent) -> bool:
    async def head() -> "obstore.ObjectMeta":
        with translated("look at", key):
            return await obstore.head_async(store, key)

    try:
        found = await with_retries(store, head)
    except FileNotFoundError:
        return False
    if event.version is not None and found.get("version") is not None:
        return found["version"] == event.version
    return event.etag is None or (found["e_tag"] or "").strip('"') == event.etag


async def _copy(source: "ObjectStore", key: str, version: str | None, target: "ObjectStore", name: str) -> bool:
    """Whether there is such an object; then `name` in `target` is equal to it."""

    async def stream() -> None:
        with translated("copy", key):
            answer = await obstore.get_async(source, key, options={"version": version} if version else None)
            async with synced(target, name):
                await obstore.put_async(target, name, answer.stream())

    try:
        await with_retries(source, stream)
    except FileNotFoundError:
        return False
    except StoreError as exc:
        if version and "NoSuchVersion" in str(exc):
            return False
        raise
    return True


def _file_name(event: ObjectEvent) -> str:
    return uris.confined(event.key.rpartition("/")[2])
