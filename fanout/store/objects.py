"""The door to obstore: the few calls fanout makes of it, awaited, with its errors as StoreError.

obstore is the API; whoever needs more of it (writers, streams) uses it inside `translated`.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore

from fanout.errors import StoreError
from fanout.store.redact import redact

CONFLICT_TRIES = 5
LIST_CHUNK = 1000
_SERVER_ERROR = re.compile(r"<Code>([^<]*)</Code>\s*<Message>([^<]*)</Message>")


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing; `size` in bytes."""

    key: str
    size: int


@contextmanager
def translated(action: str, key: str) -> Iterator[None]:
    """Errors of obstore become StoreError("cannot `action` `key`: ..."); FileNotFoundError for a missing key passes."""
    try:
        yield
    except FileNotFoundError as exc:
        if "NoSuchBucket" not in str(exc):
            raise
        raise StoreError(f"cannot {action} {key}: {reason(exc)}") from exc
    except (BaseError, OSError, ValueError) as exc:
        raise StoreError(f"cannot {action} {key}: {reason(exc)}") from exc


async def create(store: ObjectStore, key: str, body: bytes) -> bool:
    """Whether the object at `key` is now ours: True when this call made it, False when somebody else's is there.

    A server may have kept our object although its answer was lost, so an object equal to `body` counts as ours there:
    creators who must know who won put something of their own into the body.
    """
    for attempt in range(CONFLICT_TRIES):
        try:
            with translated("create", key):
                await obstore.put_async(store, key, body, mode="create")
            return True
        except StoreError as exc:
            if not isinstance(exc.__cause__, AlreadyExistsError):
                raise
        if isinstance(store, (LocalStore, MemoryStore)):
            return False  # no network in between: what is there was there before
        if (found := await read(store, key)) is not None:
            return found == body
        # 409 without an object: another conditional write was under way and has not ended well.
        await asyncio.sleep(0.05 * 2**attempt)
    raise StoreError(f"cannot create {key}: conditional writes conflicted {CONFLICT_TRIES} times")


async def put(store: ObjectStore, key: str, body: bytes) -> None:
    """The object at `key` is `body`, whatever was there."""
    with translated("write", key), _missing_is_an_error("write", key):
        await obstore.put_async(store, key, body)


async def read(store: ObjectStore, key: str) -> bytes | None:
    """The whole object, or None when there is none."""
    try:
        with translated("read", key):
            answer = await obstore.get_async(store, key)
            return bytes(await answer.bytes_async())
    except FileNotFoundError:
        return None


async def read_range(store: ObjectStore, key: str, start: int, stop: int) -> bytes | None:
    """Bytes `[start, stop)` of the object, or None when there is none; StoreError when it ends before `stop`."""
    if start >= stop:
        return b""
    try:
        with translated("read", key):
            body = bytes(await obstore.get_range_async(store, key, start=start, end=stop))
    except FileNotFoundError:
        return None
    if len(body) != stop - start:
        raise StoreError(f"cannot read {key}: bytes {start}-{stop} wanted, the object ends at {start + len(body)}")
    return body


async def list_keys(store: ObjectStore, prefix: str = "", after: str | None = None) -> AsyncIterator[Listed]:
    """Every object below the folder `prefix`, with keys greater than `after`; in no order on a local store."""
    with translated("list", prefix or "/"):
        async for chunk in obstore.list(store, prefix or None, offset=after, chunk_size=LIST_CHUNK):
            for meta in chunk:
                yield Listed(meta["path"], meta["size"])


async def list_names(store: ObjectStore, prefix: str = "") -> list[str]:
    """The names directly in the folder `prefix`, of objects and folders alike, sorted, without the prefix."""
    with translated("list", prefix or "/"):
        found = await obstore.list_with_delimiter_async(store, prefix or None)
    keys = [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]
    return sorted({key.rstrip("/").rpartition("/")[2] for key in keys})


async def delete(store: ObjectStore, *keys: str) -> None:
    """None of `keys` is there any more; no error for those that were not."""
    for key in keys if isinstance(store, LocalStore) else ():
        await _delete(store, key, key)
    if keys and not isinstance(store, LocalStore):
        await _delete(store, list(keys), keys[0])


async def copy(store: ObjectStore, source: str, target: str) -> None:
    """`target` is what `source` was, copied inside the store."""
    action = f"copy {source} to"
    with translated(action, target), _missing_is_an_error(action, target):
        await obstore.copy_async(store, source, target)


def reason(exc: BaseException) -> str:
    """What went wrong, in one line fit for people: the server's code and message, or obstore's first sentence."""
    text = str(exc)
    if found := _SERVER_ERROR.search(text):
        return redact(f"{found[1]}: {found[2]}")
    return redact(" ".join(text.split("\n\nDebug source", 1)[0].split()))


async def _delete(store: ObjectStore, keys: str | list[str], named: str) -> None:
    try:
        with translated("delete", named):
            await obstore.delete_async(store, keys)
    except FileNotFoundError:
        return


@contextmanager
def _missing_is_an_error(action: str, key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise StoreError(f"cannot {action} {key}: {reason(exc)}") from exc
