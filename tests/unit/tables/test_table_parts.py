"""Parts of tables, and whole ones, as DataFrames."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from fanout.errors import InputError
from fanout.records.mini_batch import Cut, Piece
from fanout.storage.access import Access
from fanout.tables.blocks import Block, GlobalRows
from fanout.tables.formats.readers import Delimited, HeaderMode, JsonLines, Parquet, Reader
from fanout.tables.recipe import Column, TableRecipe
from fanout.tables.table_parts import Section, read_block, read_pieces, transform_rows
from fanout.tables.transformations import ExtractPartitions, Filter, KeepColumns, Take, Transformation
from fanout.tables.values.types import STRING, ColumnType, Kind
from fanout.tables.whole_table import load_table

INT, FLOAT = ColumnType(Kind.INT), ColumnType(Kind.FLOAT)


def recipe(reader: Reader, *steps: Transformation, **columns: ColumnType) -> TableRecipe:
    return TableRecipe(reader, tuple(Column(name, column) for name, column in columns.items()), steps)


def rows(frame: pd.DataFrame) -> list[list[Any]]:
    return [[None if pd.isna(value) else value for value in row] for row in frame.astype(object).to_numpy().tolist()]


@pytest.fixture
def csv(tmp_path: Path) -> str:
    """Five rows behind a header; the third row begins at byte 12."""
    (tmp_path / "a.csv").write_text("a,b\n1,x\n2,y\n3,z\n4,\n5,w\n")
    return f"file://{tmp_path}/a.csv"


def test_a_piece_of_the_plan_is_read_as_it_is(csv: str) -> None:
    """The first block skips the header, later ones have none; rows are numbered from 0."""
    table = recipe(Delimited(), a=INT, b=STRING)
    assert rows(read_pieces(table, [Piece(csv, 0, 12, Cut.BYTES)])) == [[1, "x"], [2, "y"]]
    later = read_pieces(table, [Piece(csv, 12, 23, Cut.BYTES)])
    assert rows(later) == [[3, "z"], [4, None], [5, "w"]]
    assert list(later.index) == [0, 1, 2]


def test_pieces_come_one_below_the_other(csv: str) -> None:
    """In the order given, the same file twice if need be."""
    table = recipe(Delimited(), a=INT, b=STRING)
    pieces = [Piece(csv, 12, 16, Cut.BYTES), Piece(csv, 0, 8, Cut.BYTES), Piece(csv, 0, 0, Cut.WHOLE)]
    assert read_pieces(table, pieces)["a"].tolist() == [3, 1, 1, 2, 3, 4, 5]


def test_rows_of_a_file_are_counted_behind_its_header(csv: str) -> None:
    """Also with quoted line breaks."""
    for reader in (Delimited(), Delimited(support_multi_line=True)):
        table = recipe(reader, a=INT, b=STRING)
        assert read_pieces(table, [Piece(csv, 1, 3, Cut.ROWS)])["a"].tolist() == [2, 3]


def test_a_copy_of_a_part_stands_for_the_file(tmp_path: Path) -> None:
    """What the node fetched begins in the middle of the object; paths still name the object."""
    (tmp_path / "part").write_bytes(b"3,z\n4,\n")
    table = recipe(Delimited(include_path_column=True), ExtractPartitions("{k}/{f}.csv"), a=INT, b=STRING)
    section = Section("s3://bucket/k1/a.csv", 12, 19, "bytes", path=str(tmp_path / "part"), offset=12)
    assert rows(read_pieces(table, [section])) == [
        ["s3://bucket/k1/a.csv", 3, "z", "k1", "a"],
        ["s3://bucket/k1/a.csv", 4, None, "k1", "a"],
    ]


def test_the_path_column_is_plain_for_local_files(tmp_path: Path) -> None:
    """Not percent-encoded, and once for each row."""
    (tmp_path / "a b.csv").write_text("5\n6\n")
    reader = Delimited(header=HeaderMode.NO_HEADER, include_path_column=True)
    frame = read_pieces(recipe(reader, a=INT), [Section(f"file://{tmp_path}/a%20b.csv")])
    assert frame["Path"].tolist() == [f"{tmp_path}/a b.csv"] * 2


def test_a_piece_with_nothing_left_has_no_columns(csv: str) -> None:
    """As in the original (reference, section 12)."""
    assert read_pieces(recipe(Delimited(), Filter('col("a") > 9'), a=INT, b=STRING), [Section(csv)]).shape == (0, 0)
    assert read_pieces(recipe(Delimited(), a=INT), []).shape == (0, 0)


def test_every_mini_batch_has_the_types_of_the_table(csv: str) -> None:
    """A column of fractions is one in a block of whole numbers too, and a misfit is null."""
    table = recipe(Delimited(), a=FLOAT, b=FLOAT)
    found = read_pieces(table, [Piece(csv, 0, 8, Cut.BYTES)])
    assert [str(dtype) for dtype in found.dtypes] == ["float64", "object"]
    assert rows(found) == [[1.0, None]]


def test_files_of_different_width_fit_together(tmp_path: Path) -> None:
    """A long line in one file is a null in the others."""
    (tmp_path / "a.csv").write_text("a\n5\n")
    (tmp_path / "b.csv").write_text("a\n6,7\n")
    frame = read_pieces(recipe(Delimited(), a=INT), [Section(f"file://{tmp_path}/{n}.csv") for n in "ab"])
    assert rows(frame) == [[5, None], [6, "7"]]


def test_every_file_may_have_its_own_names(tmp_path: Path) -> None:
    """Known columns first; one that the head of the table did not show has its type from these files."""
    (tmp_path / "a.csv").write_text("b,a\nx,5\n")
    (tmp_path / "b.csv").write_text("a,c\n6,2.5\n")
    reader = Delimited(header=HeaderMode.ALL_FILES_DIFFERENT_HEADERS)
    frame = read_pieces(recipe(reader, a=INT, z=STRING), [Section(f"file://{tmp_path}/{n}.csv") for n in "ab"])
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "a": "int64",
        "z": "object",
        "b": "object",
        "c": "float64",
    }
    assert rows(frame) == [[5, None, "x", None], [6, None, None, 2.5]]


@pytest.mark.parametrize(
    ("encoding", "codec"), [("utf16", "utf-16"), ("windows1252", "cp1252"), ("utf8bom", "utf-8-sig")]
)
def test_encodings_are_followed(encoding: str, codec: str, tmp_path: Path) -> None:
    """A byte order mark is no part of the first name or value."""
    (tmp_path / "a.csv").write_bytes("5,é\n6,ü\n".encode(codec))
    reader = Delimited(encoding=encoding, header=HeaderMode.NO_HEADER)
    assert rows(read_pieces(recipe(reader, a=INT, b=STRING), [Section(f"file://{tmp_path}/a.csv")])) == [
        [5, "é"],
        [6, "ü"],
    ]


def test_json_lines_in_parts(tmp_path: Path) -> None:
    """By bytes and by rows; every mini-batch has the known columns, of the known types."""
    (tmp_path / "a.jsonl").write_text('{"a":1}\n{"a":2,"c":[1]}\n\n{"a":3.0}\n')
    uri = f"file://{tmp_path}/a.jsonl"
    table = recipe(JsonLines(), a=FLOAT, b=STRING)
    first = read_pieces(table, [Piece(uri, 0, 8, Cut.BYTES)])
    assert first["a"].tolist() == [None]
    later = read_pieces(table, [Piece(uri, 1, 3, Cut.ROWS)])
    assert list(later.columns) == ["a", "b", "c"]
    assert str(later["a"].dtype) == "float64"
    assert later["a"].isna().tolist() == [True, False]
    assert [None if value is None else list(value) for value in later["c"]] == [[1], None]


def test_parquet_in_parts(tmp_path: Path) -> None:
    """By row groups, by rows and whole, with the columns that are wanted."""
    pq.write_table(pa.table({"a": range(6), "b": list("uvwxyz")}), tmp_path / "a.parquet", row_group_size=2)
    uri = f"file://{tmp_path}/a.parquet"
    assert rows(read_pieces(recipe(Parquet()), [Piece(uri, 1, 2, Cut.ROW_GROUPS)])) == [[2, "w"], [3, "x"]]
    assert rows(read_pieces(recipe(Parquet(), KeepColumns(("b",))), [Piece(uri, 3, 5, Cut.ROWS)])) == [["x"], ["y"]]
    assert len(read_pieces(recipe(Parquet()), [Piece(uri, 0, 0, Cut.WHOLE)])) == 6


@pytest.mark.parametrize("pieces", ["a", "ab", "ba"])
def test_texts_of_parquet_are_the_same_however_they_are_stored(tmp_path: Path, pieces: str) -> None:
    """Few different ones, kept in a dictionary for each row group, and many beside them: Python's strings and None."""
    texts = {"a": ["red", None, "green"] * 100, "b": [str(number) for number in range(300)]}
    for name, values in texts.items():
        values = pa.array(values, pa.string())
        pq.write_table(pa.table({"t": values}), tmp_path / f"{name}.parquet", row_group_size=200)
    frame = read_pieces(recipe(Parquet()), [Section(f"file://{tmp_path}/{name}.parquet") for name in pieces])
    assert frame["t"].dtype == object
    assert frame["t"].tolist() == [text for name in pieces for text in texts[name]]
    assert {type(text) for text in frame["t"]} == {str, type(None)}


