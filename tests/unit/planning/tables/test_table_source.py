"""Tables of parquet from files to frames: the types of the files, the same ones in every mini-batch."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fanout.files import uris
from fanout.pipeline.model import DataType, MiniBatchSize, ParallelStep
from fanout.planning.source import plan_mini_batches
from fanout.planning.tables.shuffle_store import NOWHERE, ShuffleStore
from fanout.storage.access import Access
from fanout.tables.file_parts import Section
from fanout.tables.recipe import from_json
from fanout.tables.table_parts import read_pieces

ACCESS = Access()
Step = Callable[..., ParallelStep]
OWN_TYPES = {
    "i": pa.array([1, -2, 3, 4], pa.int8()),
    "u": pa.array([2**63 + 5, 1, 2, 3], pa.uint64()),
    "f": pa.array([0.5, None, 1.5, 2.5], pa.float32()),
    "d": pa.array([0, 1, 2_932_896, 3], pa.date32()),
    "t": pa.array([0, 1, 2, 3], pa.timestamp("us", "Europe/Berlin")),
    "k": pa.array(["a", "b", "a", "b"]),
}
OWN_DTYPES = ["int8", "uint64", "float32", "object", "datetime64[us, Europe/Berlin]", "object"]
WIDENED = ["int64", "int64", "float64", "datetime64[ns]", "datetime64[ns]", "object"]
WAYS: list[dict[str, Any]] = [
    {"mini_batch_size": MiniBatchSize(1)},
    {"mini_batch_rows": 3},
    {"partition_keys": ("k",)},
]


def parquet_table(folder: Path, *files: dict[str, pa.Array], steps: str = "") -> str:
    for number, columns in enumerate(files):
        pq.write_table(pa.table(columns), folder / f"{number}.parquet", row_group_size=2)
    (folder / "MLTable").write_text(f"paths: [{{pattern: '*.parquet'}}]\ntransformations:\n- read_parquet\n{steps}")
    return str(folder)


def read_as_stored(step: ParallelStep, folder: str, spilled: Path) -> list[pd.DataFrame]:
    """The frame of each mini-batch, by the recipe that is stored when all have been found."""
    spilled.mkdir(exist_ok=True)
    planned = plan_mini_batches(
        step, folder, DataType.MLTABLE, None, ACCESS, ShuffleStore(uris.from_path(spilled), ACCESS)
    )
    found = [
        [Section(piece.uri, piece.start, piece.stop, piece.cut.value) for piece in batch.pieces]
        for batch in planned.batches
    ]
    recipe = from_json(planned.recipe_json or "", "recipe")
    return [read_pieces(recipe, pieces) for pieces in found]


def dtypes(frame: pd.DataFrame) -> list[str]:
    return [str(dtype) for dtype in frame.dtypes]


@pytest.mark.parametrize("settings", WAYS, ids=str)
@pytest.mark.parametrize("steps", ["", "- keep_columns: [i, u, f, d, t, k]\n"])
def test_parquet_keeps_its_types_however_it_is_cut(
    step: Step, tmp_path: Path, settings: dict[str, Any], steps: str
) -> None:
    """As the original reads it where rows are left as they are; a column of gaps keeps its type, too."""
    gaps = OWN_TYPES | {"f": pa.nulls(4, pa.float32()), "t": pa.nulls(4, OWN_TYPES["t"].type)}
    folder = parquet_table(tmp_path, OWN_TYPES, gaps, steps=steps)
    found = read_as_stored(step(**settings), folder, tmp_path / "spilled")
    assert len(found) > 1
    assert [dtypes(frame) for frame in found] == [OWN_DTYPES] * len(found)
    rows = pd.concat(found)
    assert sorted(rows["u"])[-2:] == [2**63 + 5] * 2
    assert max(rows["d"]) == datetime.date(9999, 12, 31)
    assert str(min(rows["t"].dropna())) == "1970-01-01 01:00:00+01:00"


@pytest.mark.parametrize("settings", WAYS, ids=str)
def test_parquet_is_widened_where_rows_are_made_anew(step: Step, tmp_path: Path, settings: dict[str, Any]) -> None:
    """By a filter, here; every mini-batch alike."""
    columns = OWN_TYPES | {"u": pa.array([5, 1, 2, 3], pa.uint64()), "d": pa.array([0, 1, 2, 3], pa.date32())}
    folder = parquet_table(tmp_path, columns, columns, steps='- filter: col("i") > -5\n')
    found = read_as_stored(step(**settings), folder, tmp_path / "spilled")
    assert {tuple(dtypes(frame)) for frame in found} <= {tuple(WIDENED)}


@pytest.mark.parametrize("settings", WAYS, ids=str)
def test_files_of_other_types_give_all_mini_batches_the_wide_ones(
    step: Step, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """The last file alone differs, and it changes the first mini-batch; so the frames fit together."""
    texts = {"k": OWN_TYPES["k"]}
    small, large = ({"i": pa.array([1, 2, 3, 4], kind), **texts} for kind in (pa.int8(), pa.int64()))
    found = read_as_stored(step(**settings), parquet_table(tmp_path, small, small, large), tmp_path / "spilled")
    assert [dtypes(frame) for frame in found] == [["int64", "object"]] * len(found)


@pytest.mark.parametrize("settings", WAYS, ids=str)
def test_files_without_rows_have_no_say_in_types(step: Step, tmp_path: Path, settings: dict[str, Any]) -> None:
    """Nor has a column that is dropped."""
    empty = {"i": pa.array([], pa.int64()), "k": pa.array([], pa.string())}
    narrow = {"i": pa.array([1, 2], pa.int8()), "k": pa.array(["a", "b"])}
    wide = narrow | {"more": pa.array([1, 2])}
    folder = parquet_table(tmp_path, empty, narrow, wide, steps="- drop_columns: more\n")
    found = read_as_stored(step(**settings), folder, tmp_path / "spilled")
    assert [dtypes(frame) for frame in found] == [["int8", "object"]] * len(found)


def test_dates_are_partition_keys_as_ever(step: Step, tmp_path: Path) -> None:
    """The text of a key does not depend on the type that its column keeps."""
    folder = parquet_table(tmp_path, OWN_TYPES | {"d": pa.array([0, 0, 1, None], pa.date32())})
    planned = plan_mini_batches(step(partition_keys=("d",)), folder, DataType.MLTABLE, None, ACCESS, NOWHERE)
    assert [batch.partition["d"] for batch in planned.batches] == [
        "1970-01-01 00:00:00",
        "1970-01-02 00:00:00",
        "__HIVE_DEFAULT_PARTITION__",
    ]
