"""Fetching: remote files are on this machine before a slot starts, once, and as long as they are needed."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from fanout.errors import DamagedRecordError, FanoutError, InputError
from fanout.files import uris
from fanout.node.dispatch.fetcher import Fetcher, needs_fetching
from fanout.node.step_inputs import fetch_inputs
from fanout.pipeline.model import DataType, EntryTask, ParallelStep
from fanout.records import mini_batch
from fanout.records.mini_batch import MiniBatch
from fanout.records.row_format import row_format
from fanout.records.step import BoundInput, StepRecord
from fanout.storage.access import Access
from fanout.storage.datastores import Datastores

pytestmark = pytest.mark.moto

Upload = Callable[..., str]


@pytest.fixture
def access(moto_endpoint: str, aws_environ: Callable[[str], dict[str, str]]) -> Access:
    """The way to the test server."""
    return Access.from_environ(aws_environ(moto_endpoint))


@pytest.fixture
def upload(moto_endpoint: str, aws_environ: Callable[[str], dict[str, str]], tmp_path: Path) -> Upload:
    """Puts objects into a bucket of their own; gives its URI."""
    environ = aws_environ(moto_endpoint)
    client: Any = boto3.client(
        "s3",
        endpoint_url=moto_endpoint,
        region_name="us-east-1",
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )

    def put(objects: Mapping[str, bytes], name: str = "one") -> str:
        bucket = f"{name}-{tmp_path.name.replace('_', '-').lower()}"[:60].rstrip("-")
        client.create_bucket(Bucket=bucket)
        for key, body in objects.items():
            client.put_object(Bucket=bucket, Key=key, Body=body)
        return f"s3://{bucket}"

    return put


def _line(*files: str) -> bytes:
    return mini_batch.encode(MiniBatch(0, files=files)).encode()


def _paths(line: bytes) -> list[Path]:
    return [Path(uris.to_path(uri)) for uri in mini_batch.decode(line, "test").files]


@pytest.mark.parametrize(
    ("files", "local"),
    [
        (("file:///a",), True),
        (("file:///a", "file:///b%20c"), True),
        (("file:///a", "s3://bucket/b"), False),
        (("s3://bucket/b",), False),
        (('s3://bucket/"file:///b',), False),
        (("file:///a", 's3://bucket/"file:///b"', "file:///c"), False),
        ((), True),
    ],
)
def test_lines_of_local_files_are_told_apart(files: tuple[str, ...], local: bool, tmp_path: Path) -> None:
    """Whatever names of remote files and values of partition keys look like."""
    fetcher = Fetcher("file:///table", tmp_path, Access())
    for partition in ({}, {"file:///": "file:///"}, {"k": '"file:///x"'}):
        line = mini_batch.encode(MiniBatch(0, files=files, partition=partition)).encode()
        assert fetcher.needs_no_fetch(line) is local


@pytest.mark.parametrize(
    ("base", "uri", "table"),
    [
        ("s3://b/in", "file:///etc/hostname", False),
        ("s3://b/in", "file:///etc/hostname", True),
        ("s3://b/in", "http://169.254.169.254/latest", True),
        ("s3://b/in", "s3://b/input/a", False),
        ("s3://b/in", "s3://other/in/a", False),
        ("s3://b/in", "s3://b/in/../secret", False),
        ("https://host/in", "file:///etc/hostname", True),
    ],
)
async def test_files_outside_of_the_input_are_not_brought(base: str, uri: str, table: bool, tmp_path: Path) -> None:
    """Whatever a line says: a remote input has no files of this machine, and a folder those below it."""
    fetcher = Fetcher(base, tmp_path, Access(), table=table)
    with pytest.raises(DamagedRecordError, match="is not in the input"):
        await fetcher.fetch(_line(uri))
    with pytest.raises(DamagedRecordError):
        fetcher.needs_no_fetch(_line(f"{base}/a", uri))


async def test_files_keep_their_names(access: Access, upload: Upload, tmp_path: Path) -> None:
    """Below the input's folder a file is called what it is called there; local files, of a datastore, stay where they
    are."""
    base = upload({"data/a.txt": b"a", "data/sub/b c%.txt": b"b"}) + "/data"
    fetcher = Fetcher(base, tmp_path / "here", replace(access, datastores=Datastores((("here", "file:///"),))))
    line, names = await fetcher.fetch(_line(f"{base}/a.txt", "file:///local", f"{base}/sub/b c%.txt"))
    first, local, second = _paths(line)
    assert (first, second) == (tmp_path / "here" / "a.txt", tmp_path / "here" / "sub" / "b c%.txt")
    assert local == Path("/local")
    assert (first.read_bytes(), second.read_bytes()) == (b"a", b"b")
    assert set(names) == {str(first), str(second)}


async def test_copies_go_when_nobody_needs_them(access: Access, upload: Upload, tmp_path: Path) -> None:
    """A file of two mini-batches is there until both have ended."""
    base = upload({"a": b"a", "b": b"b"})
    fetcher = Fetcher(base, tmp_path / "here", access)
    (_, first), (_, second) = await asyncio.gather(
        fetcher.fetch(_line(f"{base}/a")), fetcher.fetch(_line(f"{base}/a", f"{base}/b"))
    )
    fetcher.release(second)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["a"]
    fetcher.release(first)
    assert list((tmp_path / "here").iterdir()) == []


async def test_the_same_key_in_two_buckets(access: Access, upload: Upload, tmp_path: Path) -> None:
    """A table may name files outside of its own folder: none takes the place of another."""
    one, two = upload({"x.csv": b"1", "data/x.csv": b"0"}), upload({"x.csv": b"2"}, name="two")
    fetcher = Fetcher(f"{one}/data", tmp_path / "here", access)
    line, _ = await fetcher.fetch(_line(f"{one}/data/x.csv", f"{one}/x.csv", f"{two}/x.csv"))
    assert [path.read_bytes() for path in _paths(line)] == [b"0", b"1", b"2"]


async def test_a_missing_file_leaves_nothing_behind(access: Access, upload: Upload, tmp_path: Path) -> None:
    """The error names it, and what was fetched beside it is given up."""
    base = upload({"a": b"a"})
    fetcher = Fetcher(base, tmp_path / "here", access)
    await fetcher.fetch(_line(f"{base}/a"))
    with pytest.raises(InputError, match="gone"):
        await fetcher.fetch(_line(f"{base}/a", f"{base}/gone"))
    fetcher.release([str(tmp_path / "here" / "a")])
    assert list((tmp_path / "here").iterdir()) == []


async def test_keys_that_lead_out_are_refused(access: Access, upload: Upload, tmp_path: Path) -> None:
    """Whatever a message says, nothing is written outside of the node's folder."""
    base = upload({"data/a": b"a"})
    fetcher = Fetcher(f"{base}/data", tmp_path / "here", access)
    for key in ("data/../../evil", "../evil", "data/..\\evil"):
        with pytest.raises(FanoutError):
            await fetcher.fetch(_line(f"{base}/{key}"))
    assert not (tmp_path / "here").exists()


