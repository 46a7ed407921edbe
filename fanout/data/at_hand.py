"""Parts of a table's files on this machine, wherever the files are: remote ones are copied for as long as it takes."""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.data import uris
from fanout.data.ranges import reading
from fanout.data.sections import Section

if TYPE_CHECKING:
    from fanout.store.access import Access

AT_ONCE = 8
CHUNK = 8 * 1024 * 1024


@contextmanager
def at_hand(pieces: Sequence[Section], access: "Access") -> Iterator[list[Section]]:
    """The pieces, each readable here; copies last as long as the context. InputError when a file is not there."""
    if all(uris.is_local(piece.uri) for piece in pieces):
        yield list(pieces)
        return
    with tempfile.TemporaryDirectory(prefix="fanout-table-") as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        copies = (Path(folder, str(number)) for number in range(len(pieces)))
        yield list(pool.map(lambda piece, copy: _brought(piece, copy, access), pieces, copies))


def _brought(piece: Section, copy: Path, access: "Access") -> Section:
    if uris.is_local(piece.uri):
        return piece
    from fanout.store.open import locate

    store, key = locate(piece.uri, access)
    by_bytes = piece.cut == "bytes"
    with reading(piece.uri), copy.open("wb") as file:
        if by_bytes:
            file.write(store.get_range(key, start=piece.start, end=piece.stop) if piece.stop > piece.start else b"")
        else:
            for chunk in store.get(key).stream(min_chunk_size=CHUNK):
                file.write(chunk)
    return replace(piece, path=str(copy), offset=piece.start if by_bytes else 0)
