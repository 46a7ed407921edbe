"""Tables divided by plain columns: rows regrouped in one scan, and read back as they were."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fanout.errors import InputError
from fanout.files import uris
from fanout.pipeline.model import DataType, InputMode, ParallelStep
from fanout.planning.source import plan_mini_batches
from fanout.planning.tables import shuffle as spilling
from fanout.planning.tables.shuffle_store import ShuffleStore
from fanout.records.mini_batch import MiniBatch, encode
from fanout.storage.access import Access
from fanout.tables.formats.delta import NULL
from fanout.tables.table_parts import read_pieces
from fanout.tables.whole_table import load_table

Step = Callable[..., ParallelStep]
MakeTable = Callable[..., str]
ACCESS = Access()
CSV: dict[str, Any] = {"read_delimited": {}}
SALES = "store,brand,n,day,flag\n" + "".join(
    f"{i % 3 + 5},{'xyz'[i % 2]},{'' if i % 3 == 1 else i},2020-01-{i % 28 + 1:02},{'t' if i % 2 else ''}\n"
    for i in range(60)
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small table has several."""
    monkeypatch.setattr(spilling, "BLOCK_BYTES", 300)
    monkeypatch.setattr("fanout.planning.tables.shuffle_store.GROUP_ROWS", 4)


def planned(step: Step, folder: str, spill: ShuffleStore, *keys: str) -> tuple[list[MiniBatch], list[pd.DataFrame]]:
    """The mini-batches, and the frame that a slot would read of each."""
    found = plan_mini_batches(step(partition_keys=keys), folder, DataType.MLTABLE, InputMode.DIRECT, ACCESS, spill)
    batches = list(found.batches)
    assert found.recipe is not None
    recipe = found.recipe
    return batches, [read_pieces(recipe, batch.pieces) for batch in batches] if spill.access else []


@pytest.fixture
def spill(tmp_path: Path) -> ShuffleStore:
    """A folder for spilled rows."""
    return ShuffleStore(uris.from_path(tmp_path / "spilled"), ACCESS)


def test_each_mini_batch_has_all_rows_of_its_keys(step: Step, make_table: MakeTable, spill: ShuffleStore) -> None:
    """In the table's order, of several files, with the types of what is there; values are text in the context."""
    folder = make_table({"a.csv": SALES, "b.csv": "store,brand,n,day,flag\n5,x,7,,\n9,,8,,\n"}, CSV)
    batches, frames = planned(step, folder, spill, "store", "brand")
    whole = load_table(folder, ACCESS)
    groups = dict(iter(whole.groupby(["store", "brand"], dropna=False, sort=False)))
    assert [batch.partition for batch in batches] == sorted(
        ({"store": str(s), "brand": NULL if pd.isna(b) else b} for s, b in groups),
        key=lambda p: (p["store"], p["brand"]),
    )
    by_text = {(str(s), NULL if pd.isna(b) else b): rows for (s, b), rows in groups.items()}
    for batch, frame in zip(batches, frames, strict=True):
        expected = by_text[batch.partition["store"], batch.partition["brand"]]
        assert list(frame.index) == list(range(len(expected))) and batch.items == len(expected)
        assert list(frame.columns) == list(whole.columns)
        for name in frame.columns:
            mine, theirs = frame[name].tolist(), expected[name].tolist()
            assert [None if pd.isna(v) else v for v in mine] == [None if pd.isna(v) else v for v in theirs]
    dtypes = {
        batch.partition["store"]: dict(frame.dtypes.astype(str)) for batch, frame in zip(batches, frames, strict=True)
    }
    assert dtypes["7"] == {"store": "int64", "brand": "object", "n": "int64", "day": "datetime64[ns]", "flag": "bool"}
    assert dtypes["6"]["n"] == "object"  # nothing but nulls
    assert dtypes["9"]["day"] == "object"


def test_the_plan_is_the_same_every_time(step: Step, make_table: MakeTable, spill: ShuffleStore) -> None:
    """Also when nothing is written; other rows are put into other files, so that those of a plan stay what they are."""
    folder = make_table({"a.csv": SALES}, CSV)
    first = list(map(encode, planned(step, folder, spill, "brand")[0]))
    written = sorted(path.name for path in Path(uris.to_path(spill.uri)).iterdir())
    assert len(written) > 2
    assert list(map(encode, planned(step, folder, spill, "brand")[0])) == first
    assert list(map(encode, planned(step, folder, ShuffleStore(spill.uri), "brand")[0])) == first
    other = make_table({"a.csv": SALES.replace("x", "w")}, CSV)
    planned(step, other, spill, "brand")
    assert set(written) < {path.name for path in Path(uris.to_path(spill.uri)).iterdir()}


