"""Delta Lake tables: which files and columns a version has, and that only what can be read right is read."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from fanout.errors import InputError, MissingExtraError
from fanout.storage.access import Access
from fanout.tables.formats.delta import complete, partition_texts
from fanout.tables.formats.readers import DeltaLake
from fanout.tables.mltable_file import MLTableFile, list_files, parse_mltable, pinned
from fanout.tables.values.types import ColumnType, Kind
from fanout.tables.whole_table import load_table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table of two versions: three rows, then two more with a column of their own; `p` and `n` are partitions."""
    lake = tmp_path / "lake"
    first = {"a": pa.array([1, 2, 3], pa.int32()), "p": ["x", "y", None], "n": [1, 1, 2]}
    second = {"a": pa.array([4, 5], pa.int32()), "p": ["x", "z z/é=%"], "n": [1, 3], "extra": ["q", "r"]}
    write_deltalake(lake, pa.table(first), partition_by=["p", "n"])
    write_deltalake(lake, pa.table(second), partition_by=["p", "n"], mode="append", schema_mode="merge")
    return lake


def table_of(lake: Path, options: str = "{}", *steps: str) -> MLTableFile:
    lines = "".join(f"\n- {step}" for step in (f"read_delta_lake: {options}", *steps))
    return parse_mltable(f"paths: [{{folder: '{lake}'}}]\ntransformations:{lines}\n".encode(), "file:///t/MLTable")


def rows(table: MLTableFile) -> list[dict[str, Any]]:
    frame = load_table(table, Access())
    found: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return sorted(found, key=lambda row: int(row["a"]))


MAPPED = {"delta.columnMapping.mode": "name"}
FIRST = [{"a": 1, "p": "x", "n": 1}, {"a": 2, "p": "y", "n": 1}, {"a": 3, "p": None, "n": 2}]
SECOND = [
    *({**row, "extra": None} for row in FIRST),
    {"a": 4, "p": "x", "n": 1, "extra": "q"},
    {"a": 5, "p": "z z/é=%", "n": 3, "extra": "r"},
]


def test_versions_and_times(folder: Path) -> None:
    """By number or time, else the newest; columns in the order of the log, partitions among them, with its types."""
    assert rows(table_of(folder, "{version_as_of: 0}")) == FIRST
    assert rows(table_of(folder, "{version_as_of: 1}")) == rows(table_of(folder)) == SECOND
    assert rows(table_of(folder, "{timestamp_as_of: '2999-01-01T00:00:00Z'}")) == SECOND
    moment = datetime.fromtimestamp(DeltaTable(folder).history()[1]["timestamp"] / 1000, UTC)
    assert rows(table_of(folder, f"{{timestamp_as_of: '{moment.isoformat()}'}}")) == FIRST
    frame = load_table(table_of(folder), Access())
    assert list(frame) == ["a", "p", "n", "extra"]
    assert [str(dtype) for dtype in frame.dtypes] == ["int64", "object", "int64", "object"]


def test_what_was_deleted_is_not_read(folder: Path) -> None:
    """The folder still holds the files of older versions; the log decides."""
    DeltaTable(folder).delete("a > 1")
    assert [row["a"] for row in rows(table_of(folder))] == [1]
    assert [row["a"] for row in rows(table_of(folder, "{version_as_of: 1}"))] == [1, 2, 3, 4, 5]
    assert len(list(folder.rglob("*.parquet"))) == 5


def test_files_come_in_the_order_of_their_paths(folder: Path) -> None:
    """So a plan made twice is the same, whatever order the log is read in."""
    found = [entry.uri for entry in list_files(table_of(folder), Access())]
    assert found == sorted(found)
    assert len(found) == 5


def test_transformations_follow(folder: Path) -> None:
    """Filters and columns know partition columns as any other; a path column comes first."""
    kept = table_of(folder, "{}", "filter: 'p == \"x\" and n < 2'", "keep_columns: [p, a]")
    assert rows(kept) == [{"a": 1, "p": "x"}, {"a": 4, "p": "x"}]
    assert rows(table_of(folder, "{}", "drop_columns: [p, n, extra]", "take: 5")) == [{"a": n} for n in range(1, 6)]
    frame = load_table(table_of(folder, "{include_path_column: true}", "keep_columns: Path"), Access())
    assert all(name.endswith(".parquet") for name in frame["Path"])
    assert rows(table_of(folder, "{}", 'filter: \'col("q") == "x"\'')) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([date(2020, 2, 29), None]), ["2020-02-29 00:00:00", "NaT"]),
        (pa.array([1582979401000000, None], pa.timestamp("us")), ["2020-02-29 12:30:01", "NaT"]),
        (pa.array([True, False]), ["True", "False"]),
        (pa.array([1.5, -2.0]), ["1.5", "-2.0"]),
        (pa.array(["", "a b"]), None),
        (pa.array(["2020", "x=y/z"]), ["2020", "x=y/z"]),
        (pa.array([Decimal("1.50"), None], pa.decimal128(5, 2)), ["1.5", "nan"]),
    ],
)
def test_partitions_of_every_type(tmp_path: Path, values: pa.Array, expected: list[str] | None) -> None:
    """Values come from the paths with the log's type; an empty text is null, as Delta has it."""
    write_deltalake(tmp_path / "lake", pa.table({"a": [1, 2], "k": values}), partition_by=["k"])
    frame = load_table(table_of(tmp_path / "lake"), Access()).sort_values("a")
    if expected is None:
        assert frame["k"].tolist() == [None, "a b"]
    else:
        assert [str(value) for value in frame["k"]] == expected


