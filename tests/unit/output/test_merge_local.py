"""Reduce in the kernel: rows from file to file, checked beside it, whole or not at all."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

from fanout.errors import DamagedRecordError
from fanout.output import merge_local
from fanout.output.merge_local import join_in_kernel
from fanout.output.row_windows import RowSource
from fanout.results.codec import Entry
from fanout.results.ledger import Ledger
from fanout.results.reader import absorb_sealed
from fanout.storage import keys
from fanout.storage.keys import StepRound

AT = StepRound("r", "s")
LENGTH = 100_000
EXPECTED = b"".join(b"%d" % number * LENGTH for number in range(6))


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """A store in a folder."""
    return LocalStore(tmp_path / "store", mkdir=True)


@pytest.fixture
def here(tmp_path: Path) -> ObjectStore:
    """Where the output goes."""
    return LocalStore(tmp_path / "out", mkdir=True)


@pytest.fixture
async def source(store: ObjectStore, entry: Callable[..., Entry], commit: Callable[..., Any]) -> RowSource:
    """Six mini-batches in two objects; those that follow each other do so in neither of them."""
    for seq, numbers in enumerate([(5, 1, 3), (4, 2, 0)]):
        rows = [b"%d" % number * LENGTH for number in numbers]
        await commit(0, seq, [entry(number) for number in numbers], rows)
    return RowSource(store, AT, await absorb_sealed(store, AT, {0: 2}, Ledger()))


def result(tmp_path: Path, seq: int) -> Path:
    """A result object's file."""
    return tmp_path / "store" / keys.result(AT, 0, seq)


@pytest.mark.parametrize("window", [1, 150_000, 1 << 26])
async def test_rows_in_order(
    source: RowSource, here: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    """Headers and all rows, in mini-batch order, with folders made; what was there is replaced, and nothing left."""
    monkeypatch.setattr(merge_local, "WINDOW", window)
    monkeypatch.setattr(merge_local, "READ", 30_001)
    for header in ("old", "h"):
        size = await join_in_kernel(source, [header], here, "deep/joined.txt")
        assert size == len(header) + len(EXPECTED)
    joined = tmp_path / "out" / "deep" / "joined.txt"
    assert joined.read_bytes() == b"h" + EXPECTED
    assert list(joined.parent.iterdir()) == [joined]


async def test_rows_that_lie_together_are_one_piece(source: RowSource) -> None:
    """Mini-batches that follow each other in an object, too, are copied at once."""
    winners = sorted(source.ledger.winners(), key=lambda winner: (winner.object, winner.start))
    pieces = list(merge_local._pieces(source, winners))
    assert [[winner.index for winner in piece.winners] for piece in pieces] == [[5, 1, 3], [4, 2, 0]]


async def test_short_rows_are_left_to_others(
    source: RowSource, here: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing has been written."""
    monkeypatch.setattr(merge_local, "LONG", LENGTH + 1)
    assert await join_in_kernel(source, [], here, "joined.txt") is None


@pytest.mark.parametrize("key", ["joined file.txt", "../joined.txt", "a%20b"])
async def test_names_that_obstore_encodes_are_left_to_it(source: RowSource, here: ObjectStore, key: str) -> None:
    """The file of an object is not guessed."""
    assert await join_in_kernel(source, [], here, key) is None


async def test_what_is_elsewhere_is_left_to_others(source: RowSource) -> None:
    """An output in memory stands for one in a bucket."""
    assert await join_in_kernel(source, [], MemoryStore(), "joined.txt") is None


@pytest.mark.parametrize("kept", [-1, None], ids=["truncated", "altered"])
async def test_damaged_rows_leave_no_output(
    source: RowSource, here: ObjectStore, tmp_path: Path, kept: int | None
) -> None:
    """The object is named, the output stays what it was, and nothing lies beside it."""
    joined = tmp_path / "out" / "joined.txt"
    joined.write_bytes(b"before")
    damaged = result(tmp_path, 1)
    damaged.write_bytes(damaged.read_bytes()[:kept] if kept else damaged.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedRecordError, match=keys.result(AT, 0, 1)):
        await join_in_kernel(source, [], here, "joined.txt")
    assert joined.read_bytes() == b"before"
    assert list(joined.parent.iterdir()) == [joined]


async def test_a_missing_object_is_named(source: RowSource, here: ObjectStore, tmp_path: Path) -> None:
    """It was sealed, so it was there."""
    result(tmp_path, 0).unlink()
    with pytest.raises(DamagedRecordError, match="sealed, but not in the store any more"):
        await join_in_kernel(source, [], here, "joined.txt")


async def test_cut_off_it_leaves_nothing(
    source: RowSource, here: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is stopped while it reduces waits for the copying under way, and removes what there is."""
    monkeypatch.setattr(merge_local, "WINDOW", 1)
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    copy = merge_local._copy

    def copied(*arguments: Any) -> None:
        loop.call_soon_threadsafe(begun.set)
        copy(*arguments)

    monkeypatch.setattr(merge_local, "_copy", copied)
    joining = asyncio.create_task(join_in_kernel(source, [], here, "joined.txt"))
    await begun.wait()
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert list((tmp_path / "out").iterdir()) == []
