"""A node's folders: there when it works, gone when it has left, with nothing lost."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from fanout.code_snapshots.archive import snapshot
from fanout.errors import DamagedRecordError, StoreError
from fanout.node.workspace import Workspace, slot_environ, unpack_code, workspace
from fanout.pipeline.model import DataType, EntryTask, ParallelStep
from fanout.records.row_format import RowFormat
from fanout.records.step import BoundInput, BoundOutput, StepRecord
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import list_keys, put, read

OUTPUTS = {
    "plots": BoundOutput("file:///far/plots"),
    "model": BoundOutput("s3://bucket/dir/model.bin", DataType.URI_FILE),
}


@pytest.fixture
def record() -> StepRecord:
    """A step with two outputs and no code."""
    step = ParallelStep(name="s", task=EntryTask("score.py"), input_data="files", environment_variables={"A": "step"})
    inputs = {"files": BoundInput(uri="file:///data")}
    return StepRecord("r", step, inputs, OUTPUTS, RowFormat.TEXT, 30.0)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The machine's temporary folder, for this test."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


async def test_over_a_folder_files_move_by_renaming(record: StepRecord, tmp_path: Path, elsewhere: Path) -> None:
    """Scratch is inside the store, logs are in their place from the start, and both ends are clean."""
    store = LocalStore(tmp_path / "store", mkdir=True)
    async with workspace(record, store, 3) as place:
        assert place.store_folder == tmp_path / "store"
        assert place.scratch.parent == tmp_path / "store" / "scratch"
        assert place.logs == tmp_path / "store" / keys.logs(StepRound("r", "s"))
        assert place.inputs.is_dir()
        assert place.attempts.is_dir()
        place.logs.mkdir(parents=True)
        (place.logs / "said").write_text("x")
    assert list((tmp_path / "store" / "scratch").iterdir()) == []
    assert list(elsewhere.iterdir()) == []
    assert await read(store, f"{keys.logs(StepRound('r', 's'))}said") == b"x"


async def test_over_a_remote_store_logs_are_uploaded(record: StepRecord, elsewhere: Path) -> None:
    """Scratch is in the machine's temporary folder; logs are in the store at the end, when the work failed too."""
    store = MemoryStore()
    with pytest.raises(ZeroDivisionError):
        async with workspace(record, store, 3) as place:
            assert place.scratch.parent == elsewhere
            (place.logs / "user").mkdir(parents=True)
            (place.logs / "user" / "said é").write_text("x")
            raise ZeroDivisionError
    assert list(elsewhere.iterdir()) == []
    assert [listed.key async for listed in list_keys(store)] == [f"{keys.logs(StepRound('r', 's'))}user/said é"]


@pytest.mark.parametrize("name", ["a\udcff", "a\nb"])
async def test_logs_that_no_store_can_hold(record: StepRecord, elsewhere: Path, name: str) -> None:
    """The others are kept, and the node leaves in order."""
    store = MemoryStore()
    async with workspace(record, store, 0) as place:
        place.logs.mkdir()
        for file in (name, "good"):
            (place.logs / file).write_text("x")
    assert [listed.key async for listed in list_keys(store)] == [f"{keys.logs(StepRound('r', 's'))}good"]


