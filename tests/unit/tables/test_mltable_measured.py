"""Tables against what the original made of them (tests/data/mltable-measured.jsonl).

The cases were made and measured by running mltable 1.7.0 (azureml-dataprep-rslex 2.26.0, pandas 2) as a black box:
names, dtypes, shape and values of `mltable.load(folder).to_pandas_dataframe()`, and of some the rows of each partition.
Of a case with many rows the first `first` and the last ones are kept, and repeated lines of a file are written with
their count. What the original does otherwise than fanout is in docs/tables.md, and is not among them.
"""

import json
import math
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from fanout.files.byte_ranges import read_head
from fanout.planning.division import ByBytes
from fanout.planning.tables.table_source import mini_batches_of_table
from fanout.storage.access import Access
from fanout.tables.mltable_file import list_files, load_mltable
from fanout.tables.resolution import resolve_recipe
from fanout.tables.table_parts import read_pieces
from fanout.tables.whole_table import load_table

Case = dict[str, Any]
CASES: list[Case] = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "data" / "mltable-measured.jsonl").read_text().splitlines()
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cases are laid out, each in a folder of its own."""
    return tmp_path_factory.mktemp("measured")


def lay_out(case: Case, root: Path) -> str:
    """The case's files and MLTable in a folder named as the case."""
    folder = root / case["case"]
    folder.mkdir(exist_ok=True)
    for name, content in case["files"].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_bytes(content))
    table = case["mltable"]
    (folder / "MLTable").write_text(table if isinstance(table, str) else yaml.safe_dump(table, sort_keys=False))
    return str(folder)


def _bytes(content: str | dict[str, Any]) -> bytes:
    match content:
        case str():
            return content.encode()
        case {"hex": digits}:
            return bytes.fromhex(digits)
        case {"lines": runs}:
            return "".join(line * count for line, count in runs).encode()
        case _:
            raise ValueError(content)


def plain(value: Any, folder: str) -> Any:
    """A value as the file of cases has it; NaN as a word, so that it equals itself."""
    match value:
        case str():
            return value.replace(folder, "<ROOT>")
        case dict():
            return {"object": {key: plain(inner, folder) for key, inner in value.items()}}
        case pd.Timestamp() | pd.NaT.__class__():
            return {"time": str(value)}
        case float():
            return ["float", "nan" if math.isnan(value) else value]
        case list():
            return [plain(inner, folder) for inner in value]
        case _ if hasattr(value, "tolist"):
            return plain(value.tolist(), folder)
        case _:
            return value


def expected(value: Any, case: Case) -> Any:
    """A value of the file of cases, in the same form."""
    match value:
        case str():
            return value.replace(f"<ROOT>/{case['case'].partition('-')[2]}", "<ROOT>")
        case {"object": fields}:
            return {"object": {key: expected(inner, case) for key, inner in fields.items()}}
        case float():
            return ["float", "nan" if math.isnan(value) else value]
        case list():
            return [expected(inner, case) for inner in value]
        case _:
            return value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_a_table_is_as_the_original_reads_it(case: Case, root: Path) -> None:
    """Names, types, shape and values."""
    folder = lay_out(case, root)
    frame = load_table(folder, Access())
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == case["dtypes"]
    assert list(frame.columns) == list(case["dtypes"])
    assert list(frame.shape) == case["shape"]
    columns = [[plain(value, folder) for value in frame[name].tolist()] for name in frame.columns]
    rows = [list(row) for row in zip(*columns, strict=True)]
    if "first" in case:
        rows = [*islice(rows, case["first"]), *rows[case["first"] - len(case["rows"]) :]]
    assert rows == [[expected(value, case) for value in row] for row in case["rows"]]


@pytest.mark.parametrize("case", [case for case in CASES if "partition_rows" in case], ids=lambda case: case["case"])
def test_mini_batches_hold_the_rows_that_the_original_puts_in_partitions(case: Case, root: Path) -> None:
    """By `partition_size`, which mini_batch_size is; empty ones do not become mini-batches."""
    access = Access()
    table = load_mltable(lay_out(case, root), access)
    files = [entry for entry in list_files(table, access) if entry.size]
    recipe = resolve_recipe(table, [entry.uri for entry in files], lambda uri, size: read_head(uri, size, access))
    batches = mini_batches_of_table(iter(files), recipe, ByBytes(case["partition_size"]), access)
    assert [len(read_pieces(recipe, batch.pieces)) for batch in batches] == case["partition_rows"]
