"""A machine that does not see the inputs is told before it takes work."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from fanout.errors import InputError
from fanout.files import uris
from fanout.node.inputs_check import check_inputs
from fanout.pipeline.model import EntryTask, ParallelStep
from fanout.planning.manifests import Shard, Tally, write_shard, write_summary
from fanout.records.mini_batch import MiniBatch, encode
from fanout.records.row_format import RowFormat
from fanout.records.step import BoundInput, StepRecord
from fanout.storage.access import Access


def _record(**inputs: BoundInput) -> StepRecord:
    step = ParallelStep(name="s", task=EntryTask("score.py"), input_data="data")
    return StepRecord("r", step, inputs, {}, RowFormat.NONE, 30.0)


async def _plan(store: MemoryStore, record: StepRecord, files: Iterable[Path]) -> None:
    lines = tuple(encode(MiniBatch(i, files=(uris.from_path(file),), items=1)) for i, file in enumerate(files))
    shard, tally = Shard(0, lines), Tally()
    await write_shard(store, record.at, shard)
    tally.add(shard)
    await write_summary(store, record.at, tally.summary(None))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty files."""
    (tmp_path / "in").mkdir()
    for number in range(20):
        (tmp_path / "in" / f"{number:02d}").touch()
    return tmp_path / "in"


async def test_a_machine_that_sees_everything_may_work(folder: Path) -> None:
    """Also before the plan is complete."""
    store, record = MemoryStore(), _record(data=BoundInput(uri=uris.from_path(folder)))
    await check_inputs(record, store, Access())
    await _plan(store, record, sorted(folder.iterdir()))
    await check_inputs(record, store, Access())


@pytest.mark.parametrize("gone", ["00", "19"])
async def test_a_file_of_the_plan_is_missing(folder: Path, gone: str) -> None:
    """The first, the last, and some between them are looked for."""
    store, record = MemoryStore(), _record(data=BoundInput(uri=uris.from_path(folder)))
    await _plan(store, record, sorted(folder.iterdir()))
    (folder / gone).unlink()
    with pytest.raises(InputError, match=rf"/in/{gone}, which is in the plan, is not here.*No mini-batch was taken"):
        await check_inputs(record, store, Access())


async def test_a_side_input_counts_too(folder: Path) -> None:
    """A model that the script loads in init()."""
    gone = BoundInput(uri=uris.from_path(folder / "model"))
    record = _record(data=BoundInput(uri=uris.from_path(folder)), model=gone)
    with pytest.raises(InputError, match=r"input model, .*/in/model, does not exist here"):
        await check_inputs(record, MemoryStore(), Access())


async def test_an_empty_folder_is_a_mount_that_is_missing(tmp_path: Path) -> None:
    """The folder is there, and nothing is mounted on it."""
    (tmp_path / "in").mkdir()
    record = _record(data=BoundInput(uri=uris.from_path(tmp_path / "in")))
    with pytest.raises(InputError, match="is an empty folder here"):
        await check_inputs(record, MemoryStore(), Access())
