"""Tables whose files are in an object store: each part is read as from disk, and no more of it is copied."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import parquet as pq

from fanout.errors import InputError
from fanout.files import uris
from fanout.files.byte_ranges import read_head
from fanout.storage.access import Access
from fanout.tables.file_parts import Section
from fanout.tables.localize import localized
from fanout.tables.mltable_file import list_files, load_mltable
from fanout.tables.recipe import TableRecipe
from fanout.tables.resolution import resolve_recipe
from fanout.tables.table_parts import read_pieces
from fanout.tables.whole_table import load_table

pytestmark = pytest.mark.moto


@pytest.fixture
def access(moto_endpoint: str, aws_environ: Callable[[str], dict[str, str]]) -> Access:
    """The way to the test server."""
    return Access.from_environ(aws_environ(moto_endpoint))


@pytest.fixture
def upload(access: Access, tmp_path: Path) -> Callable[[Path], str]:
    """Copies a local folder into a bucket of its own; gives its URI there."""
    assert access.credentials is not None
    client: Any = boto3.client(
        "s3",
        endpoint_url=access.endpoint_url_s3,
        region_name="us-east-1",
        aws_access_key_id=access.credentials.access_key_id,
        aws_secret_access_key=access.credentials.secret_access_key,
    )

    def copy(folder: Path) -> str:
        bucket = f"hand-{tmp_path.name.replace('_', '-').lower()}"[:60]
        client.create_bucket(Bucket=bucket)
        for file in folder.rglob("*"):
            if file.is_file():
                client.put_object(Bucket=bucket, Key=f"in put/{file.relative_to(folder)}", Body=file.read_bytes())
        return f"s3://{bucket}/in put"

    return copy


def recipe_of(folder: str, access: Access) -> TableRecipe:
    table = load_mltable(folder, access)
    files = [entry.uri for entry in list_files(table, access)]
    return resolve_recipe(table, files, lambda uri, size: read_head(uri, size, access))


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """A table of 40 rows in two files of text."""
    folder = tmp_path / "lines"
    folder.mkdir()
    for file in range(2):
        rows = range(file * 20, file * 20 + 20)
        (folder / f"{file} é#.csv").write_text("n,word\n" + "".join(f"{n},w{n}\n" for n in rows))
    (folder / "MLTable").write_text("paths: [{pattern: '*.csv'}]\ntransformations: [read_delimited]\n")
    return folder


@pytest.fixture
def columns(tmp_path: Path) -> Path:
    """A table of 40,000 rows in one parquet file of eight row groups."""
    folder = tmp_path / "columns"
    folder.mkdir()
    noise = np.random.default_rng(0).random((2, 40_000))
    table = pa.table({"n": range(40_000), "a": noise[0], "b": noise[1], "w": [f"w{n % 7}" for n in range(40_000)]})
    pq.write_table(table, folder / "t.parquet", row_group_size=5000)
    (folder / "MLTable").write_text("paths: [{file: t.parquet}]\ntransformations: [read_parquet]\n")
    return folder


@pytest.mark.parametrize(
    ("cut", "start", "stop"), [("bytes", 0, 7), ("bytes", 17, 47), ("whole", 0, 0), ("rows", 2, 9)]
)
def test_parts_of_text(
    lines: Path, upload: Callable[[Path], str], access: Access, cut: str, start: int, stop: int
) -> None:
    """The same rows as from disk; the copies are gone afterwards."""
    remote = upload(lines)
    here = Section(uris.from_path(lines / "0 é#.csv"), start, stop, cut)
    there = Section(f"{remote}/0 é#.csv", start, stop, cut)
    with localized([there, here], access) as sections:
        found = read_pieces(recipe_of(remote, access), sections[:1])
        assert sections[1] == here
        assert sections[0].path is not None
        if cut == "bytes":
            assert Path(sections[0].path).stat().st_size == stop - start
    pd.testing.assert_frame_equal(found, read_pieces(recipe_of(str(lines), access), [here]))
    assert not Path(sections[0].path).exists()


@pytest.mark.parametrize(
    ("cut", "start", "stop", "share"),
    [("row_groups", 3, 4, 0.25), ("row_groups", 7, 8, 0.25), ("rows", 4990, 5010, 0.35), ("whole", 0, 0, 1.1)],
)
def test_parts_of_parquet(
    columns: Path, upload: Callable[[Path], str], access: Access, cut: str, start: int, stop: int, share: float
) -> None:
    """The same rows as from disk, and on this machine only the row groups that hold them."""
    remote = upload(columns)
    here = Section(uris.from_path(columns / "t.parquet"), start, stop, cut)
    with localized([Section(f"{remote}/t.parquet", start, stop, cut)], access, parquet=True) as [section]:
        found = read_pieces(recipe_of(remote, access), [section])
        assert section.path is not None
        occupied, size = Path(section.path).stat().st_blocks * 512, Path(section.path).stat().st_size
    pd.testing.assert_frame_equal(found, read_pieces(recipe_of(str(columns), access), [here]))
    assert size == (columns / "t.parquet").stat().st_size
    assert occupied < share * size


@pytest.mark.parametrize("steps", ["", "- take: 25\n", "- filter: 'n > 30'\n", "- skip: 19\n- take: 3\n"])
@pytest.mark.parametrize("kind", ["lines", "columns"])
def test_whole_tables(
    request: pytest.FixtureRequest, upload: Callable[[Path], str], access: Access, kind: str, steps: str
) -> None:
    """Read from a bucket, a table is what it is on disk."""
    folder: Path = request.getfixturevalue(kind)
    file = folder / "MLTable"
    file.write_text(
        file.read_text().replace("[read_delimited]", "\n- read_delimited").replace("[read_parquet]", "\n- read_parquet")
        + steps
    )
    remote = load_table(upload(folder), access)
    assert len(remote)
    pd.testing.assert_frame_equal(remote, load_table(str(folder), access))


def test_a_delta_lake_in_a_bucket(tmp_path: Path, upload: Callable[[Path], str], access: Access) -> None:
    """Its log is read there too, with the same endpoint and keys."""
    lake = tmp_path / "lake"
    write_deltalake(lake, pa.table({"a": [1, 2, 3], "k": ["x y", "z", "x y"]}), partition_by=["k"])
    (lake / "MLTable").write_text("paths: [{folder: .}]\ntransformations: [read_delta_lake: {version_as_of: 0}]\n")
    frame = load_table(upload(lake), access)
    assert frame.to_dict("list") == {"a": [1, 3, 2], "k": ["x y", "x y", "z"]}


def test_copies_are_made_in_the_scratch_folder(
    lines: Path, upload: Callable[[Path], str], access: Access, tmp_path: Path
) -> None:
    """So that what a killed process leaves there goes with the folder."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with localized([Section(f"{upload(lines)}/0 é#.csv")], access, scratch=scratch) as [section]:
        assert section.path is not None
        assert Path(section.path).is_relative_to(scratch)
    assert list(scratch.iterdir()) == []


def test_what_is_not_there(lines: Path, upload: Callable[[Path], str], access: Access) -> None:
    """An object that is gone, and a file that is no parquet, are named."""
    remote = upload(lines)
    with pytest.raises(InputError, match=r"gone\.csv: not found"), localized([Section(f"{remote}/gone.csv")], access):
        pass
    text = Section(f"{remote}/0 é#.csv", 0, 1, "row_groups")
    with pytest.raises(InputError, match=r"0 é#\.csv: not a parquet file"), localized([text], access, parquet=True):
        pass
