"""Output folders of a slot: what an attempt wrote is put aside as one, or not at all."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.errors import EntryScriptError
from fanout.slot.child.output_staging import OutputFolders


@pytest.fixture
def folders(tmp_path: Path) -> OutputFolders:
    """The folders of outputs `a` and `b` of one process, made as before a script starts."""
    made = OutputFolders({name: tmp_path / "slot" / name for name in "ab"}, tmp_path / "attempts", "process000")
    made.create()
    return made


def _write(folders: OutputFolders, output: str, name: str) -> None:
    path = folders.folders[output] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name, errors="replace")


def test_what_an_attempt_wrote_is_put_aside(folders: OutputFolders, tmp_path: Path) -> None:
    """Every file by output and path, sorted; the next attempt finds empty folders."""
    _write(folders, "b", "z é")
    _write(folders, "a", "sub/x")
    assert folders.set_aside("3-1") == ("a/sub/x", "b/z é")
    assert (tmp_path / "attempts" / "3-1-process000" / "a" / "sub" / "x").read_text() == "sub/x"
    assert [list(folder.iterdir()) for folder in folders.folders.values()] == [[], []]


def test_nothing_written_is_nothing_put_aside(folders: OutputFolders, tmp_path: Path) -> None:
    """No folder is made for an attempt without files."""
    assert folders.set_aside("0-0") == ()
    assert not (tmp_path / "attempts").exists()


def test_an_earlier_delivery_of_the_same_attempt_is_replaced(folders: OutputFolders, tmp_path: Path) -> None:
    """Its files never mix with those of the later one."""
    _write(folders, "a", "first")
    folders.set_aside("0-0")
    _write(folders, "a", "second")
    assert folders.set_aside("0-0") == ("a/second",)
    assert [p.name for p in (tmp_path / "attempts" / "0-0-process000" / "a").iterdir()] == ["second"]


@pytest.mark.parametrize(
    "harm",
    [lambda folder: folder.rmdir(), lambda folder: shutil.rmtree(folder.parent), Path.exists],
    ids=["one folder removed", "all removed", "half written"],
)
def test_a_failed_attempt_leaves_nothing(folders: OutputFolders, harm: Callable[[Path], object]) -> None:
    """Its files are gone and its folders there again, whatever the script did to them."""
    _write(folders, "a", "half")
    harm(folders.folders["b"])
    folders.discard()
    assert [list(folder.iterdir()) for folder in folders.folders.values()] == [[], []]
    assert not folders.attempts.exists()


@pytest.mark.parametrize("name", ["a\\b", "a\nb", os.fsdecode(b"\xff")])
def test_names_that_no_store_can_hold_are_refused(folders: OutputFolders, name: str) -> None:
    """The attempt fails with the name, instead of the step after its end."""
    _write(folders, "a", name)
    with pytest.raises(EntryScriptError, match="UTF-8 without backslashes"):
        folders.set_aside("0-0")


def test_names_that_no_key_has_room_for_are_refused(folders: OutputFolders) -> None:
    """A key of S3 has 1,024 bytes in all; the file's name is told, shortened."""
    deep = "/".join(["é" * 100] * 4)
    _write(folders, "a", deep)
    with pytest.raises(EntryScriptError, match="a name of 805 bytes"):
        folders.set_aside("0-0")


def test_links_are_left_out(folders: OutputFolders, tmp_path: Path) -> None:
    """They could lead anywhere."""
    (folders.folders["a"] / "link").symlink_to(tmp_path)
    _write(folders, "a", "file")
    assert folders.set_aside("0-0") == ("a/file",)
