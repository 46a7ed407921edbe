"""Ranged reads: the same bytes from a file and from an object store, and errors that name the file."""

from pathlib import Path

import pytest
from obstore.store import MemoryStore

from fanout.errors import InputError
from fanout.files import uris
from fanout.files.byte_ranges import ByteSource, LocalBytes, RemoteBytes, open_bytes, read_head, reading
from fanout.storage.access import Access

ACCESS = Access()
BODY = bytes(range(256)) * 4


@pytest.fixture(params=["local", "remote"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> ByteSource:
    """The same content in a file and in an object store."""
    if request.param == "remote":
        store = MemoryStore()
        store.put("in/x", BODY)
        return RemoteBytes("s3://b/in/x", len(BODY), store, "in/x")
    (tmp_path / "x").write_bytes(BODY)
    return request.getfixturevalue("opened")


@pytest.fixture
def opened(tmp_path: Path) -> ByteSource:
    """The local file, open until the test is over."""
    with open_bytes(uris.from_path(tmp_path / "x"), len(BODY), ACCESS) as found:
        yield found


def test_reads(source: ByteSource) -> None:
    """Ranges are half open, and several at once are clipped at the end of the file."""
    assert source.size == len(BODY)
    assert source.read(10, 20) == BODY[10:20]
    assert source.read_many([0, 300, 1020], 10) == [BODY[:10], BODY[300:310], BODY[1020:]]


@pytest.mark.parametrize("where", ["local", "remote"])
def test_file_that_became_shorter(tmp_path: Path, where: str) -> None:
    """Input must not change during a run; when it does, that is said."""
    listed, store = 2 * len(BODY), MemoryStore()
    (tmp_path / "x").write_bytes(BODY)
    store.put("x", BODY)
    with open_bytes(uris.from_path(tmp_path / "x"), listed, ACCESS) as local:
        source = local if where == "local" else RemoteBytes("s3://b/x", listed, store, "x")
        with pytest.raises(InputError, match="x: became shorter while it was read"):
            source.read(1000, 1100)


def test_local_file_is_closed(tmp_path: Path) -> None:
    """A million small files do not use up the descriptors."""
    (tmp_path / "x").write_bytes(BODY)
    with open_bytes(uris.from_path(tmp_path / "x"), len(BODY), ACCESS) as found:
        assert isinstance(found, LocalBytes)
    with pytest.raises(OSError, match="Bad file descriptor"):
        found.read(0, 1)


def test_read_head(tmp_path: Path) -> None:
    """The beginning, or all there is; a missing file is named."""
    (tmp_path / "x y").write_bytes(BODY)
    assert read_head(uris.from_path(tmp_path / "x y"), 7, ACCESS) == BODY[:7]
    assert read_head(uris.from_path(tmp_path / "x y"), 10**6, ACCESS) == BODY
    with pytest.raises(InputError, match="no: not found"):
        read_head(uris.from_path(tmp_path / "no"), 7, ACCESS)
    with pytest.raises(InputError, match=r"cannot be read: .*[Ii]s a directory"):
        read_head(uris.from_path(tmp_path), 7, ACCESS)


def test_errors_of_others_pass() -> None:
    """Only what reading raises is translated; a mistake of ours stays what it is."""
    with pytest.raises(ZeroDivisionError), reading("s3://b/x"):
        _ = 1 / 0
    with pytest.raises(InputError, match="s3://b/x: permission denied"), reading("s3://b/x"):
        raise PermissionError
