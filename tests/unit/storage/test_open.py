"""URIs to stores and keys."""

import sys
from pathlib import Path

import pytest
from obstore.store import AzureStore, LocalStore, MemoryStore, S3Store

from fanout.errors import MissingExtraError, SettingsError, StoreError
from fanout.storage import objects
from fanout.storage.access import Access, Credentials
from fanout.storage.open import ensure_bucket, local_path, locate, open_store

ACCESS = Access(endpoint_url_s3="http://127.0.0.1:9", credentials=Credentials("test", "test"))


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which no AWS library finds anything."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}", "file://localhost{}"])
async def test_local_store_is_made(tmp_path: Path, form: str) -> None:
    """A folder that is missing is no obstacle, however its path is written."""
    store = open_store(form.format(tmp_path / "new" / "store"), Access())
    await objects.put(store, "a", b"1")
    assert (tmp_path / "new" / "store" / "a").read_bytes() == b"1"
    assert isinstance(store, LocalStore)


def test_local_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to the current folder, `~` is home, and in file: URIs %xx is decoded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path("./a/../b") == tmp_path / "b"
    assert local_path("~/b") == tmp_path / "b"
    assert local_path("file:///a%20b/c%3Fd%23") == Path("/a b/c?d#")
    assert local_path("/a%20b?c") == Path("/a%20b?c")
    assert local_path("file:///caf\udce9") == Path("/caf\udce9")
    with pytest.raises(SettingsError, match="NUL"):
        local_path("/a\0b")


def test_local_store_that_cannot_be(tmp_path: Path) -> None:
    """A file where the folder should be is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/store"):
        open_store(str(tmp_path / "file" / "store"), Access())


def test_memory() -> None:
    """Each memory store is its own."""
    first, second = open_store("memory:", Access()), open_store("memory:", Access())
    assert isinstance(first, MemoryStore)
    assert first is not second


def test_s3_store_is_rooted_at_the_prefix() -> None:
    """Endpoint, path style and prefix; the same URI gives the same client."""
    store = open_store("s3://bucket/some/prefix/", ACCESS)
    assert isinstance(store, S3Store)
    assert store.prefix == "some/prefix"
    assert store.config["bucket"] == "bucket"
    assert store.config["endpoint"] == "http://127.0.0.1:9"
    assert open_store("s3://bucket/some/prefix", ACCESS) is store


async def test_data_is_located(tmp_path: Path) -> None:
    """A local file counts from the root; objects of one bucket share a client."""
    (tmp_path / "a b%41.csv").write_text("1")
    store, key = locate(str(tmp_path / "a b%41.csv"), Access())
    assert await objects.read(store, key) == b"1"
    store, key = locate((tmp_path / "a b%41.csv").as_uri(), Access())
    assert await objects.read(store, key) == b"1"
    one, two = locate("s3://bucket/a?b#c.csv", ACCESS), locate("s3://bucket/d/e", ACCESS)
    assert one[0] is two[0]
    assert (one[1], two[1]) == ("a?b#c.csv", "d/e")


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("https://acct.blob.core.windows.net/c/a/b%20c.csv", "a/b c.csv"),
        ("abfss://c@acct.dfs.core.windows.net/a/b.csv", "a/b.csv"),
        ("wasbs://c@acct.blob.core.windows.net/a/b.csv", "a/b.csv"),
    ],
)
def test_data_on_azure_is_located(uri: str, key: str) -> None:
    """All ways to write a container and what is in it name the same store."""
    store, found = locate(uri, ACCESS)
    assert isinstance(store, AzureStore)
    assert (store.config["container_name"], store.config["account_name"], found) == ("c", "acct", key)


@pytest.mark.parametrize("uri", ["ftp://host/x", "s3:bucket", "s3:///key", "hdfs:///x"])
def test_uri_that_cannot_be_opened(uri: str) -> None:
    """Said with the forms that can."""
    for opening in (open_store, locate):
        with pytest.raises(SettingsError, match="expected"):
            opening(uri, ACCESS)


@pytest.mark.usefixtures("no_credentials")
def test_no_credentials_at_all() -> None:
    """The user hears which variables to set; public data needs none."""
    with pytest.raises(SettingsError, match="set AWS_ACCESS_KEY_ID"):
        open_store("s3://bucket", Access())
    assert isinstance(open_store("s3://bucket", Access(anonymous=True)), S3Store)


@pytest.mark.usefixtures("no_credentials")
def test_credentials_of_a_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without keys in the environment the AWS libraries' own files count, region included."""
    (tmp_path / "config").write_text("[profile p]\naws_access_key_id=a\naws_secret_access_key=b\nregion=eu-north-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "p")
    store = open_store("s3://bucket-of-profile", Access())
    assert isinstance(store, S3Store)
    assert store.config["region"] == "eu-north-1"
    open_store.__globals__["_s3"].cache_clear()


@pytest.mark.usefixtures("no_credentials")
def test_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the command that installs it."""
    monkeypatch.setitem(sys.modules, "obstore.auth.boto3", None)
    with pytest.raises(MissingExtraError, match=r"fanout-jobs\[aws\]"):
        open_store("s3://bucket-without-library", Access())


@pytest.mark.moto
async def test_bucket_is_made_on_a_server_of_ones_own(moto_endpoint: str) -> None:
    """`--store s3://new` works against an emulator at once, and a second time."""
    access = Access(endpoint_url_s3=moto_endpoint, credentials=Credentials("test", "test"))
    for _ in range(2):
        await ensure_bucket("s3://made-when-missing/prefix", access)
    assert await objects.create(open_store("s3://made-when-missing/prefix", access), "a", b"1")


@pytest.mark.moto
async def test_missing_bucket_is_not_a_missing_object(moto_endpoint: str) -> None:
    """A wrong bucket is an error, where an absent key is None."""
    access = Access(endpoint_url_s3=moto_endpoint, credentials=Credentials("test", "test"))
    with pytest.raises(StoreError, match="NoSuchBucket"):
        await objects.read(open_store("s3://no-such-bucket", access), "a")


@pytest.mark.moto
async def test_bucket_without_a_legal_name(moto_endpoint: str) -> None:
    """What the server will not make is told with its reason."""
    access = Access(endpoint_url_s3=moto_endpoint, credentials=Credentials("test", "test"))
    with pytest.raises(StoreError, match=r"cannot be made: .*InvalidBucketName"):
        await ensure_bucket("s3://x", access)