async def test_side_inputs_are_brought_here(access: Access, upload: Upload, tmp_path: Path) -> None:
    """Remote inputs that are not direct are copied: a file by its name, a folder with all that is in it."""
    base = upload({"model/m.bin": b"m", "model/sub/w": b"w"})
    inputs = {
        "file": BoundInput(uri=f"{base}/model/m.bin", type=DataType.URI_FILE),
        "folder": BoundInput(uri=f"{base}/model"),
    }
    found = await fetch_inputs(inputs, tmp_path / "in", access)
    assert found == {"file": str(tmp_path / "in" / "file" / "m.bin"), "folder": str(tmp_path / "in" / "folder")}
    assert (tmp_path / "in" / "file" / "m.bin").read_bytes() == b"m"
    assert (tmp_path / "in" / "folder" / "sub" / "w").read_bytes() == b"w"


@pytest.mark.parametrize(
    ("uri", "kind", "recipe", "fetched"),
    [
        ("file:///in", DataType.URI_FOLDER, None, False),
        ("file:///list", DataType.MLTABLE, None, True),
        ("file:///table", DataType.MLTABLE, "{}", False),
        ("s3://bucket/in", DataType.URI_FOLDER, None, True),
    ],
)
def test_which_inputs_may_name_remote_files(uri: str, kind: DataType, recipe: str | None, fetched: bool) -> None:
    """A list on this machine may name files that are elsewhere; a table is read by the slots."""
    step = ParallelStep(name="score", task=EntryTask("score.py"), input_data="data")
    record = StepRecord("r", step, {"data": BoundInput(uri=uri, type=kind)}, {}, row_format("x.txt"), 30, recipe=recipe)
    assert needs_fetching(record) is fetched