def test_a_partition_that_its_path_cannot_tell(tmp_path: Path) -> None:
    """Bytes are written into paths in a way of their own."""
    write_deltalake(tmp_path / "lake", pa.table({"a": [1], "k": pa.array([b"x"])}), partition_by=["k"])
    with pytest.raises(InputError, match=r"the log says k = b.*, which is not what the path says"):
        load_table(table_of(tmp_path / "lake"), Access())


def test_a_table_of_which_everything_was_deleted(folder: Path) -> None:
    """No rows and, as for any table without rows, no columns."""
    DeltaTable(folder).delete()
    assert load_table(table_of(folder), Access()).shape == (0, 0)


def test_settled_once_it_stays(folder: Path) -> None:
    """What is planned reads the version that was the newest then, although others follow."""
    table = pinned(table_of(folder), Access())
    more = {"a": pa.array([6], pa.int32()), "p": ["x"], "n": [1], "extra": ["s"]}
    write_deltalake(folder, pa.table(more), mode="append")
    assert len(rows(table)) == 5
    assert len(rows(table_of(folder))) == 6


def _with_actions(lake: Path, change: Callable[[dict[str, Any]], None]) -> None:
    log = lake / "_delta_log" / "00000000000000000000.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        change(action)
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))


def _mapped_columns(lake: Path) -> None:
    _with_actions(lake, lambda action: action.get("metaData", {}).update(configuration=MAPPED))


def _another_value(lake: Path) -> None:
    _with_actions(lake, lambda action: action.get("add", {}).get("partitionValues", {}).update(p="w"))


def _no_log(lake: Path) -> None:
    (lake / "_delta_log").rename(lake / "log")


@pytest.mark.parametrize(
    ("change", "options", "why"),
    [
        (_another_value, "{}", "the log says p = 'w', which is not what the path says"),
        (_mapped_columns, "{version_as_of: 0}", "lake: maps its columns to other names, which is not supported"),
        (_no_log, "{}", "lake: cannot be read as a Delta Lake table: "),
        (lambda _: None, "{version_as_of: 7}", "lake: cannot be read as a Delta Lake table of version 7: "),
    ],
)
def test_what_cannot_be_read_right_is_not_read(
    folder: Path, change: Callable[[Path], None], options: str, why: str
) -> None:
    """Each says which table, and why."""
    change(folder)
    with pytest.raises(InputError, match=why):
        load_table(table_of(folder, options), Access())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("read_delta_lake: {version_as_of: 1, timestamp_as_of: '2020-01-01T00:00:00Z'}", "found both"),
        ("read_delta_lake: {timestamp_as_of: yesterday}", "timestamp_as_of: expected a time with its offset"),
        ("read_delta_lake: {timestamp_as_of: '2020-01-01T00:00:00'}", "timestamp_as_of: expected a time"),
        ("read_delta_lake: {version_as_of: -1}", "version_as_of: expected a whole number"),
        ("read_delta_lake: {version: 1}", "version: unknown key; did you mean 'version_as_of'"),
    ],
)
def test_options_that_say_nothing(text: str, why: str) -> None:
    """Refused with their place in the MLTable file."""
    with pytest.raises(InputError, match=f"MLTable:.*{why}"):
        parse_mltable(f"paths: [{{folder: lake}}]\ntransformations:\n- {text}\n".encode(), "file:///t/MLTable")


@pytest.mark.parametrize("paths", ["{file: lake/a.parquet}", "{pattern: 'lake/*'}", "{folder: a}, {folder: b}"])
def test_one_folder_is_one_table(paths: str) -> None:
    """The original reads the first of several and says nothing."""
    table = parse_mltable(f"paths: [{paths}]\ntransformations: [read_delta_lake]\n".encode(), "file:///t/MLTable")
    with pytest.raises(InputError, match="expected one path, the folder of the table"):
        load_table(table, Access())


def test_values_in_paths() -> None:
    """The nearest to the file counts, folders above the table may look alike; null is not a text."""
    reader = DeltaLake(partitions=("p", "a b"))
    uri = "file:///p=0/lake/a%2520b=x%252Fy/p=__HIVE_DEFAULT_PARTITION__/f.parquet"
    assert partition_texts(reader, uri) == {"p": None, "a b": "x/y"}


def test_rows_keep_their_number_without_columns() -> None:
    """Also when only what comes from outside the file is wanted of it."""
    reader = DeltaLake(columns=(("a", ColumnType(Kind.INT)),))
    assert complete(pa.table({"a": [1, 2]}).select([]), reader, "file:///f", frozenset({"a"})).num_rows == 2


def test_without_the_library_it_is_said_which_extra_brings_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else works without it."""
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fanout-jobs\[delta\]'"):
        load_table(table_of(folder), Access())
