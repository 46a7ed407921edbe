"""Plain files that are elsewhere: planned and read as the same files on this machine, from S3 and from the web."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fanout.files import uris
from fanout.pipeline.model import DataInput, DataType, EntryTask, MiniBatchSize, ParallelStep, ReadOptions
from fanout.planning.source import plan_mini_batches
from fanout.planning.tables.shuffle_store import ShuffleStore
from fanout.storage.access import Access
from fanout.tables.file_parts import Section
from fanout.tables.localize import localized
from fanout.tables.recipe import from_json
from fanout.tables.table_parts import read_pieces

pytestmark = pytest.mark.moto

ROWS = [[n, f"{n:05d}"] for n in range(300)]
TEXT = "id,zip\n" + "".join(f"{n},{code}\n" for n, code in ROWS)
CUTS: list[dict[str, Any]] = [
    {"mini_batch_rows": 70},
    {"mini_batch_size": MiniBatchSize(1, "kb")},
    {"partition_keys": ("zip",)},
]


def packed(form: str) -> bytes:
    """The rows as a file of this format."""
    if form.startswith("jsonl"):
        text = "".join(json.dumps({"id": n, "zip": code}) + "\n" for n, code in ROWS)
        return pa.compress(text.encode(), "zstd", asbytes=True) if form.endswith("zst") else text.encode()
    if form == "parquet":
        sink = pa.BufferOutputStream()
        ids, codes = zip(*ROWS, strict=True)
        pq.write_table(pa.table({"id": ids, "zip": codes}), sink, row_group_size=100)
        return bytes(sink.getvalue().to_pybytes())
    return gzip.compress(TEXT.encode()) if form.endswith("gz") else TEXT.encode()


@pytest.fixture
def environ(moto_endpoint: str, aws_environ: Callable[[str], dict[str, str]]) -> dict[str, str]:
    return aws_environ(moto_endpoint)


@pytest.fixture
def bucket(moto_endpoint: str, environ: dict[str, str]) -> Any:
    """Puts objects into a bucket of the test's own; its name."""
    secrets = {key.lower(): environ[key] for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    client: Any = boto3.client("s3", endpoint_url=moto_endpoint, region_name="us-east-1", **secrets)
    client.create_bucket(Bucket="plain-files")

    def put(key: str, body: bytes) -> str:
        client.put_object(Bucket="plain-files", Key=key, Body=body, ACL="public-read")
        return f"plain-files/{key}"

    return put


def rows_at(uri: str, access: Access, paths: tuple[str, ...] = (), spilled: str = "", **cut: Any) -> list[list[Any]]:
    """The rows of all mini-batches, read as a slot reads them."""
    kind = DataType.URI_FOLDER if paths else DataType.URI_FILE
    inputs = {"rows": DataInput(uri, kind, paths=paths, read=ReadOptions())}
    step = ParallelStep(name="score", task=EntryTask("s.py"), input_data="rows", inputs=inputs, **cut)
    planned = plan_mini_batches(step, uri, kind, None, access, ShuffleStore(spilled, access))
    batches = list(planned.batches)
    assert len(batches) > 1
    recipe = from_json(planned.recipe_json or "", "recipe")
    found: list[list[Any]] = []
    for batch in batches:
        pieces = [Section(p.uri, p.start, p.stop, p.cut.value) for p in batch.pieces]
        with localized(pieces, access, parquet=recipe.is_parquet, packed=recipe.is_packed) as here:
            found += read_pieces(recipe, here).to_numpy(dtype=object).tolist()
    return found


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: next(iter(cut)))
@pytest.mark.parametrize("form", ["csv", "csv.gz", "jsonl", "jsonl.zst", "parquet"])
def test_files_in_s3(bucket: Any, environ: dict[str, str], tmp_path: Any, form: str, cut: dict[str, Any]) -> None:
    """Each format, packed or not, cut in each way."""
    place = bucket(f"{tmp_path.name}/a b.{form}", packed(form))
    found = rows_at(f"s3://{place}", Access.from_environ(environ), spilled=uris.from_path(str(tmp_path)), **cut)
    assert found == ROWS


def test_a_pattern_and_a_list_in_s3(bucket: Any, environ: dict[str, str]) -> None:
    """Chosen as on this machine."""
    for name in ("1.csv", "2.csv", "3.txt"):
        place = bucket(f"chosen/{name}", TEXT.encode())
    folder, access = f"s3://{place.rpartition('/')[0]}", Access.from_environ(environ)
    assert rows_at(folder, access, ("*.csv",), mini_batch_rows=100) == ROWS * 2
    assert rows_at(folder, access, ("3.txt", "1.csv"), mini_batch_rows=100) == ROWS * 2


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
def test_a_file_of_the_web(bucket: Any, moto_endpoint: str, form: str) -> None:
    """Without credentials, by ranges."""
    place = bucket(f"web/rows.{form}", packed(form))
    assert rows_at(f"{moto_endpoint}/{place}", Access(), mini_batch_rows=70) == ROWS
