"""Merges a large output on S3 in parts: as many as there is time for, the rest in a later call.

Which rows are in which part follows from the seal alone, so a part that is written twice is the same twice, and the
parts together are, byte for byte, what `fanout.output.merge` writes. The upload is noted in the store; which parts are
there already S3 knows.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from fanout.errors import DamagedRecordError
from fanout.files import uris
from fanout.output.merge import SEPARATORS
from fanout.output.row_windows import RowSource, rows_in_order
from fanout.records.codec import Record, Text
from fanout.records.row_format import RowFormat
from fanout.results.winners import Winner
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.multipart import MOST_PARTS, SMALLEST_PART, PartedObject
from fanout.storage.objects import put, read

LARGE = 64 * 1024 * 1024
"""Bytes of output from which on it is written in parts."""
PART = 32 * 1024 * 1024
"""Bytes of a part, at the least; more where there would be too many. A part is gathered in a temporary file."""
IN_MEMORY = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class UploadPart:
    """One part of an output: what it begins with, and the mini-batches whose rows follow."""

    number: int
    begins: bytes
    winners: tuple[Winner, ...]


def in_parts(source: RowSource, row_format: RowFormat, uri: str) -> bool:
    """Whether the output can be written in parts, and is worth it.

    Not parquet, nor columns that differ from mini-batch to mini-batch: what their rows become in the output, and where,
    is known only once all before them were read.
    """
    if row_format is RowFormat.PARQUET or uris.scheme(uri) not in ("s3", "s3a"):
        return False
    if row_format in SEPARATORS and len(source.headers()) > 1:
        return False
    return sum(winner.length for winner in source.ledger.winners()) >= LARGE


async def reduce_in_parts(
    source: RowSource, row_format: RowFormat, uri: str, access: Access, go_on: Callable[[], bool]
) -> bool:
    """Whether the output at `uri` holds all rows; False when `go_on` said no before: then call it again."""
    bucket, _, key = uri.partition("://")[2].partition("/")
    target, note = PartedObject(bucket, key.strip("/"), access), keys.reducing_json(source.at)
    noted = await read(source.store, note)
    upload, complete = (None, False) if noted is None else _noted(noted)
    if complete:
        return True
    there = None if upload is None else await target.parts(upload)
    if upload is None or there is None:
        upload, there = await target.begin(), {}
        await put(source.store, note, UPLOADS.dump(Upload(upload)))
    header = "".join(source.headers()).encode() if row_format in SEPARATORS else b""
    for part in parts(list(source.ledger.winners()), header):
        if part.number in there:
            continue
        if not go_on():
            return False
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as body:
            await _gather(source, part, body)
            there[part.number] = await target.put(upload, part.number, body)
    await target.complete(upload, there)
    await put(source.store, note, UPLOADS.dump(Upload(upload, complete=True)))
    return True


def parts(winners: Sequence[Winner], header: bytes) -> Iterator[UploadPart]:
    """The parts of an output, each but the last of at least `PART` bytes, numbered from 1. Pure."""
    winners = [winner for winner in winners if winner.length]
    least = max(PART, SMALLEST_PART, sum(winner.length for winner in winners) // (MOST_PARTS // 2))
    number, begins, size, some = 1, header, len(header), list[Winner]()
    for winner in winners:
        some.append(winner)
        size += winner.length
        if size >= least:
            yield UploadPart(number, begins, tuple(some))
            number, begins, size, some = number + 1, b"", 0, []
    if some or number == 1:
        yield UploadPart(number, begins, tuple(some))


async def _gather(source: RowSource, part: UploadPart, body: IO[bytes]) -> None:
    body.write(part.begins)
    async for rows in rows_in_order(source.store, source.at, part.winners):
        body.write(rows.payload)
    body.seek(0)


@dataclass(frozen=True, slots=True)
class Upload:
    """The upload in parts that becomes the output."""

    upload: Text
    complete: bool = False


UPLOADS = Record(Upload, version=None, indent=None)


def _noted(note: bytes) -> tuple[str | None, bool]:
    """The upload that is noted, and whether it is complete; None when the note cannot be read."""
    try:
        found = UPLOADS.load(note, "reducing.json")
    except DamagedRecordError:
        return None, False
    return found.upload, found.complete
