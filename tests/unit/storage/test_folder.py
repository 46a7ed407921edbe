"""Objects in a folder: what counts as torn, and what is synced."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from fanout.errors import SettingsError
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.folder import FolderStore, is_durable, is_torn, synced
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, put, read
from fanout.storage.open import locate, open_store

AT = StepRound("r", "s", 2)
RECORDS = [
    keys.run_json("r"),
    keys.redrive_json("r", 2),
    keys.run_verdict("r", 3),
    keys.cancel("r"),
    keys.step_json(AT),
    keys.plan_json(AT),
    keys.verdict(AT),
    keys.concluded_json(AT),
    keys.settled(AT),
    keys.reused(AT),
    keys.queue(AT, 0),
    keys.node(AT, 12),
    keys.reusable("0" * 64),
    keys.trigger_start("t", "r"),
]
VALUES = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(value=st.dictionaries(st.text(), VALUES), indent=st.sampled_from([None, 1]))
def test_a_whole_record_is_never_torn_and_each_part_of_it_is(value: object, indent: int | None) -> None:
    """However much of it the disk has; also when the rest is zeros."""
    for text in (json.dumps(value, indent=indent), json.dumps(value, indent=indent, ensure_ascii=False)):
        body = text.encode("utf-8", "surrogatepass")
        assert not is_torn(RECORDS[0], body)
        for end in range(len(body)):
            assert is_torn(RECORDS[0], body[:end])
            assert is_torn(RECORDS[0], body[:end] + bytes(len(body) - end))


@pytest.mark.parametrize("key", RECORDS)
async def test_a_torn_record_is_not_there_and_is_made_again(tmp_path: Path, key: str) -> None:
    """Once: what is whole stays as it is."""
    store = FolderStore(tmp_path)
    assert await create(store, key, b'{"a": 1}')
    os.truncate(tmp_path / key, 5)
    assert await read(store, key) is None
    assert await create(store, key, b'{"a": 2}')
    assert not await create(store, key, b'{"a": 3}')
    assert await read(store, key) == b'{"a": 2}'


@pytest.mark.parametrize(
    "key", [keys.published_json(AT), keys.result(AT, 0, 0), keys.logs(AT) + "x.json", keys.outputs(AT, "verdict.json")]
)
async def test_other_objects_may_hold_anything(tmp_path: Path, key: str) -> None:
    """Nothing of them is judged here."""
    store = FolderStore(tmp_path)
    for body in (b"", b"{", bytes(8)):
        await put(store, key, body)
        assert await read(store, key) == body
        assert not await create(store, key, b"new")


def test_what_is_synced() -> None:
    """All that a folder holds but logs and what is found out again; nothing if not wanted, nothing elsewhere."""
    assert is_durable(FolderStore("/tmp"), keys.verdict(AT))
    for soft in (keys.logs(AT) + "a", keys.settled(AT), keys.published_json(AT), keys.logs_of_run(AT) + "a"):
        assert not is_durable(FolderStore("/tmp"), soft)
    for key in (
        keys.node(AT, 0),
        keys.result(AT, 0, 0),
        keys.manifest(AT, 0),
        keys.queue(AT, 0),
        keys.staged(AT) + "a",
    ):
        assert is_durable(FolderStore("/tmp"), key)
    assert is_durable(FolderStore("/"), keys.logs(AT) + "a"), "an output may lie in a folder of this name"
    assert not is_durable(FolderStore("/tmp", durable=False), keys.verdict(AT))
    assert not is_durable(MemoryStore(), keys.verdict(AT))


@pytest.mark.parametrize("key", ["d/plain", "d/with blank", "d/ü", "d/100%"])
@pytest.mark.parametrize("durable", [True, False])
async def test_every_object_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, durable: bool) -> None:
    """Whatever its name is, however it is written."""
    count: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (count.append(descriptor), real(descriptor))[1])
    store = FolderStore(tmp_path, durable=durable)
    for write in (create(store, key, b"1"), put(store, key, b"2")):
        count.clear()
        await write
        assert len(count) >= 2 if durable else not count
    async with synced(store, key):
        count.clear()
    assert len(count) == 2 if durable else not count


@pytest.mark.parametrize(("text", "setting", "durable"), [
    (None, None, True), (None, False, False), ("false", True, False), ("true", False, True), ("0", None, False),
])  # fmt: skip
def test_the_setting_and_the_variable(text: str | None, setting: bool | None, durable: bool) -> None:
    """The variable wins; nodes get what holds; stores know it."""
    environ = {} if text is None else {"FANOUT_DURABLE": text}
    access = Access.from_environ(environ, durable=setting)
    assert access.durable is durable
    assert Access.from_environ(access.child_environ()).durable is durable
    assert is_durable(open_store("/tmp", access), "runs/r/run.json") is durable
    assert is_durable(*locate("file:///tmp/out.csv", access)) is durable


def test_a_value_that_is_neither() -> None:
    """It is refused: nobody should believe that work is safe when it is not."""
    with pytest.raises(SettingsError, match="FANOUT_DURABLE: expected true or false, got 'maybe'"):
        Access.from_environ({"FANOUT_DURABLE": "maybe"})
