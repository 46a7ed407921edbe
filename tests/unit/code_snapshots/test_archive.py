"""Snapshots of code folders: equal folders are stored once, and no archive leads out of its folder."""

import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.code_snapshots import archive as code
from fanout.code_snapshots.archive import notices, snapshot, unpack
from fanout.code_snapshots.selection import Places
from fanout.errors import DamagedRecordError, InputError, StoreError

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


def test_large_files_are_stored_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compressing data takes longer than storing it; the round trip is the same."""
    monkeypatch.setattr(code, "PACKED", 10)
    found = snapshot(_write(tmp_path / "a", {"score.py": "x", "model.bin": "y" * 11}))
    with zipfile.ZipFile(io.BytesIO(found.archive)) as archive:
        packed = {info.filename: info.compress_type for info in archive.infolist()}
    assert packed == {"score.py": zipfile.ZIP_DEFLATED, "model.bin": zipfile.ZIP_STORED}
    unpack(found.archive, found.digest, tmp_path / "b")
    assert (tmp_path / "b" / "model.bin").read_text() == "y" * 11


def test_what_a_script_might_miss_is_said(tmp_path: Path) -> None:
    """Credentials, links out and inputs, by name; caches and outputs are not worth a word."""
    folder = _write(tmp_path / "a", {"score.py": "x", ".env": "KEY=1", "__pycache__/s.pyc": "", "data.csv": "1"})
    (folder / "link.py").symlink_to(_write(tmp_path / "b", {"link.py": ""}) / "link.py")
    found = snapshot(folder, Places(inputs=(folder / "data.csv",)))
    assert notices(folder, found) == [
        f"{folder}: left out of the code: .env (may hold credentials)",
        f"{folder}: left out of the code: link.py (links that lead out of the folder, or to folders)",
        f"{folder}: left out of the code: data.csv (data that the pipeline reads)",
    ]
    _write(folder, {f"{number}.env": "" for number in range(8)})
    assert notices(folder, snapshot(folder))[0].endswith(
        "left out of the code: .env, 0.env, 1.env, 2.env, 3.env and 4 more (may hold credentials)"
    )


def test_what_makes_a_large_folder_large_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file that mends it."""
    monkeypatch.setattr(code, "LARGE", 1024**2)
    folder = _write(tmp_path / "a", {"score.py": "x", "data/a": "x" * 900_000, "data/b": "x" * 900_000, "m": "x" * 9})
    [notice] = notices(folder, snapshot(folder))
    assert notice == (
        f"{folder}: the code is 2 MiB, which the store and each node keep; most of it is data/ (2 MiB); "
        f"move data out of it, or name it in {folder}/.amlignore"
    )


def test_a_code_folder_full_of_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which folder and what to do."""
    monkeypatch.setattr(code, "LARGEST", 10)
    with pytest.raises(InputError, match=r"most of it is data\.bin .*; move data out of it, or name it in"):
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
    with pytest.raises(StoreError, match="cannot be unpacked: no space left in /"):
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
