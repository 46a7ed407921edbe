"""Files and folders that appear whole or not at all."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanout.storage import atomic
from fanout.storage.atomic import appearing

WORKERS = 4
TRIALS = 100


def test_it_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    """Until it is whole the old one stays; nothing else is left. Missing folders are made, long names do."""
    target = tmp_path / "folder" / ("ü" * 120)
    for content in ("old", "new"):
        with appearing(target) as partial:
            partial.write_text(content)
            assert partial.parent == target.parent
            assert not target.exists() or target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_what_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    """And what was there stays."""
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(ValueError, match="cut off"), appearing(target) as partial:
        partial.write_text("half")
        raise ValueError("cut off")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_one_creates_and_the_next_finds_it(tmp_path: Path) -> None:
    """What is there is not touched, by `create`; `replace` takes its place."""
    target = tmp_path / "folder" / "file"
    assert atomic.create(target, b"first")
    assert not atomic.create(target, b"second")
    assert target.read_bytes() == b"first"
    atomic.replace(target, b"third")
    assert target.read_bytes() == b"third"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("durable", [True, False])
def test_synced_before_its_name_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool) -> None:
    """First the content, then the name, then the folder that has the name; nothing of it when that is not wanted."""
    calls: list[str] = []

    def noted(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **kwargs: object) -> object:
            is_folder = name == "fsync" and Path(f"/proc/self/fd/{args[0]}").is_dir()
            calls.append("fsync folder" if is_folder else name)
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "link", "replace"):
        noted(name)
    atomic.create(tmp_path / "created", b"1", durable=durable)
    atomic.replace(tmp_path / "replaced", b"1", durable=durable)
    expected = ["fsync", "link", "fsync folder", "fsync", "replace", "fsync folder"]
    assert calls == (expected if durable else ["link", "replace"])


def test_a_new_folder_is_synced_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut loses the folder with all that was synced in it."""
    synced: list[Path] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    atomic.create(tmp_path / "a" / "b" / "file", b"1")
    assert [path for path in synced if path.is_dir()] == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]


@pytest.fixture(params=["same", "other"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder on this file system, and one on another."""
    if request.param == "same":
        yield tmp_path / "targets"
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        if Path(other).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("/dev/shm is no file system of its own")
        yield Path(other)


@pytest.mark.parametrize("durable", [True, False])
def test_files_folders_and_links_move(tmp_path: Path, elsewhere: Path, durable: bool) -> None:
    """With all that they hold, over files that were there; what has moved is gone, and nothing else is left."""
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_text("x" * 100_000)
    (source / "link").symlink_to("nowhere")
    (tmp_path / "file").write_text("new")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "file").write_text("old")
    for name in ("source", "file", "link"):
        assert atomic.move(tmp_path / name, elsewhere / name, durable=durable)
        assert not os.path.lexists(tmp_path / name)
        assert not atomic.move(tmp_path / name, elsewhere / name, durable=durable)
    assert (elsewhere / "source" / "deep" / "file").read_text() == "x" * 100_000
    assert (elsewhere / "source" / "link").readlink() == Path("nowhere")
    assert (elsewhere / "file").read_text() == "new"
    assert (elsewhere / "file").stat().st_mode & 0o777 == 0o640
    assert (elsewhere / "link").readlink() == Path("file")
    assert sorted(path.name for path in elsewhere.iterdir()) == ["file", "link", "source"]


def test_what_cannot_move_stays(tmp_path: Path) -> None:
    """An error says why; nothing is half moved."""
    (tmp_path / "source").write_text("1")
    (tmp_path / "target" / "child").mkdir(parents=True)
    with pytest.raises(OSError) as raised:
        atomic.move(tmp_path / "source", tmp_path / "target")
    assert raised.value.errno == errno.EISDIR
    assert (tmp_path / "source").read_text() == "1"


MOVER = """
import sys
from pathlib import Path
from fanout.storage import atomic

source, target, trials = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
moved = 0
print("ready", flush=True)
sys.stdin.readline()
for number in range(trials):
    moved += atomic.move(source / str(number), target / str(number))
    assert (target / str(number)).read_bytes() == b"%d" % number * 50_000, number
print(moved)
"""


def test_processes_that_move_the_same_files(tmp_path: Path, elsewhere: Path) -> None:
    """Each finds every file at its target when its own call has returned, whoever moved it; nothing else is left."""
    for number in range(TRIALS):
        (tmp_path / "source").mkdir(exist_ok=True)
        (tmp_path / "source" / str(number)).write_bytes(b"%d" % number * 50_000)
    command = [sys.executable, "-c", MOVER, str(tmp_path / "source"), str(elsewhere), str(TRIALS)]
    movers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(WORKERS)
    ]
    assert [mover.stdout and mover.stdout.readline() for mover in movers] == ["ready\n"] * WORKERS
    for mover in movers:
        assert mover.stdin is not None
        mover.stdin.write("\n")
        mover.stdin.flush()
    ends = [mover.communicate(timeout=60) for mover in movers]
    assert [(mover.returncode, said[1]) for mover, said in zip(movers, ends, strict=True)] == [(0, "")] * WORKERS
    assert sum(int(said[0]) for said in ends) >= TRIALS
    assert sorted(path.name for path in elsewhere.iterdir()) == sorted(map(str, range(TRIALS)))
    assert not list((tmp_path / "source").iterdir())


CREATOR = """
import sys
from pathlib import Path
from fanout.storage.folder import create_file

folder, me, trials = Path(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
won = [str(n) for n in range(trials) if create_file(
    folder / f"{n:03d}", f"runs/r/s/nodes/{n:03d}", b'{"me": %s}' % me, durable=False)]
print(" ".join(won))
"""


@pytest.mark.parametrize("torn", [None, b"", b'{"me": ', b"\0" * 9])
def test_one_of_many_creators_wins_over_what_is_torn_too(tmp_path: Path, torn: bytes | None) -> None:
    """Each record is made by one process, whether there was nothing before or what a power cut has left."""
    for number in range(TRIALS if torn is not None else 0):
        (tmp_path / f"{number:03d}").write_bytes(torn or b"")
    creators = [
        subprocess.Popen(
            [sys.executable, "-c", CREATOR, str(tmp_path), str(me), str(TRIALS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in range(WORKERS)
    ]
    assert [creator.stdout and creator.stdout.readline() for creator in creators] == ["ready\n"] * WORKERS
    for creator in creators:
        assert creator.stdin is not None
        creator.stdin.write("\n")
        creator.stdin.flush()
    won = [set(map(int, creator.communicate(timeout=60)[0].split())) for creator in creators]
    assert sorted(number for numbers in won for number in numbers) == list(range(TRIALS))
    for me, numbers in enumerate(won):
        assert {(tmp_path / f"{number:03d}").read_bytes() for number in numbers} <= {b'{"me": %d}' % me}
