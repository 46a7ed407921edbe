"""What a table's methods leave of it; none changes the table it is called on."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanout import mltable
from fanout.errors import InputError
from fanout.mltable import DataType, MLTable

ROWS = [*range(10), *range(100, 105)]


@pytest.fixture
def table(folder: Path) -> MLTable:
    return mltable.load("d")


def rows(table: MLTable) -> list[int]:
    frame = table.to_pandas_dataframe()
    return frame["a"].tolist() if len(frame) else []


def test_each_method_returns_another_table(table: MLTable) -> None:
    """The one it was called on still reads as before, so tables can be shared and kept."""
    before = repr(table)
    others = [
        table.take(3),
        table.skip(12),
        table.filter('col("a") > 100'),
        table.keep_columns("a"),
        table.drop_columns(["b"]),
        table.convert_column_types({"a": DataType.to_string()}),
        table.take_random_sample(0.5, seed=1),
        *table.random_split(0.5, seed=1),
        table.extract_columns_from_partition_format("/{q}.csv"),
    ]
    assert len({*others, table}) == len(others)  # the sample is the first half of the split
    assert others[6] == others[7]
    assert repr(table) == before
    assert rows(table) == ROWS


def test_rows_by_place_and_by_value(table: MLTable) -> None:
    """In the order of the calls, over all files."""
    assert rows(table.take(3)) == [0, 1, 2]
    assert rows(table.skip(12)) == [102, 103, 104]
    assert rows(table.skip(8).take(4)) == [8, 9, 100, 101]
    assert rows(table.filter('col("a") > 3').take(3)) == [4, 5, 6]
    assert rows(table.take(6).filter("a > 3 and not (b == 'x5')")) == [4]
    assert rows(table.filter('f == "b"')) == [100, 101, 102, 103, 104]
    assert rows(table.filter("a > 1000")) == []


def test_columns(table: MLTable) -> None:
    """In the table's order, whatever the order of the names; names that are not there are ignored."""
    assert list(table.keep_columns(["b", "a", "nope"]).show(1)) == ["a", "b"]
    assert list(table.keep_columns({"a"}).show(1)) == ["a"]
    assert list(table.drop_columns("Path").show(1)) == ["a", "b", "d", "f"]
    assert table.drop_columns(()) == table
    assert table.partition_keys == ["d", "f"]
    frame = table.convert_column_types({"a": DataType.to_string(), ("b", "f"): "string"}).show(2)
    assert frame["a"].tolist() == ["0", "1"]


def test_show_validate_and_repr(table: MLTable, folder: Path) -> None:
    """A look at the first rows; whether there are any; and the table as a file with absolute paths."""
    assert table.show(2)["b"].tolist() == ["x0", "x1"]
    assert len(table.show()) == 15
    table.validate()
    (folder / "d" / "a.csv").unlink()
    with pytest.raises(InputError, match=r"d/a\.csv"):
        table.validate()
    assert f"- file: {(folder / 'd/a.csv').as_uri()}\n- pattern: {(folder / 'd/sub').as_uri()}/*.csv\n" in repr(table)


def test_partition_columns_of_a_table_without_its_paths(folder: Path) -> None:
    """The values come from the paths, which the rows need not show for that."""
    table = mltable.from_delimited_files([{"file": "d/a.csv"}, {"file": "d/sub/b.csv"}])
    frame = table.extract_columns_from_partition_format("/{day}/{file}.csv").to_pandas_dataframe()
    assert list(frame) == ["a", "b", "day", "file"]
    assert frame["day"].tolist() == ["d"] * 10 + ["sub"] * 5
    files = mltable.from_paths([{"file": "d/a.csv"}]).extract_columns_from_partition_format("/{file}.csv")
    assert files.to_pandas_dataframe().to_dict("list") == {"Path": [f"{folder}/d/a.csv"], "file": ["a"]}


def test_what_is_shown_of_a_table_lets_nobody_in(folder: Path) -> None:
    """Tables are printed into logs; signatures in their URIs are not."""
    table = mltable.from_parquet_files([{"file": "https://user:word@host/a.parquet?sig=secret"}])
    assert "- file: https://host/a.parquet\n" in repr(table)
    assert "secret" not in repr(table)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0.01, 0.99), st.integers(0, 2**40))
def test_a_split_shares_out_every_row(table: MLTable, percent: float, seed: int) -> None:
    """Each row is in one half, in the table's order, and the same again for the same seed."""
    first, second = table.random_split(percent, seed)
    assert sorted(rows(first) + rows(second)) == ROWS
    assert rows(first) == sorted(rows(first)) == rows(table.random_split(percent, seed)[0])
    assert rows(first) == rows(table.take_random_sample(percent, seed))


def test_without_a_seed_a_table_keeps_the_one_it_chose(table: MLTable) -> None:
    """Read twice, a sample is the same; its seed can be read from the table."""
    sample = table.take_random_sample(0.5)
    assert rows(sample) == rows(sample)
    assert "seed: " in repr(sample)


@pytest.mark.parametrize(
    ("method", "arguments", "why"),
    [
        ("take", (0,), "take: expected a whole number of at least 1"),
        ("show", (-1,), "take: expected"),
        ("skip", (0,), "skip: expected"),
        ("take_random_sample", (1,), "probability: expected"),
        ("take_random_sample", (0.5, "x"), "seed: expected"),
        ("random_split", (0,), "percent: expected"),
        ("filter", (3,), "filter: expected text"),
        ("filter", ('col("a" >',), "filter"),
        ("keep_columns", ([],), "keep_columns: expected at least one"),
        ("drop_columns", (["a", "a"],), "drop_columns: each column once"),
        ("convert_column_types", ({},), "convert_column_types: expected a dictionary"),
        ("extract_columns_from_partition_format", (3,), "partition_format: expected text"),
        ("extract_columns_from_partition_format", ("/x.csv",), "partition_format.*names no column"),
    ],
)
def test_what_is_refused_at_once(table: MLTable, method: str, arguments: tuple[Any, ...], why: str) -> None:
    """When the method is called, not when rows are asked for."""
    with pytest.raises(InputError, match=why):
        getattr(table, method)(*arguments)
