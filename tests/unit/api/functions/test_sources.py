"""What a function is called over."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fanout.api.functions.job import Source
from fanout.api.functions.sources import source_of
from fanout.errors import InputError


def _place(name: str) -> str:
    return f"s3://b/runs/r/given/{name}"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.txt", "in/a.txt", "in/sub/c.jpg", "t.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n1\n")
    (tmp_path / "given").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("over", "names"),
    [
        ("in", ["in/a.txt", "in/b.txt", "in/sub/c.jpg"]),
        ("in/*.txt", ["in/a.txt", "in/b.txt"]),
        ("in/**/*.jpg", ["in/sub/c.jpg"]),
        (Path("in/a.txt"), ["in/a.txt"]),
        ([Path("in/b.txt"), Path("in/a.txt")], ["in/b.txt", "in/a.txt"]),
    ],
)
def test_files_of_this_machine_are_items(files: Path, over: Any, names: list[str]) -> None:
    """A folder, a pattern, one file, a list in its own order."""
    source, items = source_of(over, files / "given", _place)
    assert source == Source("values", "uri_file", "s3://b/runs/r/given/items.jsonl")
    assert items is not None
    found = [json.loads(line)["f"] for line in items.path.read_text().splitlines()]
    assert found == [str(files / name) for name in names]


@pytest.mark.parametrize("over", ["none", "in/*.png", "none.csv"])
def test_nothing_there(files: Path, over: str) -> None:
    """Is said before anything starts."""
    with pytest.raises(InputError, match="there is no file"):
        source_of(over, files / "given", _place)


@pytest.mark.parametrize(
    ("over", "expected", "mltable"),
    [
        ("s3://b/images/", Source("files", "uri_folder", "s3://b/images/"), None),
        ("s3://b/x.jpg", Source("files", "mltable", _place("").rstrip("/")), {"paths": [{"file": "s3://b/x.jpg"}]}),
        ("s3://b/x.csv.gz", Source("table", "uri_file", "s3://b/x.csv.gz"), None),
        ("s3://b/*.parquet", Source("table", "uri_file", "s3://b/*.parquet"), None),
        ("s3://b/*.jpg", Source("files", "mltable", _place("").rstrip("/")), {"paths": [{"pattern": "s3://b/*.jpg"}]}),
        (
            ["s3://b/2", "s3://b/1"],
            Source("files", "mltable", _place("").rstrip("/")),
            {"paths": [{"file": "s3://b/2"}, {"file": "s3://b/1"}]},
        ),
    ],
)
def test_files_in_a_store(files: Path, over: Any, expected: Source, mltable: Any) -> None:
    """Are brought by the nodes."""
    assert source_of(over, files / "given", _place) == (expected, None)
    if mltable is not None:
        assert json.loads((files / "given" / "MLTable").read_text()) == mltable


def test_tables(files: Path) -> None:
    """A DataFrame as parquet in the store; a file by its extension."""
    frame = pd.DataFrame({"x": [1, 2]})
    assert source_of(frame, files / "given", _place)[0] == Source("table", "uri_file", _place("table.parquet"))
    assert pd.read_parquet(files / "given" / "table.parquet").equals(frame)
    assert source_of("t.csv", files / "given", _place)[0] == Source("table", "uri_file", str(files / "t.csv"))
    assert source_of("*.csv", files / "given", _place)[0] == Source("table", "uri_file", str(files / "*.csv"))
