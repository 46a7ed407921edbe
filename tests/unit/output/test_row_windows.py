"""Rows in mini-batch order: each exactly once, checked, in constant memory."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore, ObjectStore

from fanout.errors import DamagedRecordError
from fanout.output import row_windows
from fanout.output.row_windows import rows_in_order
from fanout.results import codec
from fanout.results.codec import Entry, Status
from fanout.results.ledger import Ledger
from fanout.results.reader import absorb_sealed
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import delete, put, read

AT = StepRound("r", "s")


async def _all(store: ObjectStore, ledger: Ledger) -> list[tuple[int, bytes]]:
    return [(r.winner.index, bytes(r.payload)) async for r in rows_in_order(store, AT, ledger.winners())]


async def test_rows_come_in_mini_batch_order_and_once(
    store: ObjectStore, entry: Callable[..., Entry], commit: Callable[..., Any]
) -> None:
    """Over several objects of several nodes, with duplicates, failures and empty mini-batches in between."""
    failed = entry(4, status=Status.FAILED)
    await commit(0, 0, [entry(3), entry(0)], [b"three\n", b"zero\n"])
    await commit(0, 1, [entry(0), entry(2)], [b"zero again\n", b""])
    await commit(1, 0, [entry(1), failed, entry(3)], [b"one\n", b"", b"three again\n"])
    ledger = await absorb_sealed(store, AT, {0: 2, 1: 1}, Ledger())
    assert await _all(store, ledger) == [(0, b"zero\n"), (1, b"one\n"), (3, b"three\n")]


async def test_small_windows_change_nothing(
    store: ObjectStore, entry: Callable[..., Entry], commit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fits into memory at once, the same rows come in the same order; large ones in chunks."""
    payloads = [bytes([65 + index]) * size for index, size in enumerate([3, 50, 7, 10, 0, 11, 1])]
    await commit(0, 0, [entry(i) for i in (5, 1, 3)], [payloads[i] for i in (5, 1, 3)])
    await commit(0, 1, [entry(i) for i in (0, 2, 4, 6)], [payloads[i] for i in (0, 2, 4, 6)])
    ledger = await absorb_sealed(store, AT, {0: 2}, Ledger())
    monkeypatch.setattr(row_windows, "WINDOW", 10)
    monkeypatch.setattr(row_windows, "GAP", 2)
    parts = await _all(store, ledger)
    assert b"".join(part for _, part in parts) == b"".join(payloads)
    assert max(len(part) for _, part in parts) <= 10
    assert [index for index, _ in parts] == sorted(index for index, _ in parts)


@pytest.mark.parametrize("most", [1, 2, 7])
async def test_a_window_holds_a_limited_number_of_mini_batches(
    store: ObjectStore,
    entry: Callable[..., Entry],
    commit: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    most: int,
) -> None:
    """However short their rows are: a million of them must not be in memory at once."""
    await commit(0, 0, [entry(i) for i in range(7)], [b"%d\n" % i for i in range(7)])
    ledger = await absorb_sealed(store, AT, {0: 1}, Ledger())
    monkeypatch.setattr(row_windows, "MOST", most)
    monkeypatch.setattr(row_windows, "IN_A_THREAD", 1)
    assert [len(window) for window in row_windows.windows_of(ledger.winners(), row_windows.WINDOW)] == [most] * (
        7 // most
    ) + [7 % most] * bool(7 % most)
    assert await _all(store, ledger) == [(i, b"%d\n" % i) for i in range(7)]


async def test_a_reader_may_stop_early(
    store: ObjectStore, entry: Callable[..., Entry], commit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window that is being read ahead is given up with it."""
    await commit(0, 0, [entry(i) for i in range(4)], [b"%d" % i for i in range(4)])
    ledger = await absorb_sealed(store, AT, {0: 1}, Ledger())
    monkeypatch.setattr(row_windows, "MOST", 1)
    before = asyncio.all_tasks()
    async with aclosing(rows_in_order(store, AT, ledger.winners())) as found:
        assert bytes((await anext(found)).payload) == b"0"
    async with asyncio.timeout(10):
        await asyncio.gather(*(asyncio.all_tasks() - before), return_exceptions=True)


@pytest.mark.parametrize("window", [8, 16 * 1024 * 1024])
async def test_altered_rows_are_refused(
    store: ObjectStore,
    entry: Callable[..., Entry],
    commit: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    window: int,
) -> None:
    """A changed byte in the rows of a mini-batch is noticed, whether they are read at once or in chunks."""
    await commit(0, 0, [entry(0), entry(1)], [b"first\n", b"second, and longer\n"])
    ledger = await absorb_sealed(store, AT, {0: 1}, Ledger())
    key = keys.result(AT, 0, 0)
    body = bytearray(await read(store, key) or b"")
    body[-3] ^= 1
    await put(store, key, bytes(body))
    monkeypatch.setattr(row_windows, "WINDOW", window)
    with pytest.raises(DamagedRecordError, match=f"{key}.*mini-batch 1"):
        await _all(store, ledger)


async def test_truncated_and_missing_objects_are_refused(
    store: ObjectStore, entry: Callable[..., Entry], commit: Callable[..., Any]
) -> None:
    """An object that lost its end, or is gone, is named."""
    await commit(0, 0, [entry(0)], [b"some rows\n"])
    ledger = await absorb_sealed(store, AT, {0: 1}, Ledger())
    key = keys.result(AT, 0, 0)
    await put(store, key, (await read(store, key) or b"")[:-4])
    with pytest.raises(DamagedRecordError, match=key):
        await _all(store, ledger)
    await delete(store, key)
    with pytest.raises(DamagedRecordError, match=key):
        await _all(store, ledger)


async def test_a_missing_object_with_a_large_mini_batch_is_refused(
    store: ObjectStore, entry: Callable[..., Entry], commit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way in chunks says the same as the way at once."""
    await commit(0, 0, [entry(0)], [b"some rows\n"])
    ledger = await absorb_sealed(store, AT, {0: 1}, Ledger())
    key = keys.result(AT, 0, 0)
    monkeypatch.setattr(row_windows, "WINDOW", 4)
    await put(store, key, (await read(store, key) or b"")[:-4])
    with pytest.raises(DamagedRecordError, match=key):
        await _all(store, ledger)
    await delete(store, key)
    with pytest.raises(DamagedRecordError, match=key):
        await _all(store, ledger)


groups = st.lists(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=12)), min_size=1, max_size=4), max_size=5)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups, st.integers(1, 30), st.integers(0, 10))
async def test_any_history_gives_each_winner_once(
    monkeypatch: pytest.MonkeyPatch,
    entry: Callable[..., Entry],
    history: list[list[tuple[int, bytes]]],
    window: int,
    gap: int,
) -> None:
    """For any objects, windows and gaps the output is the first result of each mini-batch, in order (promise I2)."""
    memory = MemoryStore()
    expected: dict[int, bytes] = {}
    for seq, group in enumerate(history):
        body = codec.encode([entry(index) for index, _ in group], [payload for _, payload in group])
        await put(memory, keys.result(AT, 0, seq), body)
        for index, payload in group:
            expected.setdefault(index, payload)
    monkeypatch.setattr(row_windows, "WINDOW", window)
    monkeypatch.setattr(row_windows, "GAP", gap)
    ledger = await absorb_sealed(memory, AT, {0: len(history)}, Ledger())
    found = await _all(memory, ledger)
    assert b"".join(part for _, part in found) == b"".join(expected[index] for index in sorted(expected))
