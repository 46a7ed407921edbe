"""Whole tables, and the parts of the files that a table of a few rows needs."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from fanout.errors import InputError
from fanout.files.byte_ranges import read_head
from fanout.storage.access import Access
from fanout.tables.mltable_file import MLTableFile, list_files, parse_mltable
from fanout.tables.recipe import TableRecipe
from fanout.tables.resolution import resolve_recipe
from fanout.tables.row_limits import rows_wanted
from fanout.tables.transformations import Filter, KeepColumns, Skip, Take, TakeSample, Transformation
from fanout.tables.whole_table import load_table, needed

FILTER, SAMPLE = Filter('col("a") > 1'), TakeSample(0.5, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows 0 to 29 in three files of each format."""
    root = tmp_path_factory.mktemp("tables")
    for file in range(3):
        rows = range(file * 10, file * 10 + 10)
        (root / f"{file}.csv").write_text("a,b\n" + "".join(f"{i},x{i}\n" for i in rows))
        (root / f"{file}.jsonl").write_text("".join(f'{{"a":{i},"b":"x{i}"}}\n\n' for i in rows))
        (root / f"{file}.quoted").write_text("a,b\n" + "".join(f'{i},"x\n{i}"\n' for i in rows))
        frame = pa.table({"a": list(rows), "b": [f"x{i}" for i in rows]})
        pq.write_table(frame, root / f"{file}.parquet", row_group_size=4)
    return root


READERS = {
    "csv": "read_delimited",
    "jsonl": "read_json_lines",
    "quoted": "read_delimited: {support_multi_line: true}",
    "parquet": "read_parquet",
}


def table_of(folder: Path, suffix: str, *steps: str) -> MLTableFile:
    lines = "".join(f"\n- {step}" for step in (READERS[suffix], *steps))
    text = f"paths: [{{pattern: '*.{suffix}'}}]\ntransformations:{lines}\n"
    return parse_mltable(text.encode(), f"{folder.as_uri()}/MLTable")


def recipe_of(table: MLTableFile) -> TableRecipe:
    files = [entry.uri for entry in list_files(table, Access())]
    return resolve_recipe(table, files, lambda uri, size: read_head(uri, size, Access()))


@pytest.mark.parametrize(
    ("steps", "rows"),
    [
        ((), None),
        ((Take(5),), 5),
        ((Skip(2), Take(5)), 7),
        ((Take(5), Skip(2)), 5),
        ((Take(5), Take(3)), 3),
        ((Skip(2),), None),
        ((Take(5), FILTER, Take(1)), 5),
        ((KeepColumns(("a",)), Take(5), SAMPLE), 5),
        ((FILTER, Take(5)), None),
        ((SAMPLE, Take(5)), None),
    ],
)
def test_how_many_rows_from_the_start_are_enough(steps: tuple[Transformation, ...], rows: int | None) -> None:
    """Only what take and skip say before any row is judged by its values limits what must be read."""
    assert rows_wanted(steps) == rows


@pytest.mark.parametrize("suffix", READERS)
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["take", "skip"]), st.integers(0, 35)), max_size=3))
def test_reading_only_what_is_needed_changes_nothing(folder: Path, suffix: str, steps: list[tuple[str, int]]) -> None:
    """Any take and skip leave the same rows as they leave of the whole table read at once."""
    rows = list(range(30))
    for kind, count in steps:
        rows = rows[:count] if kind == "take" else rows[count:]
    frame = load_table(table_of(folder, suffix, *(f"{kind}: {count}" for kind, count in steps)), Access())
    assert (frame["a"].tolist() if len(frame) else []) == rows


@pytest.mark.parametrize("suffix", ["csv", "quoted", "parquet"])
def test_the_first_rows_do_not_need_the_other_files(folder: Path, suffix: str) -> None:
    """Of the first file a part, of the second nothing."""
    table = table_of(folder, suffix, "skip: 1", "take: 2")
    [section] = needed(recipe_of(table), list_files(table, Access()), Access())
    assert section.uri.endswith(f"0.{suffix}")
    assert section.stop == 3 if suffix == "parquet" else 0 < section.stop < (folder / f"0.{suffix}").stat().st_size


def test_a_seed_splits_a_table_in_two(folder: Path) -> None:
    """Each row has one draw: what one half leaves out is what the other one takes."""
    half = "sample: {sampler: random_percent, sampler_arguments: {seed: 3, %s}}"
    low = load_table(table_of(folder, "csv", half % "probability: 0.4"), Access())
    high = load_table(table_of(folder, "csv", half % "probability: 1, probability_lower_bound: 0.4"), Access())
    assert 0 < len(low) < len(high)
    assert sorted([*low["a"], *high["a"]]) == list(range(30))
    same = load_table(table_of(folder, "csv", "take_random_sample: {probability: 0.4, seed: 3}"), Access())
    pd.testing.assert_frame_equal(low, same)


@pytest.mark.parametrize(
    ("steps", "dtype"),
    [
        ("", "int8"),
        ("- keep_columns: [n, Path]\n", "int8"),
        ("- take: 2\n", "int64"),
        ('- filter: col("n") > 0\n', "int64"),
        ("- convert_column_types: [{columns: other, column_type: int}]\n", "int64"),
        ("- extract_columns_from_partition_format: {partition_format: '/{name}.parquet'}\n", "int64"),
    ],
)
def test_a_whole_table_of_parquet_has_its_types(tmp_path: Path, steps: str, dtype: str) -> None:
    """Measured with mltable 1.7.0: what makes rows anew widens all columns, also those that it is not about."""
    for name in "ab":
        pq.write_table(pa.table({"n": pa.array([1, 2], pa.int8())}), tmp_path / f"{name}.parquet")
    reader = "- read_parquet: {include_path_column: true}\n"
    (tmp_path / "MLTable").write_text(f"paths: [{{pattern: '*.parquet'}}]\ntransformations:\n{reader}{steps}")
    assert str(load_table(str(tmp_path), Access())["n"].dtype) == dtype


def test_a_zone_that_is_not_known_is_named(tmp_path: Path) -> None:
    """With its column."""
    pq.write_table(pa.table({"t": pa.array([0], pa.timestamp("us", "Mars/Olympus"))}), tmp_path / "a.parquet")
    (tmp_path / "MLTable").write_text("paths: [{file: a.parquet}]\ntransformations: [read_parquet]\n")
    with pytest.raises(InputError, match=r"column t: .*Mars/Olympus"):
        load_table(str(tmp_path), Access())
