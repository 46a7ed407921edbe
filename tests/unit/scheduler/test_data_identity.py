"""Whether data is what it was: every change gives another identity, and looking again the same."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from fanout.files import uris
from fanout.pipeline.model import DataType
from fanout.scheduler import data_identity as module
from fanout.scheduler.data_identity import ABSENT, identity
from fanout.storage.access import Access

ACCESS = Access.from_environ({})


def _identity(path: Path, type_: DataType = DataType.URI_FOLDER, *, as_rows: bool = False) -> str | None:
    return identity(uris.from_path(path), type_, ACCESS, as_rows=as_rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files, one of them deeper."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "deep/c.txt"):
        (tmp_path / "in" / name).write_text("text")
    return tmp_path / "in"


def _same_size_and_time(path: Path) -> None:
    before = path.stat()
    path.write_text("TEXT")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replaced(path: Path) -> None:
    path.with_name("new").write_text("text")
    path.with_name("new").rename(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "longer": lambda folder: (folder / "a.txt").write_text("longer"),
    "same size and time": lambda folder: _same_size_and_time(folder / "deep/c.txt"),
    "replaced": lambda folder: _replaced(folder / "a.txt"),
    "removed": lambda folder: (folder / "b.txt").unlink(),
    "added": lambda folder: (folder / "deep/d.txt").touch(),
    "renamed": lambda folder: (folder / "b.txt").rename(folder / "c.txt"),
    "two exchanged": lambda folder: [
        (folder / "a.txt").rename(folder / "x"),
        (folder / "b.txt").rename(folder / "a.txt"),
        (folder / "x").rename(folder / "b.txt"),
    ],
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(folder: Path, change: str) -> None:
    """Also one that sets the size and the time of a file back to what they were."""
    before = _identity(folder)
    assert before == _identity(folder) != ABSENT
    CHANGES[change](folder)
    assert _identity(folder) != before


def test_one_file(folder: Path) -> None:
    """Its own changes count, those beside it do not; what is not there is absent."""
    before = _identity(folder / "a.txt", DataType.URI_FILE)
    (folder / "b.txt").write_text("other")
    assert _identity(folder / "a.txt", DataType.URI_FILE) == before
    (folder / "a.txt").unlink()
    assert _identity(folder / "a.txt", DataType.URI_FILE) == ABSENT
    assert _identity(folder.parent / "none") == ABSENT


def test_a_table_is_what_it_names(folder: Path) -> None:
    """Cut into rows, only the MLTable and the files that it names count; used as a folder, all that is in it, too."""
    elsewhere = folder.parent / "rows.csv"
    elsewhere.write_text("a\n1\n")
    (folder / "MLTable").write_text("paths:\n  - file: ../rows.csv\ntransformations:\n  - read_delimited\n")
    rows, whole = (_identity(folder, DataType.MLTABLE, as_rows=as_rows) for as_rows in (True, False))
    (folder / "a.txt").write_text("changed")
    assert _identity(folder, DataType.MLTABLE, as_rows=True) == rows
    assert _identity(folder, DataType.MLTABLE) not in (whole, rows)
    elsewhere.write_text("a\n2\n")
    assert _identity(folder, DataType.MLTABLE, as_rows=True) != rows


def test_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """By ETag, size and time; of a folder those of each object in it."""
    store = MemoryStore()
    monkeypatch.setattr("fanout.storage.open.locate", lambda uri, _: (store, uri.removeprefix("memory://x/")))
    store.put("in/a", b"1")
    store.put("in/b", b"2")
    before = identity("memory://x/in", DataType.URI_FOLDER, ACCESS)
    one = identity("memory://x/in/a", DataType.URI_FILE, ACCESS)
    assert before == identity("memory://x/in", DataType.URI_FOLDER, ACCESS) != one
    store.put("in/b", b"2")  # the same content again has another ETag, and may be anything
    assert identity("memory://x/in", DataType.URI_FOLDER, ACCESS) != before
    assert identity("memory://x/in/a", DataType.URI_FILE, ACCESS) == one
    assert identity("memory://x/none", DataType.URI_FOLDER, ACCESS) == ABSENT


def test_what_a_server_does_not_tell_is_not_known() -> None:
    """An object without an ETag may be another one each time."""
    assert module._digest([module._of_meta({"e_tag": None})]) is None
