"""Rows of tables handed to a slot in another Python: the same values as where the slot reads the table itself."""

import datetime
import decimal
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fanout.errors import DamagedRecordError, InputError
from fanout.node.workspace import TABLE_SERVER, table_server
from fanout.records.mini_batch import Cut, MiniBatch, Piece
from fanout.slot.child.table_client import RemoteTableReader
from fanout.slot.child.table_reader import TableReader
from fanout.tables.formats.readers import Delimited, JsonLines, Parquet
from fanout.tables.recipe import Column, TableRecipe
from fanout.tables.values.types import ColumnType, Kind

DELIMITED = TableRecipe(
    Delimited(),
    columns=(
        Column("name", ColumnType(Kind.STRING)),
        Column("count", ColumnType(Kind.INT)),
        Column("share", ColumnType(Kind.FLOAT)),
        Column("is_new", ColumnType(Kind.BOOLEAN)),
        Column("at", ColumnType(Kind.DATETIME)),
    ),
)
ROWS = """\
name,count,share,is_new,at
é "x",9007199254740993,0.1,true,2020-01-02T03:04:05
,-1,,false,
z,9223372036854775807,1e-300,,1999-12-31T00:00:00
"""


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Callable[..., RemoteTableReader]]:
    """A reader whose tables another process reads."""
    made: list[RemoteTableReader] = []

    def make(recipe: TableRecipe, command: tuple[str, ...] = TABLE_SERVER, **options: Any) -> RemoteTableReader:
        options = {"json_records": False, **options}
        made.append(RemoteTableReader(command, recipe.to_json(), str(tmp_path), **options))
        return made[-1]

    yield make
    for reader in made:
        reader.close()


def _batch(path: Path, cut: Cut = Cut.BYTES, stop: int | None = None) -> MiniBatch:
    return MiniBatch(0, pieces=(Piece(f"file://{path}", 0, path.stat().st_size if stop is None else stop, cut),))


def _both(recipe: TableRecipe, batch: MiniBatch, remote: Any, scratch: Path) -> tuple[Any, Any, Any, Any]:
    near, far = TableReader(recipe.to_json(), scratch, json_records=False), remote(recipe)
    return near(batch), far(batch), near.changes, far.changes


def _check_same(near: pd.DataFrame, far: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(near, far, check_exact=True, check_freq=False)
    for name in near:
        assert [*map(type, near[name])] == [*map(type, far[name])], name


def test_delimited_rows(remote: Any, tmp_path: Path) -> None:
    """Texts, whole numbers beyond 2**53, fractions, gaps of every kind, times; and what types have changed."""
    path = tmp_path / "rows.csv"
    path.write_text(ROWS + "w,1.5,2,true,2020-01-02T03:04:05\n")
    near, far, near_changes, far_changes = _both(DELIMITED, _batch(path), remote, tmp_path)
    _check_same(near, far)
    assert far["count"].tolist()[0] == 9007199254740993
    assert far["name"].tolist()[1] is None
    assert near_changes == far_changes != ()
    far.loc[0, "share"] = 5.0  # user code may write
    assert far["share"].tolist()[0] == 5.0


def test_no_rows(remote: Any, tmp_path: Path) -> None:
    """A table without rows has no columns, either way."""
    path = tmp_path / "rows.csv"
    path.write_text("name,count,share,is_new,at\n")
    near, far, *_ = _both(DELIMITED, _batch(path), remote, tmp_path)
    _check_same(near, far)


def test_own_types_of_parquet(remote: Any, tmp_path: Path) -> None:
    """Every type that a column of parquet may have: also zones, days, decimals, binaries, lists, maps and objects."""
    moment = datetime.datetime(2021, 7, 1, 12, 30, 1, 5)  # noqa: DTZ001 - a zone is not what is meant
    nested = [{"a": [1, 2], "b": None, "c": {"d": moment}}, None, {"a": [], "b": "x", "c": {"d": None}}]
    columns: dict[str, Any] = {
        "int8": pa.array([1, -2, 3], pa.int8()),
        "uint64": pa.array([2**63 + 5, 0, 1], pa.uint64()),
        "float32": pa.array([0.1, float("nan"), None], pa.float32()),
        "bool": pa.array([True, None, False]),
        "text": pa.array(["\U0001f600", None, ""]),
        "binary": pa.array([b"\x00\xff", None, b""], pa.binary()),
        "decimal": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("-3.00")], pa.decimal128(5, 2)),
        "day": pa.array([datetime.date(1850, 2, 3), None, datetime.date(2020, 1, 1)], pa.date32()),
        "time": pa.array([datetime.time(1, 2, 3, 4), None, datetime.time(0)], pa.time64("us")),
        "seconds": pa.array([moment, None, moment], pa.timestamp("s")),
        "nanos": pa.array([1, None, -1], pa.timestamp("ns")),
        "berlin": pa.array([moment, None, moment], pa.timestamp("us", tz="Europe/Berlin")),
        "offset": pa.array([moment, None, moment], pa.timestamp("ms", tz="+05:30")),
        "duration": pa.array([datetime.timedelta(1, 2, 3), None, datetime.timedelta(-1)], pa.duration("us")),
        "numbers": pa.array([[1, 2], None, []], pa.list_(pa.int32())),
        "equal": pa.array([[1.5, None], [2.5, 3.5], [4.5, 5.5]]),
        "texts": pa.array([["a", None], None, []]),
        "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        "nested": pa.array(nested),
        "days": pa.array([[datetime.date(2020, 1, 1)], None, []]),
        "null": pa.nulls(3),
    }
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    for keeps_types in (True, False):
        recipe = TableRecipe(Parquet(), keeps_types=keeps_types)
        near, far, *_ = _both(recipe, _batch(path, Cut.ROW_GROUPS, stop=1), remote, tmp_path)
        assert list(near) == list(columns)
        assert [*map(str, near.dtypes)] == [*map(str, far.dtypes)]
        for name in near:
            assert repr(near[name].tolist()) == repr(far[name].tolist()), name
            assert [*map(type, near[name])] == [*map(type, far[name])], name


