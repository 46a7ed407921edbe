"""What goes with a deployment: its own, never what a run or another deployment needs."""

import json

import pytest
from obstore.store import MemoryStore

from fanout.aws.remains import find_remains, remove
from fanout.clock import SystemClock
from fanout.errors import RunError
from fanout.storage import keys
from fanout.storage.objects import list_keys, put

MINE, SHARED, RUNNING, REDRIVEN = (letter * 64 for letter in "abcd")


async def store() -> MemoryStore:
    """A deployment that has brought four pieces of code: one its own, three that others need, too."""
    made = MemoryStore()
    for digest in (MINE, SHARED, RUNNING, REDRIVEN):
        await put(made, keys.code(digest), b"zip")
        await put(made, keys.deployment_code("mine", digest), b"")
    await put(made, keys.deployment_json("mine"), b"{}")
    await put(made, keys.run_json("r"), json.dumps({"code": {"s": RUNNING}}).encode())
    await put(made, keys.redrive_json("r", 2), json.dumps({"code": {"s": REDRIVEN}}).encode())
    return made


async def test_code_that_others_need_stays() -> None:
    """That of a run, of a later round of it, of another deployment; afterwards they have all they had."""
    there = await store()
    await put(there, keys.deployment_code("other", SHARED), b"")
    found = await find_remains(there, "mine", data=False)
    assert found.runs_kept == 1
    await remove(there, found, SystemClock())
    left = {listed.key async for listed in list_keys(there)}
    assert left == {
        keys.deployment_code("other", SHARED),
        *(keys.code(digest) for digest in (SHARED, RUNNING, REDRIVEN)),
        keys.run_json("r"),
        keys.redrive_json("r", 2),
    }


async def test_nothing_is_removed_beside_a_run_that_cannot_be_read() -> None:
    """It might need any code."""
    there = await store()
    await put(there, keys.run_json("damaged"), b"{")
    with pytest.raises(RunError, match=r"runs/damaged/run\.json cannot be read.*nothing was removed"):
        await find_remains(there, "mine", data=False)


async def test_all_data_only_goes_with_the_last_deployment() -> None:
    """With --data the store is empty afterwards, unless somebody else works on it."""
    there = await store()
    await put(there, keys.deployment_json("other"), b"{}")
    with pytest.raises(RunError, match="also that of other"):
        await find_remains(there, "mine", data=True)
    await remove(there, await find_remains(there, "other", data=False), SystemClock())
    await remove(there, await find_remains(there, "mine", data=True), SystemClock())
    assert [listed.key async for listed in list_keys(there)] == []
