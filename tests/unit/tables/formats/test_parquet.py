"""Parts of parquet files."""

import os
import re
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from fanout.errors import InputError
from fanout.tables.formats.parquet import read_all, read_row_groups, read_rows, with_plain_texts
from fanout.tables.transformations import Filter, KeepColumns


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Ten rows in row groups of four, four and two."""
    table = pa.table({"a": range(10), "b": [str(i) for i in range(10)]})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=4)
    return str(tmp_path / "t.parquet")


def test_row_groups_by_number(path: str) -> None:
    """The unit that the planner cuts by."""
    assert read_row_groups(path, 1, 3)["a"].to_pylist() == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 10), (0, 1), (3, 5), (4, 8), (9, 10), (2, 9), (8, 99), (10, 12), (3, 3)]
)
def test_rows_across_row_groups(path: str, start: int, stop: int) -> None:
    """Any range of rows, cut off at the end of the file."""
    assert read_rows(path, start, stop)["a"].to_pylist() == list(range(start, min(stop, 10)))


def test_columns_that_are_dropped_unseen_are_not_read(path: str) -> None:
    """What a filter looks at is read, even when it is dropped later."""
    assert read_all(path, (KeepColumns(("b",)),)).column_names == ["b"]
    assert read_all(path, (Filter('col("a") > 1'), KeepColumns(("b",)))).column_names == ["a", "b"]


def test_row_groups_that_are_not_there_are_an_error(path: str) -> None:
    """The file is not the one that was planned."""
    with pytest.raises(InputError, match=r"has 3 row groups, asked for \[2, 5\)"):
        read_row_groups(path, 2, 5)


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    """Or is not there at all."""
    (tmp_path / "x.parquet").write_text("a,b\n")
    with pytest.raises(InputError, match=r"x\.parquet: cannot be read as parquet"):
        read_all(str(tmp_path / "x.parquet"))
    with pytest.raises(InputError, match=r"y\.parquet: not found"):
        read_all(str(tmp_path / "y.parquet"))


@pytest.mark.parametrize("at", range(4, 200, 7))
def test_a_damaged_page_is_the_fault_of_its_file(path: str, at: int) -> None:
    """The footer may be well and a page not: found while reading, and told by the file's name."""
    body = bytearray(Path(path).read_bytes())
    body[at : at + 4] = b"\xff\xff\xff\x7f"
    Path(path).write_bytes(body)
    try:
        assert len(read_all(path)) == 10
    except InputError as error:
        assert re.search(r"t\.parquet: cannot be read as parquet", str(error))


def test_any_name_a_file_can_have(path: str, tmp_path: Path) -> None:
    """Names are bytes; those that are no UTF-8 are opened like all others."""
    odd = tmp_path / os.fsdecode(b"caf\xe9.parquet")
    Path(path).rename(odd)
    assert len(read_all(str(odd))) == 10


def test_few_different_texts_come_as_a_dictionary(tmp_path: Path) -> None:
    """As they are stored; many different ones, other types and texts inside of others come as they are."""
    rows = 30_000
    columns = {
        "few": ["red", "green", None] * (rows // 3),
        "many": [f"number {row}" for row in range(rows)],
        "number": [1] * rows,
        "a.b": ["x"] * rows,
        "a": [{"b": "y"}] * rows,
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet", row_group_size=10_000)
    for read in (read_all, lambda path: read_row_groups(path, 1, 3), lambda path: read_rows(path, 5, 25_000)):
        table = read(str(tmp_path / "t.parquet"))
        kept = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
        plain = with_plain_texts(table)
        assert kept == ["few"]
        assert plain.schema.field("few").type == pa.string()
        assert plain["few"].to_pylist() == table["few"].to_pylist()
        assert set(table["few"].to_pylist()) == {"red", "green", None}


def test_a_file_without_row_groups(tmp_path: Path) -> None:
    """No rows, but columns."""
    schema = pa.schema({"a": pa.string()})
    pq.ParquetWriter(tmp_path / "t.parquet", schema).close()
    assert read_all(str(tmp_path / "t.parquet")).schema == schema
