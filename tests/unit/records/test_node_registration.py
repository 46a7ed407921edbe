"""Numbers of nodes: small, and nobody's twice."""

import asyncio
import json
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

from fanout.records.node_registration import register, registered
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put, read

AT = StepRound("r", "s")


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Each kind of store that needs no server."""
    return LocalStore(tmp_path / "store", mkdir=True) if request.param == "local" else MemoryStore()


async def test_many_at_once_get_different_numbers(store: ObjectStore) -> None:
    """Nodes that start together count through, without a gap."""
    numbers = await asyncio.gather(*(register(store, AT) for _ in range(12)))
    assert sorted(numbers) == list(range(12))
    assert await registered(store, AT) == list(range(12))


async def test_a_number_is_never_given_again(store: ObjectStore) -> None:
    """A gap is passed over: what a node of that number committed must stay readable as its own."""
    await put(store, keys.node(AT, 1), b"{}")
    assert await register(store, AT) == 2
    assert await register(store, AT) == 3
    assert await registered(store, AT) == [1, 2, 3]


async def test_steps_count_for_themselves(store: ObjectStore) -> None:
    """Each round of each step of each run starts at 0."""
    assert [await register(store, StepRound(run, step)) for run, step in [("r", "s"), ("r", "t"), ("q", "s")]] == [
        0,
        0,
        0,
    ]
    assert await registered(store, StepRound("r", "nothing")) == []


async def test_a_node_says_where_it_is(store: ObjectStore) -> None:
    """The announcement names the host and the process."""
    number = await register(store, AT)
    said = json.loads(await read(store, keys.node(AT, number)) or b"")
    assert set(said) == {"host", "pid", "token"}
