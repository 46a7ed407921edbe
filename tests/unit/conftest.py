"""What the tests of a step's life share: stores, entries of results, and ledgers over them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

from fanout.pipeline.model import EntryTask, ParallelStep
from fanout.records.row_format import RowFormat
from fanout.records.step import BoundInput, BoundOutput, StepRecord
from fanout.results import codec
from fanout.results.codec import Entry, Event, Status
from fanout.results.ledger import Ledger
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put

AT = StepRound("r", "s")

MakeEntry = Callable[..., Entry]
Commit = Callable[..., Any]


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store: a folder, or memory."""
    return LocalStore(tmp_path / "store", mkdir=True) if request.param == "local" else MemoryStore()


@pytest.fixture
def entry() -> MakeEntry:
    """An attempt on a mini-batch of two items, which succeeded unless told otherwise."""
    plain = Entry(0, 0, Status.SUCCEEDED, 2, 2, "process000", 1_700_000_000.0, 0.0, 0.5)

    def make(index: int, **fields: Any) -> Entry:
        status = fields.get("status", Status.SUCCEEDED)
        succeeded = fields.get("items", 2) if status is Status.SUCCEEDED else 0
        return replace(plain, **{"index": index, "succeeded": succeeded, **fields})

    return make


@pytest.fixture
def commit(store: ObjectStore) -> Commit:
    """Writes one result object of step `r/s`, as a node does."""

    async def write(
        node: int,
        seq: int,
        entries: Sequence[Entry],
        rows: Sequence[bytes] | None = None,
        events: Sequence[Event] = (),
    ) -> None:
        body = codec.encode(entries, rows or [b""] * len(entries), events)
        await put(store, keys.node(AT, node), b"{}")
        await put(store, keys.result(AT, node, seq), body)

    return write


@pytest.fixture
def ledger_of() -> Callable[..., Ledger]:
    """The ledger of result objects given as (node, seq, entries[, rows])."""

    def absorb(*objects: tuple[Any, ...], total: int | None = None) -> Ledger:
        ledger = Ledger(total)
        for node, seq, entries, *more in objects:
            body = codec.encode(entries, more[0] if more else [b""] * len(entries))
            ledger.absorb(node, seq, codec.decode_index(body, f"{node}/{seq}"))
        return ledger

    return absorb


@pytest.fixture
def record() -> Callable[..., StepRecord]:
    """step.json of step `s` in run `r`, with these settings of the step."""

    def make(row_format: RowFormat = RowFormat.NONE, **settings: Any) -> StepRecord:
        step = replace(ParallelStep(name="s", task=EntryTask("score.py"), input_data="files"), **settings)
        inputs = {"files": BoundInput(uri="file:///data"), "rate": BoundInput(literal="3")}
        outputs = {"out": BoundOutput("file:///out")}
        return StepRecord("r", step, inputs, outputs, row_format, visibility=30.0)

    return make
