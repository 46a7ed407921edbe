"""`fanout.mltable.load` against the results that the original gave (tests/data/mltable-cases.json)."""

import datetime
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from fanout import mltable
from fanout.errors import InputError

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data" / "mltable-cases.json").read_text())
REFUSED = {"jsonl_bad_error", "unknown_transform", "two_reads", "bad_header"}
READABLE = [case for case in CASES if case["case"] not in REFUSED and case["case"] != "split_take"]
UNSORTED = {"no_transform"}  # the original lists a folder in the order of its directory; here it is sorted


def lay_out(case: dict[str, Any], root: Path) -> str:
    """The case's files and MLTable in a folder named as the case."""
    folder = root / case["case"]
    for name, content in case["files"].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        binary = case["case"] == "latin1" or path.suffix in (".png", ".wav")
        path.write_bytes(bytes.fromhex(content) if binary else content.encode())
    table = case["mltable"]
    (folder / "MLTable").write_text(table if isinstance(table, str) else yaml.safe_dump(table, sort_keys=False))
    return str(folder)


def values(frame: pd.DataFrame, root: Path) -> list[list[Any]]:
    """The rows as JSON holds them."""
    return [[_plain(value, root) for value in row] for row in frame.astype(object).to_numpy().tolist()]


def _plain(value: Any, root: Path) -> Any:
    if isinstance(value, datetime.datetime):
        return None if pd.isna(value) else str(value)
    if isinstance(value, str):
        return value.replace(str(root), "<ROOT>")
    return None if isinstance(value, float) and pd.isna(value) else value


@pytest.mark.parametrize("case", READABLE, ids=lambda case: case["case"])
def test_a_script_loads_what_the_original_loads(case: dict[str, Any], tmp_path: Path) -> None:
    """Names, types, shape, values and partition keys."""
    table = mltable.load(lay_out(case, tmp_path))
    frame = table.to_pandas_dataframe()
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == case["dtypes"]
    assert list(frame.columns) == list(case["dtypes"])
    assert list(frame.shape) == case["shape"]
    assert table.partition_keys == case["partition_keys"]
    rows, expected = values(frame, tmp_path), case["rows"]
    if case["case"] in UNSORTED:
        rows, expected = sorted(rows), sorted(expected)
    assert rows[: len(expected)] == expected


@pytest.mark.parametrize("case", READABLE, ids=lambda case: case["case"])
def test_a_saved_table_loads_as_the_same(case: dict[str, Any], tmp_path: Path) -> None:
    """Saved elsewhere, with its files and without, it is the same table: names, types and values."""
    table = mltable.load(lay_out(case, tmp_path / "from"))
    frame = table.to_pandas_dataframe()
    table.save(str(tmp_path / "plain"))
    pd.testing.assert_frame_equal(mltable.load(tmp_path / "plain").to_pandas_dataframe(), frame)
    copy = tmp_path / "copied" / case["case"]
    table.save(str(copy), colocated=True)
    moved = mltable.load(copy).to_pandas_dataframe()
    assert values(moved, tmp_path / "copied") == values(frame, tmp_path / "from")


@pytest.mark.parametrize("case", [c for c in CASES if c["case"] in REFUSED], ids=lambda case: case["case"])
def test_what_the_original_refuses_is_refused(case: dict[str, Any], tmp_path: Path) -> None:
    """While the table is loaded, or its rows."""
    with pytest.raises(InputError):
        mltable.load(lay_out(case, tmp_path)).to_pandas_dataframe()


def test_take_works_on_a_table_that_will_be_split(tmp_path: Path) -> None:
    """The original refuses to split a table with take; its rows are those it takes."""
    [case] = [case for case in CASES if case["case"] == "split_take"]
    frame = mltable.load(lay_out(case, tmp_path)).to_pandas_dataframe()
    assert values(frame, tmp_path) == [[i] for i in range(1, 16)]
