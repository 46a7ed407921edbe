"""Scratch folders: one a process, and none of a process that is dead."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fanout.files.scratch import MARK, scratch_folder, sweep

OTHER = """
import pathlib, sys, time
from fanout.files.scratch import scratch_folder
with scratch_folder("other-", pathlib.Path(sys.argv[1])) as folder:
    (folder / "big").mkdir()
    print(folder, flush=True)
    time.sleep(600)
"""


def _other_node(place: Path) -> "tuple[subprocess.Popen[str], Path]":
    """Another node, with its folder in `place`."""
    process = subprocess.Popen([sys.executable, "-c", OTHER, str(place)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_it_is_gone_with_its_node(tmp_path: Path) -> None:
    """With everything in it, and the folder around it stays."""
    with scratch_folder("mine-", tmp_path / "scratch") as folder:
        (folder / "a" / "b").mkdir(parents=True)
        assert folder.parent == tmp_path / "scratch"
    assert list((tmp_path / "scratch").iterdir()) == []


def test_without_a_place_it_is_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for processes whose store is elsewhere."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch_folder("mine-") as folder:
        assert folder.parent == tmp_path


def test_folders_of_killed_nodes_are_removed_by_the_next(tmp_path: Path) -> None:
    """Whoever comes to the same place finds that nobody holds the folder any more."""
    process, folder = _other_node(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (folder / "big").exists()
    with scratch_folder("mine-", tmp_path):
        assert not folder.exists()


def test_folders_of_nodes_that_died_meanwhile_are_removed_by_who_leaves(tmp_path: Path) -> None:
    """So that the last node of a step leaves nothing of the others behind."""
    with scratch_folder("mine-", tmp_path):
        process, folder = _other_node(tmp_path)
        _end(process)
        assert folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_living_nodes_stay(tmp_path: Path) -> None:
    """A node that is paused holds its folder, too."""
    process, folder = _other_node(tmp_path)
    try:
        process.send_signal(signal.SIGSTOP)
        with scratch_folder("mine-", tmp_path):
            pass
        assert (folder / "big").exists()
    finally:
        _end(process)


def test_what_is_not_of_a_node_stays(tmp_path: Path) -> None:
    """Folders of others, and links to somewhere else, whatever lies in them."""
    (tmp_path / "theirs").mkdir()
    elsewhere = tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    (elsewhere / MARK).touch()
    (tmp_path / "link").symlink_to(elsewhere)
    sweep(tmp_path)
    assert (elsewhere / MARK).exists()
    assert (tmp_path / "theirs").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")
def test_folders_of_other_users_stay(tmp_path: Path) -> None:
    """A mark of this user in a folder of another one, who might put anything in its place, removes nothing."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / MARK).touch()
    os.chown(tmp_path / "theirs", 4711, 4711)
    sweep(tmp_path)
    assert (tmp_path / "theirs" / MARK).exists()
