"""Which files there are: streaming, and in the order of their keys, whatever holds them.

Sorting by key means sorting by the bytes of the whole relative path, the order in which object stores list. Hidden
files count. Links to files are followed, links to directories are not: they could lead outside, or round in a circle.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from fanout.data import uris
from fanout.data.globs import Glob, compile_glob, split_pattern
from fanout.data.ranges import reading
from fanout.errors import InputError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.store.access import Access

LIST_PAGE = 1000
_LISTS_IN_ORDER = frozenset({"s3", "s3a", "gs", "memory"})


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of an input: its absolute URI, and its size in bytes."""

    uri: str
    size: int


def list_folder(folder: str, access: "Access", *, sizes: bool = True) -> Iterator[FileEntry]:
    """Every file below `folder`, sorted by key; InputError when there is no such folder or nothing in it.

    Without `sizes` that of a local file may be given as 0, which spares asking for each: most of the listing's time.
    """
    return _at_least_one(_walk(folder, None, access, sizes=sizes), f"{uris.display(folder)}: no files there")


def list_pattern(folder: str, pattern: str, access: "Access") -> Iterator[FileEntry]:
    """The files below `folder` whose relative path fits `pattern`, sorted by key; InputError when none does."""
    plain, below = split_pattern(pattern)
    found = _walk(uris.join(folder, plain) if plain.strip("./") else folder, compile_glob(below), access)
    return _at_least_one(found, f"{uris.display(folder)}: no file there matches the pattern {pattern!r}")


def find_file(uri: str, access: "Access") -> FileEntry:
    """One file by name; InputError when it is missing or a directory."""
    if uris.is_local(uri):
        found = _stat(os.fsencode(uris.to_path(uri)))
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"{uris.display(uri)}: is a directory, expected a file")
        return FileEntry(uri, found.st_size)
    from fanout.store.open import locate

    store, key = locate(uri, access)
    with reading(uri):
        return FileEntry(uri, store.head(key)["size"])


def is_folder(uri: str) -> bool:
    """Whether this names a directory of the local file system (object stores have none)."""
    return uris.is_local(uri) and os.path.isdir(uris.to_path(uri))  # noqa: PTH112 - any name, also undecodable


def _walk(folder: str, glob: Glob | None, access: "Access", *, sizes: bool = True) -> Iterator[FileEntry]:
    if uris.is_local(folder):
        return walk_local(os.fsencode(uris.to_path(folder)), glob, sizes=sizes)
    from fanout.store.open import locate

    store, key = locate(folder, access)
    return walk_store(store, key.strip("/"), folder, glob)


def _at_least_one(entries: Iterator[FileEntry], otherwise: str) -> Iterator[FileEntry]:
    first = next(entries, None)
    if first is None:
        raise InputError(otherwise)
    return chain((first,), entries)


def walk_local(root: bytes, glob: Glob | None = None, *, sizes: bool = True) -> Iterator[FileEntry]:
    """The files below a local directory, depth first in the order of their keys; one directory in memory a level.

    Without `sizes` only what may be no file is asked for its size; the others have 0.
    """
    root = root.rstrip(b"/") or b"/"
    base = uris.from_path(root).rstrip("/")
    pending = [_Directory.at(root.rstrip(b"/"), base, "", glob)]
    while pending:
        here = pending[-1]
        name = next(here.names, None)
        if name is None:
            pending.pop()
        elif name.endswith(b"/"):
            inner, uri = here.path + b"/" + name[:-1], f"{here.uri}/{uris.encode_name(name[:-1])}"
            pending.append(_Directory.at(inner, uri, f"{here.relative}{os.fsdecode(name)}", glob))
        elif not sizes and name not in here.doubtful:
            yield FileEntry(f"{here.uri}/{uris.encode_name(name)}", 0)
        elif (size := _file_size(here.path + b"/" + name)) is not None:
            yield FileEntry(f"{here.uri}/{uris.encode_name(name)}", size)


@dataclass(frozen=True, slots=True)
class _Directory:
    """One that is being walked through: the wanted names that are left, and those that may be no files."""

    path: bytes
    uri: str
    relative: str
    names: Iterator[bytes]
    doubtful: frozenset[bytes]

    @classmethod
    def at(cls, path: bytes, uri: str, relative: str, glob: Glob | None) -> "_Directory":
        names, doubtful = _names(path, relative, glob)
        return cls(path, uri, relative, iter(names), doubtful)


def _names(folder: bytes, relative: str, glob: Glob | None) -> tuple[list[bytes], frozenset[bytes]]:
    """The wanted names in a directory, sub-directories with a slash at the end: so they sort as their keys do.

    Beside them the names that may be no files: links, and whatever else a directory can hold.
    """
    names, doubtful = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                directory = entry.is_dir(follow_symlinks=False)
                names.append(entry.name + b"/" if directory else entry.name)
                if not directory and not entry.is_file(follow_symlinks=False):
                    doubtful.append(entry.name)
    except OSError as exc:
        raise InputError(f"{os.fsdecode(folder)}: cannot be listed: {exc.strerror}") from exc
    if glob is not None:
        names = [name for name in names if _wanted(relative + os.fsdecode(name), glob)]
    names.sort()
    return names, frozenset(doubtful)


def _wanted(relative: str, glob: Glob) -> bool:
    return glob.may_hold(relative[:-1]) if relative.endswith("/") else glob.matches(relative)


def _file_size(path: bytes) -> int | None:
    """The size of a file; None for what is none: a link to a directory, a socket, a device."""
    found = _stat(path)
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _stat(path: bytes) -> os.stat_result:
    try:
        return os.stat(path)  # noqa: PTH116 - names as bytes, a million of them
    except OSError as exc:
        hint = " (a link that leads nowhere)" if os.path.islink(path) else ""  # noqa: PTH114
        raise InputError(f"{os.fsdecode(path)}: cannot be read: {exc.strerror}{hint}") from exc


def walk_store(store: "ObjectStore", prefix: str, folder: str, glob: Glob | None = None) -> Iterator[FileEntry]:
    """The objects below `prefix` in the order of their keys; `folder` is the URI that `prefix` stands for."""
    found = _objects(store, prefix, folder)
    if uris.scheme(folder) not in _LISTS_IN_ORDER:
        found = iter(sorted(found, key=lambda pair: pair[0].encode()))
    for relative, size in found:
        if glob is None or glob.matches(relative):
            yield FileEntry(uris.join(folder, relative), size)


def _objects(store: "ObjectStore", prefix: str, folder: str) -> Iterator[tuple[str, int]]:
    from fanout.store.objects import list_in_order

    start = len(prefix) + 1 if prefix else 0
    with reading(folder):
        metas = ((listed.key, listed.size) for listed in list_in_order(store, prefix, LIST_PAGE))
        for path, size in _without_markers(metas, prefix):
            yield path[start:], size


def _without_markers(metas: Iterator[tuple[str, int]], prefix: str) -> Iterator[tuple[str, int]]:
    """Leaves out the empty objects `folder/` that consoles create; obstore shows them without the slash."""
    for (path, size), (after, _) in pairwise(chain(metas, (("", 0),))):
        if size or (path != prefix and not after.startswith(path + "/")):
            yield path, size
