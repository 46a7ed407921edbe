"""Output folders: an attempt's files are put aside whole, or not at all."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.errors import EntryScriptError
from fanout.node.staging import OutputFolders


@pytest.fixture
def folders(tmp_path: Path) -> OutputFolders:
    """Two outputs of one slot."""
    made = OutputFolders(
        {"plots": tmp_path / "out" / "plots", "model": tmp_path / "out" / "model"}, tmp_path / "attempts", "process003"
    )
    made.create()
    return made


def test_nothing_written_is_nothing_put_aside(folders: OutputFolders) -> None:
    """No folder is made for attempts that write no files."""
    assert folders.set_aside("0-0") == ()
    assert not folders.attempts.exists()


def test_files_of_every_output(folders: OutputFolders) -> None:
    """Named by output and path, sorted; the folders are empty again, for the next attempt."""
    (folders.folders["plots"] / "b" / "c").mkdir(parents=True)
    (folders.folders["plots"] / "b" / "c" / "deep").write_text("1")
    (folders.folders["model"] / "é x").write_text("2")
    assert folders.set_aside("4-1") == ("model/é x", "plots/b/c/deep")
    assert (folders.attempts / "4-1-process003" / "plots" / "b" / "c" / "deep").read_text() == "1"
    assert [list(folder.iterdir()) for folder in folders.folders.values()] == [[], []]


def test_a_second_delivery_replaces_what_the_first_left(folders: OutputFolders) -> None:
    """Files of two tries under one name never mix."""
    for name in ("old", "new"):
        (folders.folders["plots"] / name).write_text(name)
        folders.set_aside("4-1")
    assert [p.name for p in (folders.attempts / "4-1-process003" / "plots").iterdir()] == ["new"]


def test_links_are_not_followed(folders: OutputFolders, tmp_path: Path) -> None:
    """A link could publish any file of the machine: it is no output file."""
    (tmp_path / "secret").write_text("s")
    (folders.folders["plots"] / "link").symlink_to(tmp_path / "secret")
    (folders.folders["plots"] / "folder").symlink_to(tmp_path)
    assert folders.set_aside("0-0") == ()


@pytest.mark.parametrize("name", ["a\\b", "a\nb", "a\udcff"])
def test_names_that_no_store_can_hold(folders: OutputFolders, name: str) -> None:
    """The script is told which file it was, and the next attempt starts with empty folders."""
    (folders.folders["plots"] / name).write_text("x")
    with pytest.raises(EntryScriptError, match="its name must be UTF-8"):
        folders.set_aside("0-0")
    assert list(folders.folders["plots"].iterdir()) == []


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: shutil.rmtree(folder),
        lambda folder: shutil.rmtree(folder.parent),
        lambda folder: (folder / "x").write_text("half"),
    ],
    ids=["folder removed", "all removed", "half written"],
)
def test_a_failed_attempt_leaves_empty_folders(folders: OutputFolders, harm: Callable[[Path], object]) -> None:
    """Whatever a script did to its folders before it failed."""
    harm(folders.folders["plots"])
    folders.discard()
    assert [list(folder.iterdir()) for folder in folders.folders.values()] == [[], []]
    assert not folders.attempts.exists()