def test_objects(remote: Any, tmp_path: Path) -> None:
    """Objects of JSON lines, also where their members are named like our own marks."""
    objects = [{"array": ["<i8", "AA=="]}, {"dict": 1, "x": [None, 1.5, {"bytes": "eA=="}]}, {}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in objects))
    far = remote(TableRecipe(JsonLines()), json_records=True)
    assert far(_batch(path)) == objects


def test_what_cannot_be_read(remote: Any, tmp_path: Path) -> None:
    """The words are those of the slot that reads by itself; the mini-batch behind it is read."""
    path, gone = tmp_path / "rows.csv", tmp_path / "gone.csv"
    path.write_text(ROWS)
    gone.write_text(ROWS)
    batch = _batch(gone)
    gone.unlink()
    near, far = TableReader(DELIMITED.to_json(), tmp_path, json_records=False), remote(DELIMITED)
    with pytest.raises(InputError) as at_near:
        near(batch)
    with pytest.raises(InputError) as at_far:
        far(batch)
    assert str(at_near.value) == str(at_far.value)
    assert len(far(_batch(path))) == 3


def test_the_process_that_reads_is_killed(remote: Any, tmp_path: Path) -> None:
    """It fails the mini-batch that it was to read, with what was seen; another one reads the next."""
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    far = remote(DELIMITED)
    assert len(far(_batch(path))) == 3
    code = "import os, socket, sys; socket.socket(fileno=int(sys.argv[1])).recv(9); os.kill(os.getpid(), 9)"
    killed = remote(DELIMITED, command=(sys.executable, "-c", code))
    with pytest.raises(InputError, match="the process that reads tables was killed; memory may have run out"):
        killed(_batch(path))
    os.kill(far._process.pid, signal.SIGKILL)
    far._process.wait()
    assert len(far(_batch(path))) == 3


@pytest.mark.parametrize("own", [{}, {"PYTHONPATH": "/nowhere"}])
def test_packages_of_another_python(
    remote: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: dict[str, str]
) -> None:
    """What the step has put on its import path is not what reads the table."""
    (tmp_path / "pandas.py").write_text("raise SystemExit('of another Python')")
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert len(remote(DELIMITED, command=tuple(table_server(own)))(_batch(path))) == 3


def test_damaged_records_stay_damaged(remote: Any, tmp_path: Path) -> None:
    """They are no fault of the script's, so their cause is another one."""
    far = remote(DELIMITED)
    header, _ = far._ask(b"{")
    assert header["damaged"] is True
    assert DamagedRecordError.__name__ not in header["failed"]


def test_values_that_no_column_has(tmp_path: Path) -> None:
    """Refused, with the column and the type, before they become anything else."""
    from fanout.slot.child.table_values import pack_frame

    with pytest.raises(InputError, match="column 'c': values of complex cannot be handed to the step's own environ"):
        pack_frame(pd.DataFrame({"c": pd.Series([1j], dtype=object)}))
    zoned = datetime.datetime(2020, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    header, payload = pack_frame(pd.DataFrame({"c": pd.Series([zoned, np.float32(0.1)], dtype=object)}))
    from fanout.slot.child.table_client import _frame

    far = _frame(header["columns"], 2, memoryview(bytearray(payload)))["c"].tolist()
    assert far[0] == zoned
    assert far[0].utcoffset() == zoned.utcoffset()
    assert (far[1], type(far[1])) == (np.float32(0.1), np.float32)