def test_parquet_files_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    """A column that is a number in one file and text in the other."""
    for name, values in (("a", [1]), ("b", ["x"])):
        pq.write_table(pa.table({"c": values}), tmp_path / f"{name}.parquet")
    with pytest.raises(InputError, match="the files of the table do not fit together"):
        read_pieces(recipe(Parquet()), [Section(f"file://{tmp_path}/{n}.parquet") for n in "ab"])


def test_a_damaged_or_missing_file_is_named(tmp_path: Path) -> None:
    """With the setting to change where there is one."""
    (tmp_path / "a.csv").write_bytes(b"a\ncaf\xe9\n")
    (tmp_path / "a.jsonl").write_bytes(b"nonsense\n")
    with pytest.raises(InputError, match=r"a\.csv: not utf8 at byte .*; set read_delimited\.encoding"):
        read_pieces(recipe(Delimited(), a=STRING), [Section(f"file://{tmp_path}/a.csv")])
    with pytest.raises(InputError, match=r"a\.jsonl: invalid JSON line 'nonsense'"):
        read_pieces(recipe(JsonLines()), [Section(f"file://{tmp_path}/a.jsonl")])
    with pytest.raises(InputError, match=r"b\.csv: cannot be read: No such file"):
        read_pieces(recipe(Delimited(), a=INT), [Section(f"file://{tmp_path}/b.csv")])
    with pytest.raises(InputError, match=r"a\.csv: has become shorter since the plan was made"):
        read_pieces(recipe(Delimited(), a=INT), [Section(f"file://{tmp_path}/a.csv", 2, 99, "bytes")])
    with pytest.raises(InputError, match="expected a local path"):
        read_pieces(recipe(Delimited(), a=INT), [Section("s3://bucket/a.csv")])


