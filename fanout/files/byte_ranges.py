"""Reading parts of a file, wherever it is: what the planner needs to look around its cuts."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fanout.errors import InputError, StoreError
from fanout.files import uris

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.storage.access import Access


class ByteSource(Protocol):
    """Ranged reads of one file that does not change meanwhile."""

    @property
    def name(self) -> str:
        """The file, for messages."""
        ...

    @property
    def size(self) -> int:
        """Bytes in the whole file."""
        ...

    def read(self, start: int, stop: int) -> bytes:
        """The bytes `[start, stop)`; InputError when the file is shorter than it was."""
        ...

    def read_many(self, starts: Sequence[int], length: int) -> list[bytes]:
        """`length` bytes from each start, fewer at the end of the file; remote ones at the same time."""
        ...


@dataclass(frozen=True, slots=True)
class LocalBytes:
    """An open local file."""

    name: str
    size: int
    descriptor: int

    def read(self, start: int, stop: int) -> bytes:
        found = os.pread(self.descriptor, stop - start, start)
        return found if len(found) == stop - start else self._rest(found, start, stop)

    def _rest(self, found: bytes, start: int, stop: int) -> bytes:
        # One read may return less than asked for, 2 GiB at most.
        while found and len(found) < stop - start:
            more = os.pread(self.descriptor, stop - start - len(found), start + len(found))
            if not more:
                break
            found += more
        return _complete(found, stop - start, self.name)

    def read_many(self, starts: Sequence[int], length: int) -> list[bytes]:
        return [self.read(start, min(start + length, self.size)) for start in starts]


@dataclass(frozen=True, slots=True)
class RemoteBytes:
    """An object of a store."""

    name: str
    size: int
    store: "ObjectStore"
    key: str

    def read(self, start: int, stop: int) -> bytes:
        return self.read_many((start,), stop - start)[0]

    def read_many(self, starts: Sequence[int], length: int) -> list[bytes]:
        from fanout.storage.retry import asked

        ends = [min(start + length, self.size) for start in starts]
        with reading(self.name), asked(self.store):
            # Not coalesced: the gaps are the data, which planning must not read.
            found = self.store.get_ranges(self.key, starts=starts, ends=ends, coalesce=0)
        return [_complete(bytes(f), end - start, self.name) for f, start, end in zip(found, starts, ends, strict=True)]


def _complete(found: bytes, wanted: int, name: str) -> bytes:
    if len(found) < wanted:
        raise InputError(f"{uris.display(name)}: became shorter while it was read; input must not change during a run")
    return found


@contextmanager
def open_bytes(uri: str, size: int, access: "Access") -> Iterator[ByteSource]:
    """The file behind `uri`, open for ranged reads, closed afterwards."""
    if not uris.is_local(uri):
        from fanout.storage.open import locate

        store, key = locate(uri, access)
        yield RemoteBytes(uri, size, store, key)
        return
    with reading(uri):
        descriptor = os.open(os.fsencode(uris.to_path(uri)), os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield LocalBytes(uri, size, descriptor)
    finally:
        os.close(descriptor)


def read_head(uri: str, size: int, access: "Access") -> bytes:
    """The first `size` bytes of a file, or all of it when it is shorter; InputError when it is not there."""
    if uris.is_local(uri):
        with reading(uri), open(os.fsencode(uris.to_path(uri)), "rb") as file:  # noqa: PTH123 - any name
            return file.read(size)
    from fanout.storage.open import locate
    from fanout.storage.retry import asked

    store, key = locate(uri, access)
    with reading(uri), asked(store):
        length = min(size, store.head(key)["size"])
        return bytes(store.get_range(key, start=0, length=length)) if length else b""


@contextmanager
def reading(uri: str) -> Iterator[None]:
    """Turns what a file system or obstore raises while `uri` is read into an error of ours that names it."""
    try:
        yield
    except FileNotFoundError as exc:
        raise InputError(f"{uris.display(uri)}: not found") from exc
    except PermissionError as exc:
        raise InputError(f"{uris.display(uri)}: permission denied") from exc
    except StoreError as exc:
        if "NoSuchBucket" not in str(exc):
            raise
        raise InputError(f"{uris.display(uri)}: cannot be read: {str(exc).partition(': ')[2]}") from exc
    except Exception as exc:
        from obstore.exceptions import BaseError

        if not isinstance(exc, (BaseError, OSError)):
            raise
        from fanout.storage.objects import reason

        why = reason(exc)
        kind = InputError if uris.is_local(uri) or why.startswith("NoSuchBucket") else StoreError
        raise kind(f"{uris.display(uri)}: cannot be read: {why}") from exc
