"""The examples of a few seconds: from a pipeline file, from Python and as a notebook, with the same results."""

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fanout.testing import FanoutRun, RunResult

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
SMALL = ("completions", "thumbnails", "models_by_group", "csv_to_parquet")
TIMEOUT = 300


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the examples, whose runs and outputs are in it."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    copy = tmp_path / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("output", "__pycache__", ".fanout"))
    return copy


@pytest.fixture
def run(examples: Path, fanout_run_from: Callable[[Path], FanoutRun]) -> Callable[..., RunResult]:
    """Runs the pipeline file of an example."""
    from_there = fanout_run_from(examples)
    return lambda name, **options: from_there(f"{name}/pipeline.yml", servers="none", **options)


@contextmanager
def _completions(examples: Path, rate: float) -> Iterator[str]:
    """The server of the example, at a port of its own."""
    command = [sys.executable, str(examples / "completions" / "src" / "server.py"), "--port", "0", "--rate", f"{rate}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def _counts(url: str) -> dict[str, int]:
    """What the server has answered and refused."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    connection.request("GET", "/counts")
    found: dict[str, int] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def _printed(examples: Path, name: str, *arguments: str) -> list[str]:
    """The lines that the script `from_python.py` of an example prints."""
    command = [sys.executable, str(examples / name / "from_python.py"), *arguments]
    ended = subprocess.run(
        command, cwd=examples, capture_output=True, text=True, timeout=TIMEOUT, env=dict(os.environ), check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_completions(examples: Path, run: Callable[..., RunResult]) -> None:
    """Every prompt is answered once, in order, although the server refuses many; Python gets the same answers."""
    prompts = pd.read_csv(examples / "completions" / "prompts.csv", dtype=str)
    with _completions(examples, rate=20) as url:
        found = run("completions", inputs={"url": url})
        counts = _counts(url)
        lines = _printed(examples, "completions", url)
    rows = [json.loads(line) for line in found.text("completions").splitlines()]
    assert [(row["id"], row["prompt"]) for row in rows] == list(prompts.itertuples(index=False, name=None))
    assert all(row["completion"].split() == row["prompt"].split()[::-1] for row in rows)
    assert lines == [f"{row['prompt']} -> {row['completion']}" for row in rows]
    assert counts["answered"] == len(prompts) == 120
    assert counts["refused"] > 0


def test_thumbnails(examples: Path, run: Callable[..., RunResult], tmp_path: Path) -> None:
    """A file and a row for each picture, the same from both."""
    found = run("thumbnails")
    sizes, files = found.dataframe("sizes"), found.output("thumbnails").files()
    assert list(sizes["file"]) == [f"picture-{number:03d}.png" for number in range(40)]
    assert sorted(files) == [f"picture-{number:03d}.jpg" for number in range(40)]
    lines = _printed(examples, "thumbnails", str(tmp_path))
    assert lines == [f"{row.file}: {row.size} -> {row.thumbnail}" for row in map(_Row, sizes.to_dict("records"))]
    for name, content in files.items():
        assert (tmp_path / "thumbnails" / name).read_bytes() == content
        with Image.open(tmp_path / "thumbnails" / name) as image:
            assert image.size == (96, 72)


class _Row:
    def __init__(self, fields: dict[str, Any]) -> None:
        self.file, self.size, self.thumbnail = fields["file"], fields["size"], fields["thumbnail"]


def test_models_by_group(examples: Path, run: Callable[..., RunResult]) -> None:
    """A model for each pair of shop and product, fitted to its rows and no others; shops keep their zeros."""
    sales = pd.read_csv(examples / "models_by_group" / "sales.csv", dtype={"shop": str})
    found = run("models_by_group")
    summary = found.dataframe("summary", dtype={"shop": str})
    expected = [
        (shop, product, len(rows), round(float(_weights(rows)[1]), 2))
        for (shop, product), rows in sales.groupby(["shop", "product"])
    ]
    columns = ["shop", "product", "weeks", "per_unit_of_price"]
    assert list(summary[columns].itertuples(index=False, name=None)) == expected
    models = {name: json.loads(text) for name, text in found.output("models").files().items()}
    assert {name: model["base"] for name, model in models.items()} == {
        f"{row['shop']}/{row['product']}.json": row["base"] for row in summary.to_dict("records")
    }
    lines = _printed(examples, "models_by_group")
    assert lines == [f"{shop} {product}: {weight} for each unit of price" for shop, product, _, weight in expected]


def _weights(rows: pd.DataFrame) -> Any:
    known = np.column_stack([np.ones(len(rows)), rows["price"], rows["offer"]])
    return np.linalg.lstsq(known, rows["sold"], rcond=None)[0]


def test_csv_to_parquet(examples: Path, run: Callable[..., RunResult], tmp_path: Path) -> None:
    """All rows in order, each value as it stands in the files; Python makes the same table."""
    parts = [
        pd.read_csv(path, dtype={"order": "int64", "zip": str, "price": "float64"}, keep_default_na=False)
        for path in sorted((examples / "csv_to_parquet" / "orders").iterdir())
    ]
    expected = pd.concat(parts, ignore_index=True)
    expected["total"] = (expected["pieces"] * expected["price"]).round(2)
    table = pd.read_parquet(run("csv_to_parquet").output("table").path)
    assert [str(kind) for kind in table["zip"].map(type).unique()] == ["<class 'str'>"]
    pd.testing.assert_frame_equal(table.assign(note=table["note"].fillna("")), expected, check_dtype=False)
    output = tmp_path / "own.parquet"
    _printed(examples, "csv_to_parquet", str(output))
    pd.testing.assert_frame_equal(pd.read_parquet(output), table)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_notebook(examples: Path, name: str) -> None:
    """Its cells run from the first to the last, and assert that both ways give the same."""
    notebook = nbformat.read(examples / name / "notebook.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    place = {"metadata": {"path": str(examples / name)}}
    client = nbclient.NotebookClient(notebook, timeout=TIMEOUT, resources=place)
    client.create_kernel_manager().kernel_spec.argv = [
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
    ]
    client.execute()
    assert "assert " in "\n".join(cell.source for cell in notebook.cells)


def test_every_example_is_here_or_beside() -> None:
    """A new example gets a test."""
    assert {path.parent.name for path in EXAMPLES.glob("*/pipeline.yml")} == {*SMALL, "digits", "flights"}
