"""Reduce: the rows of all succeeded mini-batches, in mini-batch order and each exactly once, as one output.

Streaming: memory is bound by a window of rows, not by the size of the output. Reducing the same seal again writes the
same bytes, so it can be cut anywhere and simply done again.
"""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import obstore

from fanout.files import uris
from fanout.memory import return_large_buffers
from fanout.output.merge_local import join_in_kernel
from fanout.output.row_windows import RowSource, rows_in_order, windows_in_order
from fanout.records.row_format import RowFormat
from fanout.storage.access import Access
from fanout.storage.folder import synced
from fanout.storage.objects import translated
from fanout.storage.open import locate
from fanout.storage.retry import with_retries

if TYPE_CHECKING:
    from obstore.store import ObjectStore

WRITE_SIZE = 1024 * 1024
"""Bytes that are gathered for one write: rows of a mini-batch may be few."""
WRITES = 4
"""Parts, of obstore's 10 MiB, that are being written at the same time."""
LARGEST_CELL = 2**31 - 1
"""Bytes of one cell; the csv module's own limit of 128 KiB is for text of unknown origin."""
SEPARATORS = {RowFormat.CSV: ",", RowFormat.TSV: "\t"}


async def reduce(source: RowSource, row_format: RowFormat, uri: str, access: Access) -> int:
    """The output at `uri` holds all rows; returns its bytes."""
    return_large_buffers()
    store, key = locate(uri, access)

    async def write() -> int:
        with translated("write", uris.display(uri)):
            if row_format is RowFormat.PARQUET:
                from fanout.output.merge_parquet import write_parquet

                return await write_parquet(source, store, key)
            headers = source.headers() if row_format in SEPARATORS else []
            if len(headers) > 1:
                return await _write(_aligned(source, headers, SEPARATORS[row_format]), store, key)
            written = await join_in_kernel(source, headers, store, key)
            return await _write(_joined(source, headers), store, key) if written is None else written

    return await with_retries(store, write)


async def _write(content: "AsyncIterator[bytes | memoryview]", store: "ObjectStore", key: str) -> int:
    size, waiting = 0, bytearray()
    async with synced(store, key), obstore.open_writer_async(store, key, max_concurrency=WRITES) as writer:
        async for part in content:
            if not waiting and len(part) >= WRITE_SIZE:  # as it is: it need not be copied
                size += len(part)
                await writer.write(part)
                continue
            waiting += part
            if len(waiting) >= WRITE_SIZE:
                size += len(waiting)
                await writer.write(waiting)
                waiting = bytearray()
        await writer.write(waiting)
    return size + len(waiting)


async def _joined(source: RowSource, headers: Sequence[str]) -> "AsyncIterator[bytes | memoryview]":
    for header in headers:
        yield header.encode()
    async for window in windows_in_order(source.store, source.at, source.ledger.winners()):
        payloads = [rows.payload for rows in window]
        if sum(map(len, payloads)) < WRITE_SIZE * len(payloads):
            yield b"".join(payloads)
        else:
            for payload in payloads:  # as they are: they need not be copied
                yield payload


async def _aligned(source: RowSource, headers: Sequence[str], separator: str) -> AsyncIterator[bytes]:
    """Mini-batches with different columns: the union of all columns, in the order of first appearance."""
    csv.field_size_limit(LARGEST_CELL)
    columns = {header: next(csv.reader([header], delimiter=separator)) for header in headers}
    union = list(dict.fromkeys(name for names in columns.values() for name in names))
    yield _csv_lines([union], separator)
    for winner in [w for w in source.ledger.winners() if w.length]:
        parts = [r.payload async for r in rows_in_order(source.store, source.at, [winner])]
        names = columns.get(winner.header or "", union)
        lines = csv.reader(io.StringIO(b"".join(parts).decode(), newline=""), delimiter=separator)
        places = [names.index(name) if name in names else None for name in union]
        yield _csv_lines([[_cell(line, place) for place in places] for line in lines], separator)


def _cell(line: Sequence[str], place: int | None) -> str:
    return line[place] if place is not None and place < len(line) else ""


def _csv_lines(lines: Sequence[Sequence[str]], separator: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()