def test_the_rows_that_transformations_leave_have_their_numbers(csv: str) -> None:
    """What the planner needs where only reading shows which rows are wanted."""
    table = recipe(Delimited(), Filter('col("a") != 2'), Take(3), a=INT, b=STRING)
    raw = read_block(table, [Section(csv)])
    numbered = Block(raw.frame, raw.uris, np.arange(10, 15))
    assert transform_rows(numbered, table, GlobalRows(table.steps)).tolist() == [10, 12, 13]


def test_a_list_of_files_is_a_table_too(tmp_path: Path) -> None:
    """One row for each file."""
    assert rows(read_pieces(TableRecipe(None), [Section("file:///a%20b"), Section("s3://b/k")])) == [
        ["/a b"],
        ["s3://b/k"],
    ]


def test_a_header_that_is_eaten_stays_eaten(tmp_path: Path) -> None:
    """A file without a header loses its first row to the names: the examples depend on it (reference, section 0)."""
    lines = [",".join(f"{value:.18e}" for value in row) for row in np.arange(12).reshape(3, 4) / 7]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "MLTable").write_text("paths: [{file: a.csv}]\ntransformations: [read_delimited]\n")
    frame = load_table(str(tmp_path), Access())
    assert frame.shape == (2, 4)
    assert list(frame.columns) == lines[0].split(",")
    assert set(map(str, frame.dtypes)) == {"float64"}
    assert frame.to_numpy().ravel().tolist() == (np.arange(4, 12) / 7).tolist()


def test_a_table_partitioned_by_folders(tmp_path: Path) -> None:
    """Partition columns are text; 0 and 1 are booleans, ISO dates times (reference, section 5.3)."""
    for store, brand in (("1000", "dominicks"), ("1001", "minute maid")):
        folder = tmp_path / store / brand
        folder.mkdir(parents=True)
        weeks = "".join(f"1990-06-{day:02},120{day},{day % 2},2.{day}\n" for day in range(10, 20))
        (folder / "data.csv").write_text("WeekStarting,Quantity,Advert,Price\n" + weeks)
    (tmp_path / "MLTable").write_text("""
paths: [{pattern: './**/*.csv'}]
transformations:
  - read_delimited: {include_path_column: true}
  - extract_columns_from_partition_format: {partition_format: '/{Store}/{Brand}/{file_name}.{extension}'}
  - drop_columns: [Path, file_name, extension]
""")
    frame = load_table(str(tmp_path), Access())
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "WeekStarting": "datetime64[ns]",
        "Quantity": "int64",
        "Advert": "bool",
        "Price": "float64",
        "Store": "object",
        "Brand": "object",
    }
    assert frame[["Store", "Brand"]].drop_duplicates().to_numpy().tolist() == [
        ["1000", "dominicks"],
        ["1001", "minute maid"],
    ]
