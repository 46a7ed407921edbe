"""Versions of the items of a plan: what later runs compare, to tell items they know from new ones.

The version of a file is what its file system or server says of it, not its content: size, times of change (the
inode's too, which no program can set back) and inode of a local file, ETag and size of an object. It is taken while the
input is listed, before anything is read. Kept beside the manifests, a line a mini-batch, in the same shards.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from fanout.errors import DamagedRecordError
from fanout.files import uris
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, put, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore

VersionOf = Callable[[str], str]
"""The version of the file at a URI as a short text, "" when nothing is known of it."""
_BYTES = 12
UNKNOWN = "-"


def local_version(uri: str) -> str:
    """The version of a file of this machine."""
    try:
        found = os.stat(uris.to_path(uri))  # noqa: PTH116 - many of them
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def digest_of(uri: str, version: str) -> str:
    """The file and its version in one short text; UNKNOWN when its version is not known."""
    if not version:
        return UNKNOWN
    text = f"{uri}\n{version}".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=_BYTES).hexdigest()


async def write_versions(store: "ObjectStore", at: StepRound, number: int, versions: Sequence[Sequence[str]]) -> None:
    """The versions of the items of a shard are in the store.

    Where others are there, an earlier process took them, and the input has changed since: then none are, since results
    may be of both.
    """
    key, body = keys.item_versions(at, number), "".join(" ".join(some) + "\n" for some in versions).encode("ascii")
    if not await create(store, key, body) and await read(store, key) != body:
        await put(store, key, b"")


async def read_versions(store: "ObjectStore", at: StepRound, number: int) -> Iterator[tuple[str, ...]]:
    """The versions of the items of each mini-batch of a shard; none where they were not noted."""
    key = keys.item_versions(at, number)
    body = await read(store, key)
    try:
        lines = (body or b"").decode("ascii").splitlines()
    except UnicodeDecodeError as exc:
        raise DamagedRecordError(f"{key}: {exc}") from exc
    return (tuple(line.split(" ")) for line in lines)