def test_nothing_is_written_without_a_place(step: Step, make_table: MakeTable, spill: ShuffleStore) -> None:
    """For `fanout plan`, and for seeing whether an input has changed."""
    planned(step, make_table({"a.csv": SALES}, CSV), ShuffleStore(spill.uri), "brand")
    assert not Path(uris.to_path(spill.uri)).exists()


@pytest.mark.parametrize(
    ("steps", "rows"),
    [
        ([{"filter": 'col("store") > 5'}, {"drop_columns": ["day"]}], 40),
        ([{"skip": 5}, {"take": 20}], 20),
        ([{"filter": 'brand == "x"'}, {"take": 3}], 3),
        ([{"convert_column_types": [{"columns": "store", "column_type": "string"}]}], 60),
    ],
)
def test_transformations_come_before(
    step: Step, make_table: MakeTable, spill: ShuffleStore, steps: list[dict[str, Any]], rows: int
) -> None:
    """take and skip count rows of the whole table, whatever the keys."""
    folder = make_table({"a.csv": SALES}, CSV, *steps)
    batches, frames = planned(step, folder, spill, "store")
    whole = load_table(folder, ACCESS)
    assert sum(batch.items or 0 for batch in batches) == len(whole) == rows
    together = pd.concat(frames).sort_values(["day" if "day" in whole else "n", "n"], ignore_index=True)
    assert together["store"].value_counts().to_dict() == whole["store"].value_counts().to_dict()


def test_keys_may_be_columns_and_parts_of_paths(step: Step, make_table: MakeTable, spill: ShuffleStore) -> None:
    """A table partitioned by folders, divided by a column besides."""
    files = {"2020/a.csv": "k\nx\ny\n", "2021/b.csv": "k\ny\n"}
    year = {"extract_columns_from_partition_format": {"partition_format": "/{year}/{name}.csv"}}
    folder = make_table(
        files, {"read_delimited": {"include_path_column": True}}, year, paths=[{"pattern": "./*/*.csv"}]
    )
    batches, frames = planned(step, folder, spill, "year", "k")
    assert [tuple(batch.partition.values()) for batch in batches] == [("2020", "x"), ("2020", "y"), ("2021", "y")]
    assert [frame["name"].tolist() for frame in frames] == [["a"], ["a"], ["b"]]


def test_parquet_and_json_lines(step: Step, make_table: MakeTable, spill: ShuffleStore, tmp_path: Path) -> None:
    """By row group, and with columns that only some rows have."""
    pq.write_table(
        pa.table({"k": [1.5, 2.0, None] * 4, "l": [[1], None, [2, 3]] * 4}), tmp_path / "t.parquet", row_group_size=5
    )
    folder = make_table({"t.parquet": (tmp_path / "t.parquet").read_bytes()}, {"read_parquet": {}})
    batches, frames = planned(step, folder, spill, "k")
    assert [batch.partition["k"] for batch in batches] == ["1.5", "2", NULL]
    assert [list(value) for value in frames[2]["l"]] == [[2, 3]] * 4
    lines = {"a.jsonl": '{"a":1}\n{"k":true,"a":2}\n{"k":false,"a":3}\n'}
    batches, frames = planned(
        step, make_table(lines, {"read_json_lines": {}}, paths=[{"file": "./a.jsonl"}]), spill, "k"
    )
    assert [batch.partition["k"] for batch in batches] == ["False", "True", NULL]
    assert [frame["a"].tolist() for frame in frames] == [[3], [2], [1]]


@pytest.mark.parametrize(
    ("keys", "why"),
    [(("brnad",), "brnad: no such column.*did you mean 'brand'"), (("brand", "brand"), "each key once")],
)
def test_what_is_no_key_is_refused(
    step: Step, make_table: MakeTable, spill: ShuffleStore, keys: tuple[str, ...], why: str
) -> None:
    """Before any mini-batch exists."""
    with pytest.raises(InputError, match=f"partition_keys: {why}"):
        planned(step, make_table({"a.csv": SALES}, CSV), spill, *keys)
