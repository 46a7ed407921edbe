"""run.json."""

import json

import pytest
from obstore.store import MemoryStore

from fanout.errors import DamagedRecordError, RunError
from fanout.pipeline.model import CommandStep, DataInput, DataType, Output, Pipeline
from fanout.records.run import RunRecord, create_record, load_record
from fanout.storage import keys
from fanout.storage.objects import put, read

PIPELINE = Pipeline(
    file="/p/pipeline.yml",
    name=None,
    steps=(
        CommandStep(
            name="prepare",
            command="cp ${{inputs.a}} ${{outputs.b}}",
            inputs={"a": DataInput("file:///x", DataType.URI_FILE)},
            outputs={"b": Output()},
        ),
    ),
    tags={"team": "blue"},
)
RECORD = RunRecord("first", PIPELINE, 1.5, {"prepare": "d" * 64}, {"lake": "s3://lake"})


async def test_what_is_created_is_loaded() -> None:
    """All that resuming needs comes back equal."""
    store = MemoryStore()
    await create_record(store, RECORD)
    assert await load_record(store, "first") == RECORD


async def test_a_name_is_used_once() -> None:
    """The second run of a name is refused, with what to do instead; the first one stays as it was."""
    store = MemoryStore()
    await create_record(store, RECORD)
    before = await read(store, keys.run_json("first"))
    with pytest.raises(RunError, match="fanout resume first"):
        await create_record(store, RunRecord("first", PIPELINE, 2.5))
    assert await read(store, keys.run_json("first")) == before


async def test_an_unknown_run_is_told() -> None:
    with pytest.raises(RunError, match="no run named nobody"):
        await load_record(MemoryStore(), "nobody")


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc", ""])
async def test_a_name_that_no_run_has_is_the_users_mistake(name: str) -> None:
    """It is refused before it becomes part of a key."""
    with pytest.raises(RunError, match="cannot name a run"):
        await load_record(MemoryStore(), name)


@pytest.mark.parametrize("change", [{"version": 9}, {"created": "soon"}, {"pipeline": {}}, {"code": 3}])
async def test_a_damaged_record_is_refused_by_name(change: dict[str, object]) -> None:
    """Whatever is wrong with run.json, its key is in the message."""
    store = MemoryStore()
    await create_record(store, RECORD)
    body = await read(store, keys.run_json("first"))
    assert body is not None
    await put(store, keys.run_json("first"), json.dumps({**json.loads(body), **change}).encode())
    with pytest.raises(DamagedRecordError, match=r"runs/first/run\.json"):
        await load_record(store, "first")
