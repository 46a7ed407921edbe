"""Output files: those of the winners are in the outputs, once, and nowhere else."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from obstore.store import LocalStore, ObjectStore

from fanout.errors import DamagedRecordError, StoreError
from fanout.files import uris
from fanout.output.output_files import publish_files
from fanout.pipeline.model import DataType
from fanout.records.step import BoundOutput
from fanout.results.split_tree import StagedFiles
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import put

AT = StepRound("r", "s")

ACCESS = Access.from_environ({})


@pytest.fixture
def outputs(tmp_path: Path) -> Mapping[str, BoundOutput]:
    """A folder, and a single file."""
    return {
        "plots": BoundOutput(uris.from_path(tmp_path / "plots")),
        "model": BoundOutput(uris.from_path(tmp_path / "model.bin"), DataType.URI_FILE),
    }


async def _stage(store: ObjectStore, folder: str, files: Mapping[str, bytes]) -> StagedFiles:
    for name, body in files.items():
        await put(store, f"{keys.staged(StepRound('r', 's'))}{folder}/{name}", body)
    return StagedFiles(folder, tuple(files))


def _found(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


async def test_files_go_to_their_outputs(
    store: ObjectStore, outputs: Mapping[str, BoundOutput], tmp_path: Path
) -> None:
    """Folders below an output stay, a uri_file output is that file; what was there before is not touched."""
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "old.png").write_bytes(b"old")
    staged = [
        await _stage(store, "0-0-000", {"plots/a.png": b"a", "plots/sub/b c.png": b"b"}),
        await _stage(store, "1-0-000", {"plots/sub/%20.png": b"p", "model/model.bin": b"m"}),
    ]
    assert await publish_files(store, AT, staged, outputs, ACCESS) == 4
    expected = {"old.png": b"old", "a.png": b"a", "sub/b c.png": b"b", "sub/%20.png": b"p"}
    assert _found(tmp_path / "plots") == expected
    assert (tmp_path / "model.bin").read_bytes() == b"m"


async def test_the_later_mini_batch_wins_a_name(
    store: ObjectStore, outputs: Mapping[str, BoundOutput], tmp_path: Path
) -> None:
    """Of two files of one name that of the later mini-batch stays, now and when it is done again."""
    staged = [
        await _stage(store, "0-0-001", {"plots/same": b"first", "plots/a": b"a"}),
        await _stage(store, "1-0-000", {"plots/same": b"second"}),
    ]
    for _ in range(2):
        assert await publish_files(store, AT, staged, outputs, ACCESS) == 2
        assert _found(tmp_path / "plots") == {"same": b"second", "a": b"a"}


async def test_publishing_goes_on_where_it_was_cut(
    store: ObjectStore, outputs: Mapping[str, BoundOutput], tmp_path: Path
) -> None:
    """A file that has moved already is where it belongs; the others follow."""
    first = await _stage(store, "0-0-000", {"plots/a": b"a"})
    await publish_files(store, AT, [first], outputs, ACCESS)
    second = await _stage(store, "1-0-000", {"plots/b": b"b"})
    await publish_files(store, AT, [first, second], outputs, ACCESS)
    assert _found(tmp_path / "plots") == {"a": b"a", "b": b"b"}


@pytest.mark.parametrize(
    "name",
    [
        "plots/../../evil",
        "plots//etc/evil",
        "plots/",
        "plots",
        "",
        "plots/a\\..\\b",
        "plots/\0",
        "other/a",
        "../plots/a",
    ],
)
async def test_names_that_lead_out_are_refused(
    store: ObjectStore, outputs: Mapping[str, BoundOutput], tmp_path: Path, name: str
) -> None:
    """A result that names a file outside of its output is refused before anything moves."""
    good = await _stage(store, "0-0-000", {"plots/a": b"a"})
    with pytest.raises(DamagedRecordError, match="runs/r/s/results"):
        await publish_files(store, AT, [good, StagedFiles("1-0-000", (name,))], outputs, ACCESS)
    assert not (tmp_path / "plots").exists()


@pytest.mark.parametrize("folder", ["..", "0-0-../../../x", "/etc", "a/b", ""])
async def test_folders_that_lead_out_are_refused(
    store: ObjectStore, outputs: Mapping[str, BoundOutput], tmp_path: Path, folder: str
) -> None:
    """Nor may the process that a result names lead anywhere: nothing is taken from outside of the staging place."""
    with pytest.raises(DamagedRecordError, match="runs/r/s/results"):
        await publish_files(store, AT, [StagedFiles(folder, ("plots/a",))], outputs, ACCESS)
    assert not (tmp_path / "plots").exists()


async def test_a_file_in_the_way_is_an_error_with_its_name(outputs: Mapping[str, BoundOutput], tmp_path: Path) -> None:
    """Where one mini-batch made a file and another a folder of the same name, the error says which."""
    store = LocalStore(tmp_path / "store", mkdir=True)
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "a").write_bytes(b"in the way")
    staged = [await _stage(store, "0-0-000", {"plots/a/b": b"x"})]
    with pytest.raises(StoreError, match="plots/a/b"):
        await publish_files(store, AT, staged, outputs, ACCESS)


PUBLISHER = """
import asyncio, sys
from fanout.pipeline.model import DataType
from fanout.output.output_files import publish_files
from fanout.records.step import BoundOutput
from fanout.results.split_tree import StagedFiles
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.open import open_store

store, access = open_store(sys.argv[1], Access.from_environ({})), Access.from_environ({})
staged = [StagedFiles(f"{n}-0-000", (f"plots/{n}",)) for n in range(int(sys.argv[3]))]
print("ready", flush=True)
sys.stdin.readline()
print(asyncio.run(publish_files(store, StepRound("r", "s"), staged, {"plots": BoundOutput(sys.argv[2])}, access)))
"""


@pytest.mark.parametrize("where", ["same", "other"])
async def test_two_supervisors_publish_at_once(tmp_path: Path, where: str) -> None:
    """On one file system and across two both end well, with every file in its output, whole, and nothing else there."""
    number, store = 100, LocalStore(tmp_path / "store", mkdir=True)
    for index in range(number):
        await _stage(store, f"{index}-0-000", {f"plots/{index}": b"%d" % index * 20_000})
    with tempfile.TemporaryDirectory(dir="/dev/shm" if where == "other" else tmp_path) as folder:
        command = [sys.executable, "-c", PUBLISHER, str(tmp_path / "store"), uris.from_path(Path(folder)), str(number)]
        publishers = [
            subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this loop
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        assert [publisher.stdout and publisher.stdout.readline() for publisher in publishers] == ["ready\n"] * 2
        for publisher in publishers:
            assert publisher.stdin is not None
            publisher.stdin.write("\n")
            publisher.stdin.flush()
        ends = [await asyncio.to_thread(publisher.communicate, timeout=60) for publisher in publishers]
        assert ends == [(f"{number}\n", "")] * 2
        assert _found(Path(folder)) == {str(index): b"%d" % index * 20_000 for index in range(number)}
