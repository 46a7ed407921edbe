"""Objects in a folder of this machine: written whole, and durable unless the store is opened otherwise.

A store whose writes were not synced may hold torn objects after a power cut: empty, cut short, or zeros. A torn record
counts as not there, and is made again.
"""

import asyncio
import fcntl
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from obstore.store import LocalStore, ObjectStore

from fanout.storage import atomic, keys

_PART = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+"
_PLAIN = re.compile(f"{_PART}(?:/{_PART})*")
"""Keys that are certainly allowed, and their file's path; of others obstore has to judge."""

_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


class FolderStore(LocalStore):
    """A store in a folder, of which is known whether writes are durable when they have returned."""

    def __new__(cls, *args: Any, durable: bool = True, **kwargs: Any) -> "FolderStore":
        store = super().__new__(cls, *args, **kwargs)
        store.durable = durable
        return store

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """All is done by then."""

    durable: bool


def file_of(store: ObjectStore, key: str) -> Path | None:
    """The file of this machine that is the object at `key`; None where there is none, or the key is an unusual one."""
    if not isinstance(store, LocalStore) or not store.prefix or _PLAIN.fullmatch(key) is None:
        return None
    return Path(store.prefix, key)


def is_durable(store: ObjectStore, key: str) -> bool:
    """Whether what is written at `key` has to be synced by us; what is soft need not be."""
    if not isinstance(store, LocalStore) or not getattr(store, "durable", True):
        return False
    return str(store.prefix or "/") == "/" or not keys.is_soft(key)


def create_file(path: Path, key: str, body: bytes, *, durable: bool) -> bool:
    """Whether the object is now ours; what is there is replaced when it is torn."""
    if atomic.create(path, body, durable=durable):
        return True
    if not is_torn(key, _content(path, key)):
        return False
    with locked(path.parent):  # who makes it anew does so alone: what was torn is whole by then, and stays
        if not is_torn(key, _content(path, key)):
            return False
        atomic.replace(path, body, durable=durable)
        return True


def is_torn(key: str, body: bytes) -> bool:
    """Whether the record at `key` is what a power cut leaves: nothing, zeros, or JSON that ends too early.

    What was altered is not torn. Other objects never count as torn here, as only their readers can tell.
    """
    if keys.is_shard(key):
        return not body.endswith(b"\n")
    return keys.is_record(key) and (not body or b"\0" in body or (body.startswith(b"{") and _ends_early(body)))


def _ends_early(body: bytes) -> bool:
    """Whether a JSON object has no end: it stops in a text, or with brackets open."""
    rest = _TEXT.sub(b"", body)
    opened, closed = (sum(rest.count(bracket) for bracket in brackets) for brackets in ((b"{", b"["), (b"}", b"]")))
    return b'"' in rest or opened > closed


def _content(path: Path, key: str) -> bytes:
    return path.read_bytes() if keys.is_record(key) or keys.is_shard(key) else b""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """No other process of ours is in this context for the same folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def synced(store: ObjectStore, key: str) -> AsyncIterator[None]:
    """What obstore writes at `key` while the context lasts is on the disk afterwards, where that is for us to do."""
    path = _to_sync(store, key)
    if path is not None:
        await asyncio.to_thread(atomic.make_folder, path.parent)
    yield
    if path is not None:
        await asyncio.to_thread(_sync_object, path)


async def make_durable(store: ObjectStore, key: str) -> None:
    """What was written at `key` without being synced is on the disk, where that is for us to do."""
    if (path := _to_sync(store, key)) is not None:
        await asyncio.to_thread(_sync_object, path)


def _to_sync(store: ObjectStore, key: str) -> Path | None:
    """The file that has to be synced by us."""
    return Path(str(store.prefix or "/"), key) if is_durable(store, key) and isinstance(store, LocalStore) else None


def _sync_object(path: Path) -> None:
    atomic.sync(path)
    atomic.sync_folder(path.parent)
