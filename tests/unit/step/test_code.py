"""Snapshots of code folders: equal folders are stored once, and no archive leads out of its folder."""

import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.errors import DamagedRecordError, InputError, StoreError
from fanout.step import code
from fanout.step.code import snapshot, unpack

REGULAR = (stat.S_IFREG | 0o644) << 16


def _write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def _archive(*members: tuple[str, bytes, int]) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body, mode in members:
            info = zipfile.ZipInfo("x")
            info.filename = name
            info.external_attr = mode
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, body)
    return buffer.getvalue(), hashlib.sha256(buffer.getvalue()).hexdigest()


def test_equal_folders_equal_digests(tmp_path: Path) -> None:
    """Neither the order of writing nor times nor caches make a difference; content and names do."""
    first = _write(tmp_path / "a", {"score.py": "x", "pkg/m.py": "y"})
    second = _write(tmp_path / "b", {"pkg/m.py": "y", "__pycache__/score.pyc": "z", ".git/HEAD": "h", "score.py": "x"})
    os.utime(second / "score.py", (1, 1))
    assert snapshot(first) == snapshot(second)
    assert snapshot(_write(second, {"score.py": "X"})).digest != snapshot(first).digest
    (first / "pkg" / "m.py").rename(first / "pkg" / "n.py")
    assert snapshot(first).digest != snapshot(_write(tmp_path / "c", {"score.py": "x", "pkg/m.py": "y"})).digest


def test_round_trip_keeps_content_and_executable_bits(tmp_path: Path) -> None:
    """What is unpacked is what was there; programs stay programs."""
    folder = _write(tmp_path / "a", {"run.sh": "#!/bin/sh\n", "sub/näme.txt": "é"})
    (folder / "run.sh").chmod(0o755)
    found = snapshot(folder)
    unpack(found.archive, found.digest, tmp_path / "b")
    assert (tmp_path / "b" / "sub" / "näme.txt").read_text() == "é"
    assert os.access(tmp_path / "b" / "run.sh", os.X_OK)
    assert not os.access(tmp_path / "b" / "sub" / "näme.txt", os.X_OK)


def test_the_store_inside_the_code_folder_is_left_out(tmp_path: Path) -> None:
    """A run does not pack the runs before it."""
    folder = _write(tmp_path / "a", {"score.py": "x"})
    expected = snapshot(folder).digest
    _write(folder, {"results/runs/r/run.json": "{}"})
    assert snapshot(folder, without=folder / "results").digest == expected
    assert snapshot(folder).digest != expected


def test_links_to_files_are_followed_and_links_to_folders_are_not(tmp_path: Path) -> None:
    """A linked file is part of the code; a linked folder could be the whole machine, or itself."""
    folder = _write(tmp_path / "a", {"score.py": "x"})
    outside = _write(tmp_path / "elsewhere", {"helper.py": "h", "data/large": "l"})
    (folder / "helper.py").symlink_to(outside / "helper.py")
    (folder / "again").symlink_to(folder)
    (folder / "dangling").symlink_to(tmp_path / "nothing")
    found = snapshot(folder)
    unpack(found.archive, found.digest, tmp_path / "b")
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == ["helper.py", "score.py"]


def test_a_code_folder_full_of_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which folder and what to do."""
    monkeypatch.setattr(code, "LARGEST", 10)
    with pytest.raises(InputError, match="move data out of it"):
        snapshot(_write(tmp_path / "a", {"data.bin": "x" * 11}))


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9.py"), "a\\b.py"])
def test_names_that_no_archive_can_hold_are_told(tmp_path: Path, name: str) -> None:
    """Before the run starts, with the name: afterwards a node would refuse the snapshot."""
    with pytest.raises(InputError, match="the name of a file of code must be UTF-8 without backslashes") as caught:
        snapshot(_write(tmp_path / "a", {"score.py": "x", f"pkg/{name}": "y"}))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["a b\nc.py", " ", ".hidden", "-rf", "nul\u0131", "x" * 255, "%2e%2e", "a:b", "~"])
def test_any_other_name_comes_back(tmp_path: Path, name: str) -> None:
    """Blanks, line breaks, leading dots and dashes, look-alikes: names, and nothing else."""
    found = snapshot(_write(tmp_path / "a", {name: "x"}))
    unpack(found.archive, found.digest, tmp_path / "b")
    assert [p.name for p in (tmp_path / "b").iterdir()] == [name]


def test_a_full_disk_is_not_the_archives_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine cannot take is told as that, and the archive is not called damaged."""
    found = snapshot(_write(tmp_path / "a", {"score.py": "x"}))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match="No space left on device"):
        unpack(found.archive, found.digest, tmp_path / "b")


def test_an_altered_archive_is_refused(tmp_path: Path) -> None:
    """The digest is checked before anything is unpacked."""
    found = snapshot(_write(tmp_path / "a", {"score.py": "x"}))
    altered = found.archive[:-1] + bytes([found.archive[-1] ^ 1])
    with pytest.raises(DamagedRecordError, match=found.digest):
        unpack(altered, found.digest, tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("/etc/cron.d/x", REGULAR),
        ("../x", REGULAR),
        ("a/../../x", REGULAR),
        ("..", REGULAR),
        ("a\\..\\x", REGULAR),
        ("link", (stat.S_IFLNK | 0o777) << 16),
        ("device", (stat.S_IFCHR | 0o666) << 16),
        ("folder/", (stat.S_IFDIR | 0o755) << 16),
        ("", REGULAR),
        (".", REGULAR),
    ],
)
def test_hostile_members_are_refused(tmp_path: Path, name: str, mode: int) -> None:
    """Absolute paths, ways up, backslashes, links and devices may not be in a snapshot, whatever its digest."""
    archive, digest = _archive(("good.py", b"x", REGULAR), (name, b"y", mode))
    with pytest.raises(DamagedRecordError, match=f"code/{digest}.zip"):
        unpack(archive, digest, tmp_path / "in" / "code")
    assert {p.name for p in tmp_path.rglob("*")} <= {"in", "code", "good.py"}


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would unpack to more than the limit is not unpacked."""
    monkeypatch.setattr(code, "LARGEST", 1000)
    archive, digest = _archive(("zeros", bytes(2000), REGULAR))
    with pytest.raises(DamagedRecordError, match="unpacks to more than"):
        unpack(archive, digest, tmp_path / "b")


def _lying(body: bytes) -> bytes:
    """The archive with every record of an uncompressed size of 2000 bytes changed to 1."""
    return body.replace((2000).to_bytes(4, "little"), (1).to_bytes(4, "little"))


@pytest.mark.parametrize(
    "spoil",
    [lambda _: b"not a zip", lambda body: body[:40], _lying, lambda body: body.replace(b"\x08\x00", b"\x63\x00")],
    ids=["no archive", "truncated", "lying about its size", "unknown compression"],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    """A digest proves who wrote it, not that it is sound: broken archives are named, too."""
    body = spoil(_archive(("zeros", bytes(2000), REGULAR))[0])
    digest = hashlib.sha256(body).hexdigest()
    with pytest.raises(DamagedRecordError, match=f"code/{digest}.zip"):
        unpack(body, digest, tmp_path / "b")


def test_names_that_collide_are_refused(tmp_path: Path) -> None:
    """A file where another member needs a folder is an error that names the archive."""
    archive, digest = _archive(("a", b"x", REGULAR), ("a/b", b"y", REGULAR))
    with pytest.raises(DamagedRecordError, match=f"code/{digest}.zip"):
        unpack(archive, digest, tmp_path / "b")
