"""The rows of a run as they come: bounded in memory, once each, in order where that is asked for."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from obstore.store import MemoryStore

from fanout.api.functions import row_stream
from fanout.api.functions.row_stream import RowStream
from fanout.errors import InputError
from fanout.results import codec
from fanout.results.codec import Entry, Status
from fanout.results.reader import ResultReader
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put

AT = StepRound("r", "s")
SIZE = 10


def _rows(index: int, items: int = SIZE) -> bytes:
    return b"".join(json.dumps(index * SIZE + item).encode() + b"\n" for item in range(items))


class _Run:
    """Results of mini-batches of ten items, committed one object at a time."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.reader = ResultReader(self.store, AT)
        self.reader.follow(0)
        self._objects = 0

    async def commit(self, *indexes: int, items: int = SIZE) -> None:
        entries = [Entry(n, 0, Status.SUCCEEDED, SIZE, SIZE, "p", 0.0, 0.0, 0.0, rows=items) for n in indexes]
        body = codec.encode(entries, [_rows(n, items) for n in indexes])
        await put(self.store, keys.result(AT, 0, self._objects), body)
        self._objects += 1

    async def pass_on(self, stream: RowStream) -> None:
        await stream.pass_on(self.store, self.reader)


def _taken(stream: RowStream) -> Iterator[tuple[int, Any]]:
    while (batch := stream.take(0)) is not None:
        yield from enumerate(batch[1], batch[0])


async def test_as_they_come() -> None:
    """Each item once, whatever is committed twice; the first of them were known before."""
    run, stream = _Run(), RowStream(AT, SIZE, 30, errors=False)
    stream.skip(3)
    await run.commit(2, 0)
    await run.commit(0, 1)
    await run.pass_on(stream)
    assert list(_taken(stream)) == [(n, n) for n in [*range(20, 30), *range(3, 10), *range(10, 20)]]


@pytest.mark.parametrize("held", [row_stream.HELD, 0])
async def test_in_order(monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    """What comes early waits, in memory or, beyond a bound, in the store."""
    monkeypatch.setattr(row_stream, "HELD", held)
    run, stream = _Run(), RowStream(AT, SIZE, 40, errors=False, ordered=True)
    stream.skip(2)
    await run.commit(3, 1)
    await run.pass_on(stream)
    assert list(_taken(stream)) == []
    assert stream._held_bytes == (len(_rows(1) + _rows(3)) if held else 0)
    await run.commit(0)
    await run.pass_on(stream)
    assert list(_taken(stream)) == [(n, n) for n in range(2, 20)]
    await run.commit(2)
    await run.pass_on(stream)
    assert list(_taken(stream)) == [(n, n) for n in range(20, 40)]
    assert stream._held_bytes == 0


async def test_a_run_that_left_items_out() -> None:
    """Those behind them come at its end."""
    run, stream = _Run(), RowStream(AT, SIZE, 40, errors=False, ordered=True)
    await run.commit(3, 1)
    await stream.finish(run.store, run.reader)
    assert list(_taken(stream)) == [(n, n) for n in [*range(10, 20), *range(30, 40)]]


@pytest.mark.parametrize("ordered", [False, True])
async def test_a_caller_that_is_slow(monkeypatch: pytest.MonkeyPatch, ordered: bool) -> None:
    """Reading waits for it. Cut off while it waits, nothing is lost: the end of the run brings the rest."""
    monkeypatch.setattr(row_stream, "AHEAD", len(_rows(0)) - 1)
    monkeypatch.setattr(row_stream, "FULL_PAUSE", 0)
    run, stream = _Run(), RowStream(AT, SIZE, 40, errors=False, ordered=ordered)
    await run.commit(0, 2, 1, 3)
    reading = asyncio.ensure_future(run.pass_on(stream))
    while True:
        await asyncio.sleep(0.01)
        if not stream.is_empty:
            break
    assert stream._given == len(_rows(0))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    again = ResultReader(run.store, AT)
    again.follow(0)
    ending, found = asyncio.ensure_future(stream.finish(run.store, again)), list[tuple[int, Any]]()
    while not (ending.done() and stream.is_empty):
        found += _taken(stream)
        await asyncio.sleep(0)
    await ending
    assert sorted(found) == [(n, n) for n in range(40)]
    assert not ordered or found == sorted(found)


async def test_one_row_for_each_item() -> None:
    """Else nobody knows which row is whose."""
    run, stream = _Run(), RowStream(AT, SIZE, 40, errors=False, name="score")
    await run.commit(1, items=9)
    with pytest.raises(InputError, match="score returned 9 rows for 10 items of mini-batch 1"):
        await run.pass_on(stream)
