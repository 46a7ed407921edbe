"""Reading result objects as they appear in a store."""

from collections.abc import Callable
from typing import Any

import pytest
from obstore.store import ObjectStore

from fanout.errors import DamagedRecordError
from fanout.results import codec
from fanout.results.codec import FIRST_READ, Cause, Entry, Failure, Status
from fanout.results.ledger import Ledger
from fanout.results.reader import ResultReader, absorb_sealed, read_index
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import delete, put, read

AT = StepRound("r", "s")

KEY = keys.result(AT, 0, 0)


async def test_no_object_is_no_news(store: ObjectStore) -> None:
    """What is not there (yet) is None, not an error."""
    assert await read_index(store, KEY) is None


@pytest.mark.parametrize("message", ["short", "long " * 20_000])
async def test_the_index_is_read_whole_and_the_rows_are_not(
    store: ObjectStore, entry: Callable[..., Entry], message: str
) -> None:
    """An index is read whatever its size, from the first bytes of the object alone or with one more read."""
    failed = entry(0, status=Status.RETRIED, failure=Failure(Cause.EXCEPTION, message))
    rows = b"x" * 3 * FIRST_READ
    body = codec.encode([failed, entry(1)], [b"", rows])
    assert (codec.index_size(body, KEY) > FIRST_READ) is (message != "short")
    await put(store, KEY, body)
    index = await read_index(store, KEY)
    assert index is not None
    assert [e.index for e in index.entries] == [0, 1]
    assert index.entries[1].length == len(rows)


@pytest.mark.parametrize("left", [0, 5, 100, FIRST_READ, FIRST_READ + 1])
async def test_a_truncated_object_is_refused_by_name(
    store: ObjectStore, entry: Callable[..., Entry], left: int
) -> None:
    """Wherever an object was cut, reading its index says which one it is."""
    failed = entry(0, status=Status.RETRIED, failure=Failure(Cause.EXCEPTION, "long " * 20_000))
    await put(store, KEY, codec.encode([failed], [b""])[:left])
    with pytest.raises(DamagedRecordError, match=KEY):
        await read_index(store, KEY)


async def test_each_result_is_news_once(
    store: ObjectStore, entry: Callable[..., Entry], commit: Callable[..., Any]
) -> None:
    """A reader gets what was committed since it last looked, of every node, in the order of each."""
    reader = ResultReader(store, AT)
    await commit(0, 0, [entry(0)])
    await commit(2, 0, [entry(1)])
    await commit(2, 1, [entry(2)])
    await reader.look_for_nodes()
    assert [(node, seq) async for node, seq, _ in reader.news()] == [(0, 0), (2, 0), (2, 1)]
    assert [news async for news in reader.news()] == []
    await commit(0, 1, [entry(3)])
    await commit(1, 0, [entry(4)])
    assert [(node, seq) async for node, seq, _ in reader.news()] == [(0, 1)]
    await reader.look_for_nodes()
    assert [(node, seq) async for node, seq, _ in reader.news()] == [(1, 0)]


async def test_what_else_lies_beside_the_nodes_is_passed_over(store: ObjectStore, commit: Callable[..., Any]) -> None:
    """A store is a folder that one can open: what a file manager leaves in it is no node."""
    await commit(3, 0, [])
    for name in (".DS_Store", "000~", "notes.txt"):
        await put(store, f"{keys.nodes(AT)}{name}", b"x")
    reader = ResultReader(store, AT)
    await reader.look_for_nodes()
    assert list(reader.next_of) == [3]


async def test_a_sealed_ledger_reads_what_the_seal_names(
    store: ObjectStore, entry: Callable[..., Entry], commit: Callable[..., Any]
) -> None:
    """What a zombie commits after the seal is not read, and what the seal names must be there."""
    await commit(0, 0, [entry(0)])
    await commit(1, 0, [entry(1)])
    await commit(1, 1, [entry(2)])
    ledger = await absorb_sealed(store, AT, {0: 1, 1: 1}, Ledger())
    assert ledger.counts.succeeded == 2
    assert not ledger.is_settled(2)
    await delete(store, keys.result(AT, 1, 0))
    with pytest.raises(DamagedRecordError, match=keys.result(AT, 1, 0)):
        await absorb_sealed(store, AT, {0: 1, 1: 1}, Ledger())


async def test_an_altered_object_in_the_store_is_refused(
    store: ObjectStore, entry: Callable[..., Entry], commit: Callable[..., Any]
) -> None:
    """A flipped bit in the index of a stored object is noticed when it is read."""
    await commit(0, 0, [entry(0)])
    body = bytearray(await read(store, KEY) or b"")
    body[20] ^= 4
    await put(store, KEY, bytes(body))
    with pytest.raises(DamagedRecordError, match=KEY):
        await read_index(store, KEY)
