"""The object store of a world: obstore's functions as the product calls them, on a store in memory.

They behave as they do with S3: a conditional create whose answer was lost finds its own object, and a concurrent one
may be refused although there is no object. What the product starts to use and this module does not know fails loudly.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, GenericError
from obstore.store import MemoryStore

from fanout.results import codec
from tests.simulation.world import World


@dataclass(eq=False)
class Bucket:
    """What the product is given for a store: of no class that it knows, so that it takes it for a remote one."""

    world: World
    inner: MemoryStore = field(default_factory=MemoryStore)
    watchers: list[Callable[[str, bytes], None]] = field(default_factory=list)

    def look(self, key: str) -> bytes | None:
        """The object as it is, seen from outside of the world."""
        try:
            return bytes(obstore.get(self.inner, key).bytes())
        except FileNotFoundError:
            return None

    def keys(self, prefix: str = "") -> list[str]:
        """All keys below a folder, seen from outside of the world."""
        return sorted(meta["path"] for chunk in obstore.list(self.inner, prefix or None) for meta in chunk)

    async def call(self, what: str, key: str, act: Callable[[], Any]) -> Any:
        return await self.world.call(what, key, act, GenericError)

    def place(self, key: str, body: bytes, mode: str = "overwrite") -> None:
        _put(self.inner, key, body, mode=mode)  # type: ignore[arg-type]
        self.world.note("put", key, len(body))
        for watcher in self.watchers:
            watcher(key, body)


_put, _get, _list = obstore.put, obstore.get, obstore.list


@dataclass
class Answer:
    """What a get answers: the body comes later, if it comes."""

    bucket: Bucket
    key: str
    meta: dict[str, Any]
    body: bytes

    async def bytes_async(self) -> bytes:
        return bytes(await self.bucket.call("body", self.key, self._whole))

    def _whole(self) -> bytes:
        if self.bucket.world.happens(self.bucket.world.rates.cut):
            raise GenericError(f"{self.key}: the connection was reset")
        return self.body

    async def stream(self) -> AsyncIterator[bytes]:
        yield await self.bytes_async()


@dataclass
class Writer:
    """A multipart upload: visible when it is complete, and not at all otherwise."""

    bucket: Bucket
    key: str
    parts: list[bytes] = field(default_factory=list)

    async def write(self, part: Any) -> None:
        await self.bucket.call("part", self.key, lambda: self.parts.append(bytes(part)))

    async def __aenter__(self) -> "Writer":
        return self

    async def __aexit__(self, kind: object, exc: object, where: object) -> None:
        if exc is None:
            body = b"".join(self.parts)
            await self.bucket.call("complete", self.key, lambda: self.bucket.place(self.key, body))


async def put_async(bucket: Bucket, key: str, file: Any, *, mode: str = "overwrite", **unknown: Any) -> None:
    _refuse(unknown)
    body = await _body(file)
    if mode == "create":
        await bucket.call("create", key, lambda: _create(bucket, key, body))
    else:
        await bucket.call("put", key, lambda: bucket.place(key, body))


def _create(bucket: Bucket, key: str, body: bytes) -> None:
    world = bucket.world
    if world.happens(world.rates.conflict):
        raise AlreadyExistsError(f"{key}: a conflicting operation is under way")
    bucket.place(key, body, mode="create")
    if world.happens(world.rates.unanswered):  # object_store asks again by itself, and meets its own object
        raise AlreadyExistsError(f"{key}: precondition failed")


async def _body(file: Any) -> bytes:
    if isinstance(file, Path):
        return file.read_bytes()
    if isinstance(file, AsyncIterator):
        return b"".join([part async for part in file])
    return bytes(file)


async def get_async(bucket: Bucket, key: str, *, options: dict[str, Any] | None = None) -> Answer:
    def act() -> Answer:
        answer = _get(bucket.inner, key, options=options)  # type: ignore[arg-type]
        return Answer(bucket, key, dict(answer.meta), bytes(answer.bytes()))

    found: Answer = await bucket.call("get", key, act)
    return found


async def get_range_async(bucket: Bucket, key: str, *, start: int, end: int) -> Any:
    return await bucket.call("get", key, lambda: _range(bucket.inner, key, start=start, end=end))


async def get_ranges_async(bucket: Bucket, key: str, *, starts: Sequence[int], ends: Sequence[int]) -> Any:
    return await bucket.call("get", key, lambda: _ranges(bucket.inner, key, starts=starts, ends=ends))


async def head_async(bucket: Bucket, key: str) -> Any:
    return await bucket.call("head", key, lambda: _head(bucket.inner, key))


async def list_with_delimiter_async(bucket: Bucket, prefix: str | None = None) -> Any:
    return await bucket.call("list", prefix or "/", lambda: _list_folder(bucket.inner, prefix))


async def list_objects(
    bucket: Bucket, prefix: str | None = None, *, offset: str | None = None, chunk_size: int = 50
) -> AsyncIterator[Any]:
    found = await bucket.call("list", prefix or "/", lambda: [*_list(bucket.inner, prefix, offset=offset)])
    for chunk in found:
        yield chunk


async def copy_async(bucket: Bucket, source: str, target: str) -> None:
    await bucket.call("copy", target, lambda: bucket.place(target, bucket.look(source) or b""))


async def delete_async(bucket: Bucket, keys: str | list[str]) -> None:
    for key in [keys] if isinstance(keys, str) else keys:
        await bucket.call("delete", key, lambda key=key: _remove(bucket, key))  # type: ignore[misc]


def _remove(bucket: Bucket, key: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        _delete(bucket.inner, key)
    bucket.world.note("removed", key)


def open_writer_async(bucket: Bucket, key: str, **_: object) -> Writer:
    return Writer(bucket, key)


_range, _ranges, _head, _delete = obstore.get_range, obstore.get_ranges, obstore.head, obstore.delete
_list_folder = obstore.list_with_delimiter
KNOWN = {
    "put_async": put_async,
    "get_async": get_async,
    "get_range_async": get_range_async,
    "get_ranges_async": get_ranges_async,
    "head_async": head_async,
    "list_with_delimiter_async": list_with_delimiter_async,
    "copy_async": copy_async,
    "delete_async": delete_async,
    "open_writer_async": open_writer_async,
}


@contextmanager
def simulated_obstore() -> Iterator[None]:
    """While it lasts, obstore's functions work on the `Bucket`s of worlds."""
    replaced = {name: getattr(obstore, name) for name in dir(obstore) if name.endswith("_async")}
    replaced["list"] = obstore.list
    try:
        for name in replaced:
            setattr(obstore, name, KNOWN.get(name) or _unknown(name))
        obstore.list = lambda store, *rest, **more: (  # type: ignore[assignment]
            list_objects(store, *rest, **more) if isinstance(store, Bucket) else _list(store, *rest, **more)
        )
        yield
    finally:
        for name, function in replaced.items():
            setattr(obstore, name, function)


def _unknown(name: str) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError(f"the simulation does not know obstore.{name}: add it to {__name__}")

    return fail


def _refuse(unknown: dict[str, Any]) -> None:
    if unknown:
        raise AssertionError(f"the simulation does not know {', '.join(unknown)} of obstore.put_async")


def results_in(key: str, body: bytes) -> tuple[codec.Entry, ...]:
    """The entries of what was put, when it is a result object."""
    return tuple(codec.decode_index(body, key).entries) if "/results/" in key else ()
