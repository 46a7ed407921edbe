"""Which files there are: streaming, and in the order of their keys, whatever holds them.

Sorting by key means sorting by the bytes of the whole relative path, the order in which object stores list. Hidden
files count. Links to files are followed, links to directories are not: they could lead outside, or round in a circle.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, TypeVar

from fanout.errors import InputError
from fanout.files import uris
from fanout.files.byte_ranges import reading
from fanout.files.globs import Glob, compile_glob, split_pattern

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.storage.access import Access
    from fanout.storage.objects import Listed

T = TypeVar("T")

LIST_PAGE = 1000
_LISTS_IN_ORDER = frozenset({"s3", "s3a", "gs", "memory"})


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of an input: its absolute URI, its size in bytes, and the tag that a server gives to its content."""

    uri: str
    size: int
    tag: str = ""


def list_folder(folder: str, access: "Access") -> Iterator[FileEntry]:
    """Every file below `folder`, sorted by key; InputError when there is no such folder or nothing in it."""
    return _at_least_one(_walk(folder, None, access), _nothing_in(folder))


def local_uris(folder: str) -> Iterator[str]:
    """The URIs of what is below a folder of this machine, which may be nothing; no file is asked for its size."""
    return chain.from_iterable(_local_uris(os.fsencode(uris.to_path(folder))))


def list_uris(folder: str, access: "Access") -> Iterator[str]:
    """The URIs of what `list_folder` lists. No local file is asked for its size, which is most of a listing's time."""
    if uris.is_local(folder):
        return _at_least_one(local_uris(folder), _nothing_in(folder))
    return (entry.uri for entry in list_folder(folder, access))


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
    from fanout.storage.open import locate
    from fanout.storage.retry import asked

    store, key = locate(uri, access)
    with reading(uri), asked(store):
        return FileEntry(uri, store.head(key)["size"])


def is_folder(uri: str) -> bool:
    """Whether this names a directory of the local file system (object stores have none)."""
    return uris.is_local(uri) and os.path.isdir(uris.to_path(uri))  # noqa: PTH112 - any name, also undecodable


def _walk(folder: str, glob: Glob | None, access: "Access") -> Iterator[FileEntry]:
    if uris.is_local(folder):
        return walk_local(os.fsencode(uris.to_path(folder)), glob)
    from fanout.storage.open import locate

    store, key = locate(folder, access)
    return walk_store(store, key.strip("/"), folder, glob)


def _nothing_in(folder: str) -> str:
    return f"{uris.display(folder)}: no files there"


def _at_least_one(entries: Iterator[T], otherwise: str) -> Iterator[T]:
    first = next(entries, None)
    if first is None:
        raise InputError(otherwise)
    return chain((first,), entries)


def walk_local(root: bytes, glob: Glob | None = None) -> Iterator[FileEntry]:
    """The files below a local directory, depth first in the order of their keys; one directory in memory a level."""
    for page in _pages(root, glob):
        for name, uri in zip(page.names, page.uris, strict=True):
            if (size := _file_size(page.path_of(name))) is not None:
                yield FileEntry(uri, size)


def _local_uris(root: bytes) -> Iterator[list[str]]:
    """As `walk_local`, page by page and without sizes: only what may be no file is asked what it is."""
    for page in _pages(root, None):
        if page.doubtful.isdisjoint(page.names):
            yield page.uris
        else:
            names = zip(page.names, page.uris, strict=True)
            doubtful = page.doubtful
            yield [u for n, u in names if n not in doubtful or _file_size(page.path_of(n)) is not None]


@dataclass(frozen=True, slots=True)
class _Page:
    """Some files of one directory, in order, as their names; those in `doubtful` may be no files."""

    directory: str
    names: list[str]
    uris: list[str]
    doubtful: frozenset[str]

    def path_of(self, name: str) -> bytes:
        return os.fsencode(f"{self.directory}/{name}")


