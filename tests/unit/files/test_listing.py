"""Listings: complete, in the order of keys, local and in object stores."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from fanout.errors import InputError
from fanout.files import listing, uris
from fanout.files.globs import compile_glob
from fanout.files.listing import (
    FileEntry,
    find_file,
    is_folder,
    list_folder,
    list_pattern,
    list_uris,
    walk_local,
    walk_store,
)
from fanout.storage.access import Access

ACCESS = Access()


def write(root: Path, *names: str) -> str:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(path.name))
    return uris.from_path(root)


def relative(entries: Sequence[FileEntry], base: str) -> list[str | None]:
    return [uris.relative_to(entry.uri, base) for entry in entries]


def test_folder_is_listed_in_the_order_of_keys(tmp_path: Path) -> None:
    """A folder sorts as its name with a slash behind it, so that local order equals an object store's."""
    base = write(tmp_path, "a/b.csv", "a-c.csv", "a0.csv", "a/.z", ".hidden", "_SUCCESS", "é 100%.csv", "a/b/c.csv")
    found = relative(list(list_folder(base, ACCESS)), base)
    assert found == [".hidden", "_SUCCESS", "a-c.csv", "a/.z", "a/b.csv", "a/b/c.csv", "a0.csv", "é 100%.csv"]
    assert found == sorted(found, key=lambda name: (name or "").encode())


paths = st.lists(st.sampled_from(["a", "b", "a-", "a0", "é", "a.b", "\U0001f600"]), min_size=1, max_size=4).map(
    "/".join
)


@given(st.sets(paths, min_size=1, max_size=12))
def test_local_and_remote_listings_agree(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    """The same names in a folder and in an object store come in the same order."""
    files = [name for name in names if not any(other.startswith(name + "/") for other in names)]
    root, store = tmp_path_factory.mktemp("tree"), MemoryStore()
    base = write(root, *files)
    for name in files:
        store.put(f"in/{name}", b"1")
    local = relative(list(walk_local(os.fsencode(root))), base)
    remote = relative(list(walk_store(store, "in", "s3://bucket/in")), "s3://bucket/in")
    assert local == remote == sorted(files, key=str.encode)


def test_sizes_and_uris(tmp_path: Path) -> None:
    """Each entry names its file as a URI that leads back to it, with the size in bytes."""
    write(tmp_path, "s p/x#y.csv")
    [entry] = list_folder(uris.from_path(tmp_path), ACCESS)
    assert Path(uris.to_path(entry.uri)).stat().st_size == entry.size == len("x#y.csv")


def test_a_listing_without_sizes_names_the_same_files(tmp_path: Path) -> None:
    """Files are not asked for their size; what may be no file is looked at all the same."""
    base = write(tmp_path, "a/x.csv", "b y.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "b y.csv")
    (tmp_path / "inner").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    named = list(list_uris(base, ACCESS))
    assert named == [entry.uri for entry in list_folder(base, ACCESS)]
    assert relative([FileEntry(uri, 0) for uri in named], base) == ["a/x.csv", "b y.csv", "link.csv"]


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_pages_of_a_listing_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """Directories between files, names that are no ASCII or no text, wherever a page ends."""
    monkeypatch.setattr(listing, "LIST_PAGE", page)
    names = [
        b"a",
        b"a b",
        b"a\n",
        b"a%20",
        b"b/x",
        b"b/\xc3\xa9",
        b"b-",
        b"b0",
        b"c/c/c",
        b"d/\xff",
        b"\xe2\x82\xac",
        b"\xff",
    ]
    for name in names:
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "aa").symlink_to(tmp_path / "b")
    found = list(list_uris(uris.from_path(tmp_path), ACCESS))
    inside = len(os.fsencode(tmp_path)) + 1
    assert [os.fsencode(uris.to_path(uri))[inside:] for uri in found] == sorted(names)
    assert [entry.uri for entry in walk_local(os.fsencode(tmp_path))] == found


def test_name_that_is_no_text(tmp_path: Path) -> None:
    """Names are bytes: one that is not UTF-8 is listed like any other."""
    path = os.fsencode(tmp_path) + b"/\xff\xfe.bin"
    with open(path, "wb") as file:  # noqa: PTH123 - a name that pathlib shows as surrogates
        file.write(b"12")
    [entry] = list_folder(uris.from_path(tmp_path), ACCESS)
    assert (os.fsencode(uris.to_path(entry.uri)), entry.size) == (path, 2)


def test_links_to_files_count_and_links_to_folders_do_not(tmp_path: Path) -> None:
    """A link to a directory could lead outside or in a circle; a link to a file is that file."""
    write(tmp_path, "out/secret.csv", "in/a.csv")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/outside").symlink_to(tmp_path / "out")
    (tmp_path / "in/b.csv").symlink_to(tmp_path / "out/secret.csv")
    base = uris.from_path(tmp_path / "in")
    assert relative(list(list_folder(base, ACCESS)), base) == ["a.csv", "b.csv"]


def test_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    """Leaving it out silently would lose input."""
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"gone\.csv: cannot be read.*leads nowhere"):
        list(list_folder(uris.from_path(tmp_path), ACCESS))