async def test_a_store_that_refuses_logs_is_a_warning(
    record: StepRecord, elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Results are durable by then: the node says what was lost, and scratch is gone."""
    with caplog.at_level(logging.WARNING):
        async with workspace(replace(record, run="r\n"), MemoryStore(), 0) as place:
            place.logs.mkdir()
            (place.logs / "said").write_text("x")
    assert "the logs of this node could not be kept: cannot write runs/r" in caplog.text
    assert list(elsewhere.iterdir()) == []


async def test_code_is_unpacked(record: StepRecord, tmp_path: Path) -> None:
    """The snapshot's files are in the code folder, which is where the script runs."""
    (tmp_path / "code" / "pkg").mkdir(parents=True)
    (tmp_path / "code" / "score.py").write_text("1")
    (tmp_path / "code" / "pkg" / "part.py").write_text("2")
    packed, store = snapshot(tmp_path / "code"), MemoryStore()
    await put(store, keys.code(packed.digest), packed.archive)
    async with workspace(replace(record, code=packed.digest), store, 0) as place:
        assert place.code is not None
        assert (place.code / "pkg" / "part.py").read_text() == "2"
        assert place.placement("process000", {}).cwd == place.code


async def test_code_that_is_gone_or_altered(record: StepRecord, tmp_path: Path, elsewhere: Path) -> None:
    """The error names the object, and nothing is left on the machine."""
    store = MemoryStore()
    with pytest.raises(StoreError, match=r"code/abc\.zip: the code of this step is not in the store"):
        async with workspace(replace(record, code="abc"), store, 0):
            pass
    await put(store, keys.code("abc"), b"other bytes")
    with pytest.raises(DamagedRecordError, match="abc"):
        await unpack_code("abc", store, tmp_path / "code")
    assert list(elsewhere.iterdir()) == []


def test_where_output_goes(tmp_path: Path) -> None:
    """Each process has folders of its own; a file output is a file in its folder, which exists before the script."""
    place = Workspace(tmp_path, tmp_path / "logs", None, None, 0)
    values = place.output_values("process000", OUTPUTS)
    assert values == {
        "plots": str(tmp_path / "outputs/process000/plots"),
        "model": str(tmp_path / "outputs/process000/model/model.bin"),
    }
    assert Path(values["plots"]).is_dir()
    assert Path(values["model"]).parent.is_dir()
    assert not set(values.values()) & set(place.output_values("process001", OUTPUTS).values())


def test_where_a_process_runs_and_prints(tmp_path: Path) -> None:
    """Print files are named by node and process (reference, section 11); without code it runs in scratch."""
    placement = Workspace(tmp_path, Path("/l"), None, None, 4).placement("process007", {"A": "1"})
    assert placement.cwd == tmp_path
    assert placement.environ == {"A": "1"}
    assert placement.stdout == Path("/l/user/stdout/4/process007.stdout.txt")
    assert placement.stderr == Path("/l/user/stderr/4/process007.stderr.txt")


def test_what_a_slot_is_told(record: StepRecord, tmp_path: Path) -> None:
    """Rows that are joined need no staging folder; every other output has one, and the first is the output folder."""
    task = EntryTask("sub/score.py", append_row_to="model")
    joined = replace(record, step=replace(record.step, task=task, logging_level="DEBUG", profiling_module="profile"))
    order = Workspace(tmp_path, tmp_path / "logs", tmp_path / "code", None, 4).start_order(joined, "process001", ["-x"])
    plots = str(tmp_path / "outputs/process001/plots")
    assert (order.entry_script, order.code, order.arguments) == ("sub/score.py", str(tmp_path / "code"), ["-x"])
    assert (order.outputs, order.output_dir) == ({"plots": plots}, plots)
    assert (order.node, order.process) == ("4", "process001")
    assert (order.logging_level, order.profiling_module) == ("DEBUG", "profile")


@pytest.mark.parametrize(
    ("inherited", "expected"),
    [
        ({}, {"A": "step", "AZUREML_RUN_ID": "r"}),
        ({"A": "node", "B": "kept"}, {"A": "step", "B": "kept"}),
        ({"AZUREML_RUN_ID": "of somebody else"}, {"AZUREML_RUN_ID": "r"}),
        ({"MLFLOW_TRACKING_URI": "http://mine"}, {"MLFLOW_TRACKING_URI": "http://mine"}),
    ],
)
def test_the_environment_of_a_slot(
    record: StepRecord, tmp_path: Path, inherited: dict[str, str], expected: dict[str, str]
) -> None:
    """The node's own, what Azure sets, and last what the step asks for (reference, section 6)."""
    environ = _slot_environ(record, tmp_path, inherited)
    assert environ.items() >= expected.items()
    ours = {"AZUREML_RUN_ID", "AZUREML_BI_OUTPUT_PATH", "MLFLOW_TRACKING_URI"}
    assert {name for name in environ if not name.startswith("AZURE_ML_")} == inherited.keys() | {"A"} | ours


def _slot_environ(record: StepRecord, folder: Path, inherited: dict[str, str], **values: str | None) -> dict[str, str]:
    place = Workspace(folder, folder / "logs", None, None, 0)
    return slot_environ(record, place, place.start_order(record, "process004", []), values, inherited)


def test_where_data_is(record: StepRecord, tmp_path: Path) -> None:
    """As Azure names it: inputs that have a value, and outputs; what no process can be started with is left out."""
    environ = _slot_environ(record, tmp_path, {}, a="/data", none=None, long="x" * 200_000, nul="\0")
    found = {name: value for name, value in environ.items() if name.startswith("AZURE_ML_INPUT_")}
    assert found == {"AZURE_ML_INPUT_a": "/data"}
    outputs = {name for name in environ if name.startswith("AZURE_ML_OUTPUT_")}
    assert outputs == {f"AZURE_ML_OUTPUT_{name}" for name in record.outputs}


def test_mlflow_writes_into_scratch(record: StepRecord, tmp_path: Path) -> None:
    """Without a tracking server, autologging leaves nothing in the user's folders."""
    assert _slot_environ(record, tmp_path, {})["MLFLOW_TRACKING_URI"] == f"file:{tmp_path}/mlruns"
