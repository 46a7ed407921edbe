"""cancel.json: created once, read by whoever works on the run."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from obstore.store import MemoryStore

from fanout.records.cancelation import Cancelation, ask, mine, read_cancelation, until_canceled
from fanout.storage import keys
from fanout.storage.objects import put

ANNE = Cancelation("anne", "desk", 1_700_000_000.0)


async def test_the_first_who_asks_is_named() -> None:
    """Asking again changes nothing; each round of a run is canceled by itself."""
    store = MemoryStore()
    assert await read_cancelation(store, "r", 1) is None
    assert await ask(store, "r", 1, ANNE) == ANNE
    assert await ask(store, "r", 1, Cancelation("bob", "lap", 1_700_000_001.0)) == ANNE
    assert await read_cancelation(store, "r", 1) == ANNE
    assert await read_cancelation(store, "r", 2) is None
    assert str(ANNE) == "anne on desk canceled the run"


async def test_a_step_that_failed_may_end_the_others() -> None:
    """Then it is named, not who started the run."""
    store = MemoryStore()
    await ask(store, "r", 1, replace(ANNE, step="score"))
    assert str(await read_cancelation(store, "r", 1)) == "step score failed, and continue_on_step_failure is false"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"by": 1, "host": 2, "at": "x"}'])
async def test_whatever_the_object_holds_the_run_is_canceled(body: bytes) -> None:
    """One made by hand, or by another version, counts as well."""
    store = MemoryStore()
    await put(store, keys.cancel("r"), body)
    assert str(await read_cancelation(store, "r", 1)) == "a user canceled the run"


def test_this_process_says_who_it_is(manual_clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """User and machine; a user without a name, as in containers, is somebody."""
    monkeypatch.setenv("LOGNAME", "anne")
    found = mine(manual_clock)
    assert (found.by, found.at) == ("anne", manual_clock.now())
    assert found.host
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    assert mine(manual_clock).by == ""


async def test_waiting_for_it_outlasts_trouble_with_the_store(
    manual_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that fails is made again after two seconds."""
    from fanout.errors import StoreError
    from fanout.records import cancelation

    answers: list[Any] = [StoreError("not now"), None, ANNE]

    async def look(*_: object) -> Cancelation | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    monkeypatch.setattr(cancelation, "read_cancelation", look)
    waiting = asyncio.create_task(until_canceled(MemoryStore(), "r", 1, manual_clock))
    await manual_clock.run(3.9)
    assert not waiting.done()
    await manual_clock.run(0.3)
    assert await waiting == ANNE