def test_special_files_are_no_input(tmp_path: Path) -> None:
    """Reading from a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    base = write(tmp_path, "a")
    assert relative(list(list_folder(base, ACCESS)), base) == ["a"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("./f*.csv", ["f1.csv", "f10.csv", "f2.csv"]),
        ("m/*", ["m/0.csv"]),
        ("**/*.csv", ["f1.csv", "f10.csv", "f2.csv", "m/0.csv", "m/s/2.csv"]),
        ("m/**/2.csv", ["m/s/2.csv"]),
        ("f1.csv", ["f1.csv"]),
    ],
)
def test_pattern(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    """Files that fit, sorted as text (f10 before f2), folders never."""
    base = write(tmp_path, "f10.csv", "f2.csv", "f1.csv", "m/0.csv", "m/s/2.csv", "x.txt")
    assert relative(list(list_pattern(base, pattern, ACCESS)), base) == expected


def test_pattern_in_an_object_store() -> None:
    """The same patterns select keys; the empty objects that consoles make for folders are no files."""
    store = MemoryStore()
    for key, body in {"in": b"", "in/m": b"", "in/m/0.csv": b"1", "in/m/e.csv": b"", "in/z": b""}.items():
        store.put(key, body)
    base = "s3://bucket/in"
    assert relative(list(walk_store(store, "in", base)), base) == ["m/0.csv", "m/e.csv", "z"]
    assert relative(list(walk_store(store, "in", base, compile_glob("m/0*"))), base) == ["m/0.csv"]


def test_stores_that_list_in_no_order_are_sorted() -> None:
    """The order of mini-batches never depends on how a store happens to list."""
    store = MemoryStore()
    for key in ("in/b", "in/a"):
        store.put(key, b"1")
    assert relative(list(walk_store(store, "in", "az://account/in")), "az://account/in") == ["a", "b"]


def test_nothing_there_names_the_place(tmp_path: Path) -> None:
    """An empty folder, a missing one and a pattern without a match are errors that say where."""
    base = uris.from_path(tmp_path)
    with pytest.raises(InputError, match=f"{tmp_path}: no files there"):
        list_folder(base, ACCESS)
    with pytest.raises(InputError, match="nowhere: cannot be listed"):
        list_folder(uris.join(base, "nowhere"), ACCESS)
    with pytest.raises(InputError, match=r"no file there matches the pattern '\*.csv'"):
        list_pattern(base, "*.csv", ACCESS)


def test_find_file(tmp_path: Path) -> None:
    """A file by its name, with its size; a directory is none."""
    base = write(tmp_path, "m/0.csv")
    assert find_file(uris.join(base, "m/0.csv"), ACCESS).size == 5
    assert is_folder(uris.join(base, "m"))
    assert not is_folder(uris.join(base, "m/0.csv"))
    with pytest.raises(InputError, match="is a directory"):
        find_file(uris.join(base, "m"), ACCESS)
    with pytest.raises(InputError, match="No such file"):
        find_file(uris.join(base, "no.csv"), ACCESS)
