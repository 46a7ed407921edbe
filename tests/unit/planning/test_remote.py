"""Input in an object store is planned as the same input on disk."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fanout.errors import InputError
from fanout.files import uris
from fanout.pipeline.model import DataType, InputMode, MiniBatchSize, ParallelStep
from fanout.planning.source import plan_mini_batches
from fanout.records.mini_batch import encode
from fanout.storage.access import Access

pytestmark = pytest.mark.moto

Step = Callable[..., ParallelStep]
MakeTable = Callable[..., str]


@pytest.fixture
def access(moto_endpoint: str, aws_environ: Callable[[str], dict[str, str]]) -> Access:
    """The way to the test server."""
    return Access.from_environ(aws_environ(moto_endpoint))


@pytest.fixture
def upload(moto_endpoint: str, aws_environ: Callable[[str], dict[str, str]], tmp_path: Path) -> Callable[[str], str]:
    """Copies a local folder into a bucket of its own; gives its URI there."""
    environ = aws_environ(moto_endpoint)
    client: Any = boto3.client(
        "s3",
        endpoint_url=moto_endpoint,
        region_name="us-east-1",
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )

    def copy(folder: str) -> str:
        bucket, root = f"plan-{tmp_path.name.replace('_', '-').lower()}"[:60], Path(uris.to_path(folder))
        client.create_bucket(Bucket=bucket)
        for file in root.rglob("*"):
            if file.is_file():
                client.put_object(Bucket=bucket, Key=f"in put/{file.relative_to(root)}", Body=file.read_bytes())
        return f"s3://{bucket}/in put"

    return copy


def rows(start: int, stop: int) -> str:
    return "n,word\n" + "".join(f"{n},w{n}\n" for n in range(start, stop))


FILES: Mapping[str, str] = {"b/50%.csv": rows(0, 40), "a b/x#1?.csv": rows(40, 45), "b-1.csv": "n,word\n", "b.csv": ""}
READ = {"read_delimited": {"header": "all_files_same_headers"}}


def lines(
    step: ParallelStep, folder: str, type_: DataType, access: Access, mode: InputMode = InputMode.DIRECT
) -> list[str]:
    """The plan, with every URI written as its path below the folder."""
    found = []
    for batch in plan_mini_batches(step, folder, type_, mode, access).batches:
        names = [*batch.files, *(piece.uri for piece in batch.pieces)]
        line = encode(batch)
        for name in names:
            line = line.replace(name, str(uris.relative_to(name, folder)))
        found.append(line)
    return found


@pytest.mark.parametrize(
    ("transformations", "settings"),
    [
        ([READ], {"mini_batch_size": MiniBatchSize(60)}),
        ([READ, {"skip": 3}, {"take": 39}], {"mini_batch_rows": 10}),
        ([READ, {"take_random_sample": {"probability": 0.5, "seed": 3}}], {"mini_batch_size": MiniBatchSize(60)}),
    ],
    ids=["bytes", "rows", "sample"],
)
def test_table_in_s3(
    step: Step,
    make_table: MakeTable,
    upload: Callable[[str], str],
    access: Access,
    transformations: list[Any],
    settings: dict[str, Any],
) -> None:
    """The same blocks of the same files, whatever characters their names have."""
    local = make_table(FILES, *transformations, paths=[{"pattern": "./**/*.csv"}])
    remote = upload(local)
    assert lines(step(**settings), remote, DataType.MLTABLE, access) == lines(
        step(**settings), local, DataType.MLTABLE, access
    )


def test_folder_in_s3(step: Step, make_table: MakeTable, upload: Callable[[str], str], access: Access) -> None:
    """The same files in the same order."""
    local = make_table(FILES, READ)
    found = lines(step(), upload(local), DataType.URI_FOLDER, access)
    assert found == lines(step(), local, DataType.URI_FOLDER, access)
    assert len(found) == 5


def test_a_folder_named_as_a_file_in_s3(
    step: Step, make_table: MakeTable, upload: Callable[[str], str], access: Access
) -> None:
    """It stands for the files below it, as on disk."""
    local = make_table(FILES, paths=[{"file": "./b.csv"}, {"file": "./b"}])
    mode, type_ = InputMode.EVAL_MOUNT, DataType.MLTABLE
    remote = upload(local)
    found = lines(step(), remote, type_, access, mode)
    assert found == lines(step(), local, type_, access, mode)
    assert len(found) == 2


@pytest.mark.parametrize(
    "transformations",
    [
        [],
        [{"take_random_sample": {"probability": 0.9, "seed": 1}}],
        [{"filter": "n > 10"}, {"skip": 1}, {"filter": "n != 95"}],
    ],
)
def test_parquet_in_s3(
    step: Step,
    make_table: MakeTable,
    upload: Callable[[str], str],
    access: Access,
    tmp_path: Path,
    transformations: list[Any],
) -> None:
    """Row groups as on disk, also where only reading them shows which rows are wanted."""
    pq.write_table(pa.table({"n": range(100)}), tmp_path / "x", row_group_size=30)
    local = make_table({"x.parquet": (tmp_path / "x").read_bytes()}, "read_parquet", *transformations)
    remote = upload(local)
    found = lines(step(), remote, DataType.MLTABLE, access)
    assert found == lines(step(), local, DataType.MLTABLE, access)
    assert len(found) == 4


def test_nothing_in_s3(step: Step, access: Access) -> None:
    """A bucket that does not exist is an error that names it."""
    with pytest.raises(InputError, match="s3://no-such-bucket-anywhere/x: cannot be read: NoSuchBucket"):
        lines(step(), "s3://no-such-bucket-anywhere/x", DataType.URI_FOLDER, access)
