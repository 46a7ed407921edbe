"""Finds out without reading data whether it has changed, by what a file system or a server says about it.

The identity of a local file is made of its size, its times of change (also the inode's, which no program can set back)
and its inode. The identity of an object is made of its ETag, size and time. Equal identities mean equal content.
Different identities do not mean different content: a copy has another identity.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from fanout.files import uris
from fanout.files.byte_ranges import reading
from fanout.files.listing import local_uris
from fanout.pipeline.model import DataType

if TYPE_CHECKING:
    from fanout.storage.access import Access

ABSENT = "absent"
"""The identity of what is not there."""
MOST_HEADS = 1000
"""Remote files of a table, wherever they are, that are asked for one by one; of more nothing is said."""


def identity(
    uri: str, type_: DataType, access: "Access", *, as_rows: bool = False, most: int | None = None
) -> str | None:
    """Returns the identity of the data at `uri`; None when it is unknown. InputError when the data cannot be read.

    The identity of an mltable covers its folder and the files that it names; with `as_rows` it covers only the MLTable
    file and the files that it names. A folder or table of more than `most` files has no known identity.
    """
    if type_ is not DataType.MLTABLE:
        return _digest(_of_tree(uri, access, most))
    parts: list[str | None] = [_digest(_of_table(uri, access, most))]
    if not as_rows:
        parts.append(_digest(_of_tree(uri, access, most)))
    return _digest(parts)


def _digest(parts: Iterable[str | None]) -> str | None:
    """Returns one digest of all parts; ABSENT when there are none, None when one of them is unknown."""
    digest, some = hashlib.sha256(), False
    for part in parts:
        if part is None:
            return None
        digest.update(part.encode("utf-8", "surrogateescape") + b"\n")
        some = True
    return digest.hexdigest() if some else ABSENT


def _of_tree(uri: str, access: "Access", most: int | None = None) -> Iterator[str | None]:
    """Yields the parts of the identity of a file, or of each file of a folder."""
    if not uris.is_local(uri):
        yield from _of_objects(uri, access, most)
        return
    path = os.fsencode(uris.to_path(uri))
    if not os.path.isdir(path):  # noqa: PTH112 - names as bytes
        yield from _of_file(path)
        return
    if most is not None and _has_more(path, most):
        yield None
        return
    for file in local_uris(uri):
        yield file
        yield from _of_file(os.fsencode(uris.to_path(file)))


def _has_more(folder: bytes, most: int) -> bool:
    """Returns whether the folder and its subfolders hold more than `most` files; it stops counting there."""
    count, waiting = 0, [folder]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif (count := count + 1) > most:
                    return True
    return False


def _of_file(path: bytes) -> Iterator[str]:
    try:
        found = os.stat(path)  # noqa: PTH116 - names as bytes
    except FileNotFoundError:
        return
    yield f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def _of_objects(uri: str, access: "Access", most: int | None) -> Iterator[str | None]:
    from fanout.storage.open import locate

    store, key = locate(uri, access)
    with reading(uri):
        with contextlib.suppress(FileNotFoundError):
            if key.strip("/"):
                yield _of_meta(store.head(key))
                return
        if uris.scheme(uri) in ("http", "https"):
            return  # the web lists nothing
        # Listings of some servers come in no order.
        listed = (meta for chunk in store.list(key.strip("/")) for meta in chunk)
        metas = list(listed if most is None else islice(listed, most + 1))
        if most is not None and len(metas) > most:
            yield None
            return
        for meta in sorted(metas, key=lambda meta: meta["path"]):
            yield meta["path"]
            yield _of_meta(meta)


def _of_meta(meta: Any) -> str | None:
    tag = meta.get("e_tag")
    return f"{tag} {meta['size']} {meta['last_modified'].isoformat()}" if tag else None


def _of_table(uri: str, access: "Access", most: int | None) -> Iterator[str | None]:
    """Yields the parts of the identity of the MLTable file and of each file that it names."""
    from fanout.tables.mltable_file import FILE_NAME, list_files, load_mltable, pinned

    yield from _of_tree(uris.join(uri, FILE_NAME), access)
    remote = 0
    for count, entry in enumerate(list_files(pinned(load_mltable(uri, access), access), access)):
        if most is not None and count >= most:
            yield None
        yield entry.uri
        if not uris.is_local(entry.uri):
            remote += 1
            if remote > MOST_HEADS:
                yield None
        yield from _of_tree(entry.uri, access)
