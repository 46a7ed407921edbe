"""A file system without room: recognized whatever says so, and told with its numbers."""

import errno
import sqlite3
from pathlib import Path

import pytest
from obstore.exceptions import GenericError
from obstore.store import LocalStore

from fanout.errors import DiskFullError, QueueFullError, StoreError
from fanout.storage import atomic
from fanout.storage.disk_space import full, is_full, lacks_room, room_in
from fanout.storage.objects import create, put, translated

NO_ROOM = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NO_ROOM, True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (sqlite3.OperationalError("database or disk is full"), True),
        (GenericError("Unable to copy data to file: No space left on device (os error 28)"), True),
        (OSError(errno.EIO, "Input/output error"), False),
        (StoreError("no"), False),
    ],
)
def test_what_says_so(error: Exception, expected: bool) -> None:
    """The system, SQLite and obstore, each in its words."""
    assert is_full(error) is expected


def test_what_is_said(tmp_path: Path) -> None:
    """The file system, what is free of it and, where that is more, what is needed; the file need not be there."""
    said = full(tmp_path / "no" / "such", 2**60)
    assert said.startswith("no space left in /")
    assert said.endswith(f"iB are free, {2**30:.1f} GiB needed)")
    assert "needed" not in full(tmp_path, 1)
    assert full(None) == "no space left on its file system"


@pytest.mark.parametrize("write", [create, put])
async def test_a_store_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: object) -> None:
    """The error is one of its own, which ends a node for good; nothing is left of the object."""

    def no_room(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "_write", no_room)
    with pytest.raises(DiskFullError, match=r"cannot \w+ runs/r/run.json: no space left in /"):
        await write(LocalStore(tmp_path), "runs/r/run.json", b"{}")  # type: ignore[operator]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_other_trouble_stays_what_it_is(tmp_path: Path) -> None:
    """Only a lack of room is one."""
    with pytest.raises(StoreError, match="Input/output") as raised, translated("write", "x"):
        raise OSError(errno.EIO, "Input/output error")
    assert not lacks_room(raised.value)
    with pytest.raises(OSError, match="Input/output"), room_in(tmp_path):
        raise OSError(errno.EIO, "Input/output error")
    with pytest.raises(DiskFullError, match="no space left in"), room_in(tmp_path):
        raise NO_ROOM
    assert lacks_room(QueueFullError("full"))
