"""Forms of URIs, joining below a folder, and what may be shown."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import InputError
from fanout.files import uris

file_names = st.binary(min_size=1, max_size=40).filter(lambda n: b"\0" not in n and b"/" not in n)


@given(st.lists(file_names, min_size=1, max_size=3))
def test_every_local_name_survives_its_uri(names: list[bytes]) -> None:
    """Blanks, percent signs, #, bytes that are no text: a path comes back from its URI as it was."""
    path = b"/" + b"/".join(names)
    assert os.fsencode(uris.to_path(uris.from_path(path))) == path
    assert uris.from_path(path).isascii()


@pytest.mark.parametrize(
    ("name", "encoded"),
    [("a b.csv", "a%20b.csv"), ("50%.csv", "50%25.csv"), ("x#1?.csv", "x%231%3F.csv"), ("é.csv", "%C3%A9.csv")],
)
def test_local_names_are_percent_encoded(name: str, encoded: str) -> None:
    """Characters with a meaning in URIs are written as their codes."""
    assert uris.from_path(f"/data/{name}") == f"file:///data/{encoded}"


@pytest.mark.parametrize(
    "uri", ["file:/data/x.csv", "file:///data/x.csv", "file://localhost/data/x.csv", "/data/x.csv"]
)
def test_forms_of_a_local_path(uri: str) -> None:
    """All spellings of a file on this machine mean the same path."""
    assert uris.to_path(uri) == "/data/x.csv"


@pytest.mark.parametrize("uri", ["file://server/data/x.csv", "s3://bucket/x", "file:///a%00b"])
def test_what_is_no_local_path(uri: str) -> None:
    """Another host, an object store and a NUL character are refused."""
    with pytest.raises(InputError):
        uris.to_path(uri)


@pytest.mark.parametrize("uri", ["s3://", "s3:///", "https://", "azureml:asset"])
def test_a_remote_place_without_a_name_is_none(uri: str) -> None:
    """It is not taken for a folder of this machine that is called `s3:`."""
    with pytest.raises(InputError, match="names no bucket or host"):
        uris.absolute(uri, "/work")


def test_bytes_that_are_no_utf8_in_a_uri() -> None:
    """As they come in an argument of the command line: the file of that name is meant."""
    assert uris.to_path("file:///caf\udce9%20x") == "/caf\udce9 x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data", "file:///work/data"),
        ("./data/", "file:///work/data"),
        ("../data", "file:///data"),
        ("file:data", "file:///work/data"),
        ("/abs/x y", "file:///abs/x%20y"),
        ("s3://bucket/a b/", "s3://bucket/a b"),
        ("https://host/a/?sig=1", "https://host/a/?sig=1"),
    ],
)
def test_absolute(text: str, expected: str) -> None:
    """What a user writes becomes an absolute URI, local paths relative to the given folder."""
    assert uris.absolute(text, "/work") == expected


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("file:///data", "file:///data/a%20b/50%25.csv"),
        ("file:///data/", "file:///data/a%20b/50%25.csv"),
        ("/data", "file:///data/a%20b/50%25.csv"),
        ("s3://bucket/p", "s3://bucket/p/a b/50%.csv"),
        ("gs://bucket/p", "gs://bucket/p/a%20b/50%25.csv"),
        ("https://host/p?sig=x", "https://host/p/a%20b/50%25.csv?sig=x"),
    ],
)
def test_join(base: str, expected: str) -> None:
    """A name is encoded as its scheme wants it, and a query stays at the end."""
    assert uris.join(base, "./a b/50%.csv") == expected


@pytest.mark.parametrize("relative", ["../x", "a/../../x", "/etc/passwd", "a\\..\\x", "a\0b", "", "."])
def test_join_stays_inside(relative: str) -> None:
    """A relative path that could lead out of its folder is refused, with what would be right."""
    with pytest.raises(InputError):
        uris.join("file:///data", relative)


@given(st.text(max_size=30))
def test_whatever_is_joined_is_below(relative: str) -> None:
    """Any text either is refused or names something below the folder."""
    try:
        joined = uris.join("/data/in", relative.encode("utf-8", "replace").decode())
    except InputError:
        return
    assert os.path.realpath(uris.to_path(joined)).startswith("/data/in/")
    assert uris.relative_to(joined, "/data/in")


def test_relative_to_another_folder() -> None:
    """What is not below the folder, or is in another bucket, has no relative path."""
    assert uris.relative_to("s3://b/p/x y.csv", "s3://b/p/") == "x y.csv"
    assert uris.relative_to("s3://b/pq/x.csv", "s3://b/p") is None
    assert uris.relative_to("s3://c/p/x.csv", "s3://b/p") is None


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:secret@host/p/x.csv?sig=secret#y", "https://host/p/x.csv"),
        ("https://host?sig=secret", "https://host"),
        ("abfss://box@account.dfs.core.windows.net/x", "abfss://box@account.dfs.core.windows.net/x"),
        ("abfss://box:secret@account/x?sig=secret", "abfss://account/x"),
        ("s3://key:secret@bucket/x", "s3://bucket/x"),
        ("s3://bucket/what?.csv", "s3://bucket/what?.csv"),
        ("file:///data/a%20b.csv", "/data/a b.csv"),
    ],
)
def test_display_hides_credentials(uri: str, shown: str) -> None:
    """People see where data is, never a password or a signed query."""
    assert uris.display(uri) == shown


def test_path_of_is_decoded() -> None:
    """Partition formats see names as they are; what is no text shows as replacement characters."""
    assert uris.path_of("file:///S/1/x%20y/f.csv") == "/S/1/x y/f.csv"
    assert uris.path_of("s3://b/S/50%25/f?.csv") == "/S/50%25/f?.csv"
    assert uris.path_of("https://h/S/x%20y.csv?sig=1") == "/S/x y.csv"
    assert uris.path_of(uris.from_path(b"/\xff")) == "/\ufffd"