def _pages(root: bytes, glob: Glob | None) -> Iterator[_Page]:
    """Everything below `root` but directories, in the order of keys; never more than a page at once."""
    pending = [
        _Directory.at(os.fsdecode(root.rstrip(b"/")), uris.from_path(root.rstrip(b"/") or b"/").rstrip("/"), "", glob)
    ]
    while pending:
        here = pending[-1]
        names = here.next_names()
        if not names:
            pending.pop()
        elif names[0].endswith("/"):
            name = names[0][:-1]
            uri = f"{here.uri}/{uris.encode_name(os.fsencode(name))}"
            pending.append(_Directory.at(f"{here.path}/{name}", uri, f"{here.relative}{name}/", glob))
        else:
            prefix = f"{here.uri}/"
            yield _Page(here.path, names, [prefix + name for name in uris.encode_names(names)], here.doubtful)


@dataclass(slots=True)
class _Directory:
    """One that is being walked through: the wanted names, those of directories with a slash at the end."""

    path: str
    uri: str
    relative: str
    names: list[str]
    directories: list[int]  # where among the names
    doubtful: frozenset[str]
    _passed: int = 0

    @classmethod
    def at(cls, path: str, uri: str, relative: str, glob: Glob | None) -> "_Directory":
        names, inner, doubtful = _scan(path or "/")
        if glob is not None:
            names = [name for name in names if _wanted(relative + name, glob)]
        # By bytes: for names in ASCII that is how texts sort, and several times faster.
        names.sort(key=None if "".join(names).isascii() else os.fsencode)
        places = [at for at, name in enumerate(names) if name.endswith("/")] if inner else []
        return cls(path, uri, relative, names, places[::-1], doubtful)

    def next_names(self) -> list[str]:
        """The next directory alone, or the next files; nothing at the end."""
        begin, stop = self._passed, self._passed + LIST_PAGE
        if self.directories and self.directories[-1] == begin:
            self.directories.pop()
            stop = begin + 1
        elif self.directories:
            stop = min(stop, self.directories[-1])
        found = self.names[begin:stop]
        self._passed += len(found)
        return found


def _scan(folder: str) -> tuple[list[str], bool, frozenset[str]]:
    """The names in a directory, sub-directories with a slash at the end: so they sort as their keys do.

    Beside them whether there are any of those, and the names that may be no files: links, and whatever else a directory
    can hold.
    """
    names: list[str] = []
    inner, doubtful = False, list[str]()
    try:
        with os.scandir(folder) as entries:
            while some := list(islice(entries, LIST_PAGE)):  # not all: an entry takes several times what its name does
                files = [entry.name for entry in some if entry.is_file(follow_symlinks=False)]
                names += files
                if len(files) < len(some):
                    others = [entry for entry in some if not entry.is_file(follow_symlinks=False)]
                    folders = [f"{entry.name}/" for entry in others if entry.is_dir(follow_symlinks=False)]
                    links = [entry.name for entry in others if not entry.is_dir(follow_symlinks=False)]
                    names += folders + links
                    doubtful += links
                    inner = inner or bool(folders)
    except OSError as exc:
        raise InputError(f"{folder}: cannot be listed: {exc.strerror}") from exc
    return names, inner, frozenset(doubtful)


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
        found = iter(sorted(found, key=lambda each: each.key.encode()))
    for each in found:
        if glob is None or glob.matches(each.key):
            yield FileEntry(uris.join(folder, each.key), each.size, each.tag)


def _objects(store: "ObjectStore", prefix: str, folder: str) -> Iterator["Listed"]:
    """The objects below `prefix`, with keys relative to it."""
    from fanout.storage.objects import Listed, list_in_order

    start = len(prefix) + 1 if prefix else 0
    with reading(folder):
        for found in _without_markers(list_in_order(store, prefix, LIST_PAGE), prefix):
            yield Listed(found.key[start:], found.size, found.tag)


def _without_markers(found: Iterator["Listed"], prefix: str) -> Iterator["Listed"]:
    """Leaves out the empty objects `folder/` that consoles create; obstore shows them without the slash."""
    for each, after in pairwise(chain(found, (None,))):
        assert each is not None  # noqa: S101 - only the last is
        below = after is not None and after.key.startswith(each.key + "/")
        if each.size or (each.key != prefix and not below):
            yield each
