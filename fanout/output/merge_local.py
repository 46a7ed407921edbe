"""Reduce where result objects and output are files of this machine: the kernel copies the rows from one to the other.

Only their checksums are computed here, beside the copying. Rows that go through buffers of this process are copied
twice more, and the buffers come from the system page by page: that takes two to three times as long.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fanout.errors import DamagedRecordError
from fanout.output.row_windows import RowSource, windows_of
from fanout.results.codec import altered_rows, lost_object
from fanout.results.winners import Winner
from fanout.storage import keys
from fanout.storage.atomic import appearing
from fanout.storage.folder import file_of, is_durable
from fanout.tasks import in_threads

if TYPE_CHECKING:
    from obstore.store import ObjectStore


LONG = 64 * 1024
"""Bytes of rows a mini-batch, on average, from which this is faster: each piece costs some system calls."""
SAMPLE = 1000
"""Mini-batches that tell whether rows are long."""
WINDOW = 64 * 1024 * 1024
"""Bytes that are copied and checked before the next are: none of them are in memory."""
READ = 1024 * 1024


class _Piece(NamedTuple):
    """Rows of mini-batches that follow each other in a file, too."""

    key: str
    path: Path
    winners: Sequence[Winner]


async def join_in_kernel(source: RowSource, headers: Sequence[str], store: "ObjectStore", key: str) -> int | None:
    """The output at `key` is these headers and all rows, in order; its bytes. It appears whole or not at all.

    None, and nothing has happened, where something is elsewhere, or rows are short.
    """
    output = file_of(store, key)
    if output is None or not _is_here(source) or not _are_long(source):
        return None
    with appearing(output, durable=is_durable(store, key)) as aside, aside.open("xb", buffering=0) as joined:
        joined.write("".join(headers).encode())
        for window in windows_of(source.ledger.winners(), WINDOW):
            pieces = list(_pieces(source, window))
            await in_threads(partial(_copy, pieces, joined), partial(_check, pieces))
        return joined.tell()


def _is_here(source: RowSource) -> bool:
    return file_of(source.store, keys.result(source.at, 0, 0)) is not None


def _are_long(source: RowSource) -> bool:
    lengths = [winner.length for winner in islice(source.ledger.winners(), SAMPLE)]
    return sum(lengths) >= LONG * max(1, len(lengths))


def _pieces(source: RowSource, window: Sequence[Winner]) -> Iterator[_Piece]:
    begin = 0
    for at in range(1, len(window) + 1):
        if at < len(window) and _follows(window[at], window[at - 1]):
            continue
        key = window[begin].object.key(source.at)
        path = file_of(source.store, key)
        assert path is not None  # noqa: S101 - the names of result objects are all alike, see `_is_here`
        yield _Piece(key, path, window[begin:at])
        begin = at


def _follows(winner: Winner, other: Winner) -> bool:
    return winner.object == other.object and winner.start == other.start + other.length


def _copy(pieces: Sequence[_Piece], joined: FileIO) -> None:
    for piece in pieces:
        at, end = piece.winners[0].start, piece.winners[-1].start + piece.winners[-1].length
        with _opened(piece) as file:
            while at < end:
                if not (copied := os.sendfile(joined.fileno(), file.fileno(), at, end - at)):
                    raise DamagedRecordError(f"{piece.key}: truncated: it ends at {at}, its index speaks of {end}")
                at += copied


def _check(pieces: Sequence[_Piece]) -> None:
    buffer = memoryview(bytearray(READ))
    for piece in pieces:
        with _opened(piece) as file:
            file.seek(piece.winners[0].start)
            for winner in piece.winners:
                if _crc(file, winner.length, buffer) != winner.crc:
                    raise altered_rows(piece.key, winner.index)


def _crc(file: FileIO, size: int, buffer: memoryview) -> int:
    """Of the next `size` bytes, or of what there is of them."""
    crc = 0
    while size and (read := file.readinto(buffer[:size])):
        crc, size = zlib.crc32(buffer[:read], crc), size - read
    return crc


@contextmanager
def _opened(piece: _Piece) -> Iterator[FileIO]:
    try:
        file = piece.path.open("rb", buffering=0)
    except FileNotFoundError as exc:
        raise lost_object(piece.key) from exc
    with file:
        yield file
