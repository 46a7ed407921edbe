"""The seal: created once, whoever comes second gets the first one's."""

import asyncio
import json
from dataclasses import replace

import pytest
from obstore.store import LocalStore, ObjectStore

from fanout.errors import DamagedRecordError
from fanout.records.seal import Seal, read_seal, seal, step_seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put, read

AT = StepRound("r", "s")

MINE = Seal(
    Verdict(VerdictStatus.COMPLETED, "all 3 mini-batches succeeded"),
    Counts(total=3, succeeded=3, items=6, items_succeeded=6, rows=6),
    {0: 2, 4: 1},
    at=1_700_000_000.5,
    seconds=12.25,
)
KEY = keys.verdict(AT)


async def test_round_trip(store: ObjectStore) -> None:
    """What was sealed is read back as it was."""
    assert await step_seal(store, AT) is None
    assert await seal(store, KEY, MINE) == MINE
    assert await step_seal(store, AT) == MINE


async def test_two_sealers_one_seal(store: ObjectStore) -> None:
    """Of two that seal at the same time both go on with the same one, and it never changes (promise I4)."""
    other = replace(MINE, verdict=Verdict(VerdictStatus.FAILED, "no progress"), objects={0: 1})
    first, second = await asyncio.gather(seal(store, KEY, MINE), seal(store, KEY, other))
    assert first == second
    body = await read(store, KEY)
    assert await seal(store, KEY, replace(MINE, seconds=99.0)) == first
    assert await read(store, KEY) == body


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"verdict": {"status": "Splendid", "reason": ""}},
        {"verdict": None},
        {"counts": {"planned": 3}},
        {"counts": None},
        {"objects": {"node": 1}},
        {"objects": [1]},
        {"at": "yesterday"},
    ],
)
async def test_a_damaged_seal_is_refused(store: ObjectStore, change: dict[str, object]) -> None:
    """Another version or a field that is not as written: the error names the object."""
    await seal(store, KEY, MINE)
    fields = json.loads(await read(store, KEY) or b"")
    await put(store, KEY, json.dumps({**fields, **change}).encode())
    with pytest.raises(DamagedRecordError, match=KEY):
        await read_seal(store, KEY)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"\xff", b"[" * 100_000])
async def test_what_is_no_seal_is_refused(store: ObjectStore, body: bytes) -> None:
    """Foreign objects are refused by name."""
    await put(store, KEY, body)
    with pytest.raises(DamagedRecordError, match=KEY):
        await read_seal(store, KEY)


@pytest.mark.parametrize("body", [b"", bytes(100), b'{"version": 1', b'{"version": 1, "verdict": {"status": "Comp'])
async def test_a_seal_that_ends_too_early(store: ObjectStore, body: bytes) -> None:
    """In a folder that is what a power cut leaves, and the step is sealed again; elsewhere it is refused."""
    await put(store, KEY, body)
    if not isinstance(store, LocalStore):
        with pytest.raises(DamagedRecordError, match=KEY):
            await read_seal(store, KEY)
        return
    assert await read_seal(store, KEY) is None
    assert await seal(store, KEY, MINE) == MINE
    assert await seal(store, KEY, replace(MINE, seconds=2.0)) == MINE
