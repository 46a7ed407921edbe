"""The door to obstore: the few calls fanout makes of it, awaited, with its errors as StoreError.

obstore is the API. Code that needs more of it (writers, streams) uses it inside `translated`.
"""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore

from fanout.errors import DiskFullError, StoreError
from fanout.security.redaction import redact
from fanout.storage import atomic
from fanout.storage.clock_skew import clock_trouble
from fanout.storage.disk_space import full, is_full
from fanout.storage.folder import create_file, file_of, is_durable, is_torn, synced
from fanout.storage.retry import Tries, asked, retry_budget_of, with_retries
from fanout.storage.retry_budget import pauses

LIST_CHUNK = 1000
_SERVER_ERROR = re.compile(r"<Code>([^<]*)</Code>\s*<Message>([^<]*)</Message>")
_PERFORMED = re.compile(
    r"Error performing [A-Z]+ (?P<where>[a-z]+://[^/?\s]+)\S* in (?P<time>[0-9.]+(?P<unit>m?s)|[^\s,]+)"
    r"(?:, after (?P<retries>\d+) retries, [^-]*)? - (?:HTTP error: )?(?P<what>[^\n]*)"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing; `size` in bytes, `tag` its ETag and time, "" where the server tells no ETag."""

    key: str
    size: int
    tag: str = ""


@contextmanager
def translated(action: str, key: str, place: Path | None = None, needed: int | None = None) -> Iterator[None]:
    """Errors of obstore become StoreError("cannot `action` `key`: ..."); FileNotFoundError for a missing key passes.

    DiskFullError where the file system of the file `place` has no room for the bytes that are `needed`.
    """
    try:
        yield
    except FileNotFoundError as exc:
        if not any(f"<Code>{code}<" in str(exc) for code in ("NoSuchBucket", "NoSuchUpload")):
            raise  # the key is missing, not something around it
        raise StoreError(f"cannot {action} {key}: {reason(exc)}") from exc
    except (BaseError, OSError, ValueError) as exc:
        if is_full(exc):
            sentence = full(place or getattr(exc, "filename", None) or _file_in(key), needed)
            raise DiskFullError(f"cannot {action} {key}: {sentence}") from exc
        raise StoreError(f"cannot {action} {key}: {reason(exc)}") from exc


def _file_in(key: str) -> str | None:
    """The key itself, where it is a path as people see it."""
    return key if key.startswith("/") else None


async def create(store: ObjectStore, key: str, body: bytes, *, durable: bool = True) -> bool:
    """Whether the object at `key` is now ours: True when this call made it, False when another writer's object is
    there. Without `durable` it is not synced: that is `folder.make_durable`, before anything relies on it.

    A server may have kept our object although its answer was lost, so an object equal to `body` counts as ours there:
    creators who must know who won put something of their own into the body.
    """
    deadline, waits = time.monotonic() + retry_budget_of(store), pauses(retry_budget_of(store))
    while True:
        if await with_retries(store, lambda: _create_once(store, key, body, durable)):
            return True
        if isinstance(store, (LocalStore, MemoryStore)):
            return False  # no network in between: what is there was there before
        if (found := await read(store, key)) is not None:
            return found == body
        if time.monotonic() >= deadline:
            raise StoreError(f"cannot create {key}: conditional writes conflicted for {retry_budget_of(store):g} s")
        # 409 without an object: another conditional write was under way and has not ended well.
        await asyncio.sleep(next(waits))


async def _create_once(store: ObjectStore, key: str, body: bytes, durable: bool) -> bool:
    try:
        path = file_of(store, key)
        with translated("create", key, path, len(body)):
            if path is not None:
                synced_now = durable and is_durable(store, key)
                return await asyncio.to_thread(create_file, path, key, body, durable=synced_now)
            async with synced(store, key):
                await obstore.put_async(store, key, body, mode="create")
    except StoreError as exc:
        if isinstance(exc.__cause__, AlreadyExistsError):
            return False
        raise
    return True


async def put(store: ObjectStore, key: str, body: bytes) -> None:
    """The object at `key` is `body`, whatever was there."""

    async def write() -> None:
        path = file_of(store, key)
        with translated("write", key, path, len(body)), _missing_is_an_error("write", key):
            if path is not None:
                await asyncio.to_thread(atomic.replace, path, body, durable=is_durable(store, key))
                return
            async with synced(store, key):
                await obstore.put_async(store, key, body)

    await with_retries(store, write)


def is_surely_missing(store: ObjectStore, key: str) -> bool:
    """Whether the store is a folder of this machine without such a file; False where only asking can tell.

    Waiting is mostly looking for what is not there yet, and asking obstore wakes several threads: a hundred times this.
    """
    file = file_of(store, key)
    return file is not None and not os.path.lexists(file)


async def read(store: ObjectStore, key: str) -> bytes | None:
    """The whole object, or None when there is none; a record of a folder that a power cut has torn is none."""
    if is_surely_missing(store, key):
        return None

    async def whole() -> bytes:
        with translated("read", key):
            answer = await obstore.get_async(store, key)
            return bytes(await answer.bytes_async())

    try:
        body = await with_retries(store, whole)
    except FileNotFoundError:
        return None
    return None if isinstance(store, LocalStore) and is_torn(key, body) else body


async def read_range(store: ObjectStore, key: str, start: int, stop: int) -> bytes | None:
    """Bytes `[start, stop)` of the object, or None when there is none; StoreError when it ends before `stop`."""
    if start >= stop:
        return b""

    async def part() -> bytes:
        with translated("read", key):
            return bytes(await obstore.get_range_async(store, key, start=start, end=stop))

    try:
        body = await with_retries(store, part)
    except FileNotFoundError:
        return None
    if len(body) != stop - start:
        raise StoreError(f"cannot read {key}: bytes {start}-{stop} wanted, the object ends at {start + len(body)}")
    return body


async def list_keys(store: ObjectStore, prefix: str = "", after: str | None = None) -> AsyncIterator[Listed]:
    """Every object below the folder `prefix`, with keys greater than `after`; in no order on a local store.

    A listing that breaks off goes on after the last key it has brought.
    """
    tries = Tries(store)
    while True:
        try:
            with translated("list", prefix or "/"):
                chunks = aiter(obstore.list(store, prefix or None, offset=after, chunk_size=LIST_CHUNK))
                while True:
                    with asked(store):
                        chunk = await anext(chunks, None)
                    for meta in chunk or ():
                        yield Listed(meta["path"], meta["size"])
                        after = meta["path"]
                    if chunk is None:
                        return
        except StoreError as exc:
            pause = tries.pause_after(exc)
        await asyncio.sleep(pause)


def _tag(meta: Any) -> str:
    """With the time: content that was another one meanwhile has another tag, although its ETag is the former one."""
    tag = meta.get("e_tag")
    return f"{tag} {meta['last_modified'].isoformat()}" if tag else ""


def list_in_order(store: ObjectStore, prefix: str, page: int) -> Iterator[Listed]:
    """As `list_keys`, for threads that may wait: `page` objects a request; in order where the server lists so."""
    tries = Tries(store)
    after: str | None = None
    while True:
        try:
            with translated("list", prefix or "/"):
                chunks = iter(store.list(prefix or None, offset=after, chunk_size=page))
                while True:
                    with asked(store):
                        chunk = next(chunks, None)
                    for meta in chunk or ():
                        yield Listed(meta["path"], meta["size"], _tag(meta))
                        after = meta["path"]
                    if chunk is None:
                        return
        except StoreError as exc:
            pause = tries.pause_after(exc)
        time.sleep(pause)


async def list_names(store: ObjectStore, prefix: str = "") -> list[str]:
    """The names directly in the folder `prefix`, of objects and folders alike, sorted, without the prefix."""

    async def listing() -> list[str]:
        with translated("list", prefix or "/"):
            found = await obstore.list_with_delimiter_async(store, prefix or None)
        return [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]

    return sorted({key.rstrip("/").rpartition("/")[2] for key in await with_retries(store, listing)})


async def list_changed(store: ObjectStore, prefix: str) -> dict[str, float]:
    """The objects directly in the folder `prefix`, and when each was written: epoch seconds of the store's clock."""

    async def listing() -> dict[str, float]:
        with translated("list", prefix):
            found = await obstore.list_with_delimiter_async(store, prefix)
        return {meta["path"]: meta["last_modified"].timestamp() for meta in found["objects"]}

    return await with_retries(store, listing)


async def last_change(store: ObjectStore, prefix: str) -> float:
    """When an object below the folder `prefix` was last written: epoch seconds of the store's clock; 0 for none."""

    async def newest() -> float:
        with translated("list", prefix):
            chunks = obstore.list(store, prefix, chunk_size=LIST_CHUNK)
            return max([meta["last_modified"].timestamp() async for chunk in chunks for meta in chunk], default=0.0)

    return await with_retries(store, newest)


async def delete(store: ObjectStore, *keys: str) -> None:
    """None of `keys` is there any more; no error for those that were not."""
    for key in keys if isinstance(store, LocalStore) else ():
        await _delete(store, key, key)
    if keys and not isinstance(store, LocalStore):
        await _delete(store, list(keys), keys[0])


async def copy(store: ObjectStore, source: str, target: str) -> None:
    """`target` is what `source` was, copied inside the store."""
    action = f"copy {source} to"

    async def duplicate() -> None:
        with translated(action, target), _missing_is_an_error(action, target):
            async with synced(store, target):
                await obstore.copy_async(store, source, target)

    await with_retries(store, duplicate)


def reason(exc: BaseException) -> str:
    """What went wrong, in one line fit for people: the server's code and message, or obstore's first sentence; then
    where, and for how long it was tried, when that was more than once."""
    text = str(exc)
    if trouble := clock_trouble(text):
        return trouble
    performed = _PERFORMED.search(text)
    if found := _SERVER_ERROR.search(text):
        said = f"{found[1]}: {found[2]}"
    elif performed and performed["what"].strip():
        said = f"{performed['where']}: {performed['what'].strip(' :')}"
    else:
        said = " ".join(text.split("\n\nDebug source", 1)[0].split())
    if performed and performed["retries"]:
        said += f"; tried {int(performed['retries']) + 1} times in {_seconds(performed)} at {performed['where']}"
    return redact(said)


def _seconds(performed: re.Match[str]) -> str:
    """obstore's time, `7.627153123s` or `950.1ms`, for people."""
    divisor = {"s": 1, "ms": 1000}.get(performed["unit"])
    return f"{float(performed['time'].rstrip('ms')) / divisor:.1f} s" if divisor else performed["time"]


async def _delete(store: ObjectStore, keys: str | list[str], named: str) -> None:
    async def remove() -> None:
        with translated("delete", named):
            await obstore.delete_async(store, keys)

    try:
        await with_retries(store, remove)
    except FileNotFoundError:
        return


@contextmanager
def _missing_is_an_error(action: str, key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise StoreError(f"cannot {action} {key}: {reason(exc)}") from exc
