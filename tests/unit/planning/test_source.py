"""From inputs on disk to mini-batches, and what a slot would read in each."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import WriterProperties, write_deltalake

from fanout.errors import InputError
from fanout.files import uris
from fanout.pipeline.model import DataType, InputMode, MiniBatchSize, ParallelStep
from fanout.planning.source import PlannedInput, plan_mini_batches, plan_ranks
from fanout.planning.tables.table_source import is_table
from fanout.records.mini_batch import MiniBatch, encode
from fanout.storage.access import Access
from fanout.storage.datastores import Datastores
from fanout.tables.file_parts import Section
from fanout.tables.formats.json_objects import read_objects
from fanout.tables.mltable_file import load_mltable
from fanout.tables.recipe import from_json
from fanout.tables.table_parts import read_pieces
from fanout.tables.whole_table import load_table

ACCESS = Access()
CASES = json.loads((Path(__file__).parents[2] / "data" / "mltable-cases.json").read_text())
SPLIT_CASES = [case for case in CASES if "partition_rows" in case]
READ_CSV = {"read_delimited": {"header": "all_files_same_headers"}}
WITH_PATH = {"read_delimited": {"header": "all_files_same_headers", "include_path_column": True}}
PARTITIONS = {"extract_columns_from_partition_format": {"partition_format": "{store}/{brand}/{file}.csv"}}

Step = Callable[..., ParallelStep]
MakeTable = Callable[..., str]


def plan_table(step: ParallelStep, folder: str, mode: InputMode | None = InputMode.DIRECT) -> PlannedInput:
    return plan_mini_batches(step, folder, DataType.MLTABLE, mode, ACCESS)


def frames(planned: PlannedInput) -> list[pd.DataFrame]:
    """The frame of each mini-batch, as a slot would read it."""
    assert planned.recipe is not None
    return [read_pieces(planned.recipe, sections(batch)) for batch in planned.batches]


def sections(batch: MiniBatch) -> list[Section]:
    return [Section(piece.uri, piece.start, piece.stop, piece.cut.value) for piece in batch.pieces]


def names(planned: PlannedInput, folder: str) -> list[list[str | None]]:
    return [[uris.relative_to(uri, folder) for uri in batch.files] for batch in planned.batches]


def numbers(count: int, start: int = 0) -> str:
    return "n,word\n" + "".join(f"{n},w{n}\n" for n in range(start, start + count))


@pytest.mark.parametrize("case", SPLIT_CASES, ids=lambda case: case["case"])
def test_blocks_as_the_original_cuts_them(step: Step, make_table: MakeTable, case: dict[str, Any]) -> None:
    """Rows in each block as measured, blocks without rows left out; together they are the table."""
    table = case["mltable"]
    folder = make_table(case["files"], *table["transformations"], paths=table["paths"])
    planned = plan_table(step(mini_batch_size=MiniBatchSize(case["partition_size"])), folder)
    found = frames(planned)
    assert [len(frame) for frame in found] == [rows for rows in case["partition_rows"] if rows]
    assert pd.concat(found)[:8].to_numpy().tolist() == case["rows"]


@pytest.mark.parametrize("settings", [{"mini_batch_size": MiniBatchSize(40)}, {"mini_batch_rows": 7}])
@pytest.mark.parametrize(
    "steps",
    [
        [],
        [{"take": 15}],
        [{"skip": 4}, {"take": 15}],
        [{"filter": 'col("n") > 5'}],
        [{"take": 20}, {"filter": 'col("n") > 5'}],
        [{"filter": 'col("n") > 5'}, {"take": 9}],
        [{"take_random_sample": {"probability": 0.4, "seed": 7}}],
        [{"skip": 3}, {"take_random_sample": {"probability": 0.5, "seed": 1}}, {"take": 6}],
        [{"keep_columns": ["word"]}, {"take": 3}],
    ],
    ids=str,
)
@pytest.mark.parametrize("format_", ["csv", "jsonl", "parquet"])
def test_mini_batches_together_are_the_table(
    step: Step, make_table: MakeTable, tmp_path: Path, settings: dict[str, Any], steps: Sequence[Any], format_: str
) -> None:
    """Whatever the format, the division and the transformations: the same rows as reading all at once, in order."""
    folder = make_table(*TABLES[format_](tmp_path, steps))
    whole = load_table(folder, ACCESS)
    planned = plan_table(step(**settings), folder)
    batches = list(planned.batches)
    found = frames(PlannedInput(iter(batches), planned.division, planned.recipe))
    assert pd.concat(found).reset_index(drop=True).to_dict("list") == whole.to_dict("list")
    known = [(batch.items, len(frame)) for batch, frame in zip(batches, found, strict=True) if batch.items is not None]
    assert all(items == rows for items, rows in known)


def csv_table(_: Path, steps: Sequence[Any]) -> tuple[Any, ...]:
    return {"1.csv": numbers(13), "2.csv": "n,word\n", "3.csv": "", "4.csv": numbers(17, 13)}, READ_CSV, *steps


def jsonl_table(_: Path, steps: Sequence[Any]) -> tuple[Any, ...]:
    lines = [json.dumps({"n": n, "word": f"w{n}"}) for n in range(30)]
    return {"1.jsonl": "\r\n".join(lines[:13]), "2.jsonl": "\n".join(lines[13:])}, "read_json_lines", *steps


def parquet_table(scratch: Path, steps: Sequence[Any]) -> tuple[Any, ...]:
    files = {}
    for name, start, stop in (("1.parquet", 0, 13), ("2.parquet", 13, 30)):
        frame = pa.table({"n": range(start, stop), "word": [f"w{n}" for n in range(start, stop)]})
        pq.write_table(frame, scratch / name, row_group_size=6)
        files[name] = (scratch / name).read_bytes()
    return files, "read_parquet", *steps


TABLES = {"csv": csv_table, "jsonl": jsonl_table, "parquet": parquet_table}


def test_planning_twice_gives_the_same(step: Step, make_table: MakeTable) -> None:
    """Nothing but the input and the settings decides."""
    folder = make_table({f"{n}.csv": numbers(5, n) for n in range(20)}, READ_CSV, {"take": 50})
    first, second = (plan_table(step(mini_batch_size=MiniBatchSize(16)), folder) for _ in range(2))
    assert [encode(b) for b in first.batches] == [encode(b) for b in second.batches]
    assert first.recipe_json == second.recipe_json


def test_header_of_the_first_file_only(step: Step, make_table: MakeTable) -> None:
    """from_first_file: the other files begin with data, also behind an empty first one."""
    reader = {"read_delimited": {"header": "from_first_file"}}
    folder = make_table({"1.csv": "", "2.csv": "n\n1\n2\n", "3.csv": "3\n4\n"}, reader)
    planned = plan_table(step(mini_batch_rows=3), folder)
    assert [frame["n"].tolist() for frame in frames(planned)] == [[1, 2, 3], [4]]


def test_quoted_line_breaks(step: Step, make_table: MakeTable) -> None:
    """A file whose values span lines is one mini-batch by bytes, and can be cut by rows."""
    reader = {"read_delimited": {"header": "all_files_same_headers", "support_multi_line": True}}
    folder = make_table({"1.csv": 'n,word\n1,"a\nb"\n2,"c\n\nd"\n3,e\n'}, reader)
    [whole] = frames(plan_table(step(mini_batch_size=MiniBatchSize(5)), folder))
    assert whole["word"].tolist() == ["a\nb", "c\n\nd", "e"]
    found = frames(plan_table(step(mini_batch_rows=2), folder))
    assert [frame["word"].tolist() for frame in found] == [["a\nb", "c\n\nd"], ["e"]]


def test_partitions_of_a_table(step: Step, make_table: MakeTable) -> None:
    """One mini-batch for each store and brand, sorted, with all rows of its files."""
    files = {f"{store}/{brand}/{n}.csv": numbers(2) for store in (20, 3) for brand in ("x y", "b") for n in range(2)}
    folder = make_table(files, WITH_PATH, PARTITIONS)
    planned = plan_table(step(partition_keys=("brand", "store")), folder)
    batches = list(planned.batches)
    assert [list(b.partition.values()) for b in batches] == [["b", "20"], ["b", "3"], ["x y", "20"], ["x y", "3"]]
    found = frames(PlannedInput(iter(batches), planned.division, planned.recipe))
    assert [len(frame) for frame in found] == [4] * 4
    assert set(found[2]["brand"]) == {"x y"}


def test_partitions_of_files(step: Step, make_table: MakeTable) -> None:
    """Without a reader the same keys group files."""
    files = {"u2/b.wav": "2", "u1/a.wav": "1", "u1/c.wav": "3"}
    form = {"extract_columns_from_partition_format": {"partition_format": "{user}/{genre}.wav"}}
    folder = make_table(files, form, paths=[{"pattern": "./**/*.wav"}])
    planned = plan_table(step(partition_keys=("user",)), folder)
    batches = list(planned.batches)
    assert [dict(b.partition) for b in batches] == [{"user": "u1"}, {"user": "u2"}]
    assert names(PlannedInput(iter(batches), planned.division), folder) == [["u1/a.wav", "u1/c.wav"], ["u2/b.wav"]]


def test_time_in_a_partition_key(step: Step, make_table: MakeTable) -> None:
    """Values are text: a date is written as ISO 8601."""
    form = {"extract_columns_from_partition_format": {"partition_format": "{date:yyyy/MM/dd}/{name}.csv"}}
    folder = make_table({"2021/03/05/g.csv": numbers(1), "2020/03/04/f.csv": numbers(1)}, WITH_PATH, form)
    planned = plan_table(step(partition_keys=("date",)), folder)
    assert [dict(b.partition) for b in planned.batches] == [
        {"date": "2020-03-04 00:00:00"},
        {"date": "2021-03-05 00:00:00"},
    ]


def test_folder_of_files(step: Step, tmp_path: Path) -> None:
    """All files below the folder, hidden ones too, by count, in the order of their keys."""
    for name in ("b.png", "a/2.png", ".h", "a-1.png", "MLTable"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    folder = uris.from_path(tmp_path)
    planned = plan_mini_batches(step(mini_batch_size=MiniBatchSize(2)), folder, DataType.URI_FOLDER, None, ACCESS)
    assert names(planned, folder) == [[".h", "MLTable"], ["a-1.png", "a/2.png"], ["b.png"]]
    assert planned.recipe_json is None


def test_ranks(step: Step) -> None:
    """Mini-batches without data, as many as asked for."""
    planned = plan_ranks(step(rank_mini_batch_count=3))
    assert [(b.index, b.files, b.pieces, b.items) for b in planned.batches] == [(n, (), (), 0) for n in range(3)]


def test_objects_of_json_lines(step: Step, tmp_path: Path) -> None:
    """By rows, across the files of a folder; each mini-batch is a list of objects, nested values as they are."""
    (tmp_path / "a.jsonl").write_text('{"q": 0}\n\n{"q": 1, "t": {"x": [1]}}\n')
    (tmp_path / "b.jsonl").write_text('{"q": 2}')
    (tmp_path / "empty.jsonl").touch()
    records = step(json_records=True, mini_batch_rows=2)
    planned = plan_mini_batches(records, uris.from_path(tmp_path), DataType.URI_FOLDER, None, ACCESS)
    assert planned.recipe is not None
    found = [(b.first_row, b.items, read_objects(planned.recipe, b.pieces)) for b in planned.batches]
    assert found == [(0, 2, [{"q": 0}, {"q": 1, "t": {"x": [1]}}]), (2, 1, [{"q": 2}])]


def test_objects_that_are_none(step: Step, tmp_path: Path) -> None:
    """Told with their file."""
    (tmp_path / "a.jsonl").write_text("[1]\n")
    uri = uris.from_path(tmp_path / "a.jsonl")
    planned = plan_mini_batches(step(json_records=True), uri, DataType.URI_FILE, None, ACCESS)
    assert planned.recipe is not None
    with pytest.raises(InputError, match=r"a.jsonl: invalid JSON line .*a JSON object is expected, not list"):
        read_objects(planned.recipe, next(planned.batches).pieces)


def test_single_file(step: Step, tmp_path: Path) -> None:
    """A uri_file is a list of one."""
    (tmp_path / "x.bin").write_text("x")
    uri = uris.from_path(tmp_path / "x.bin")
    planned = plan_mini_batches(step(), uri, DataType.URI_FILE, None, ACCESS)
    assert [b.files for b in planned.batches] == [(uri,)]


@pytest.mark.parametrize("mode", [InputMode.EVAL_MOUNT, InputMode.RO_MOUNT, InputMode.DOWNLOAD])
def test_table_taken_as_files(step: Step, make_table: MakeTable, mode: InputMode) -> None:
    """In any mode but direct an mltable is the list of its files; the MLTable file is none, rows mean nothing."""
    folder = make_table({"f1.csv": "a\n1\n", "f2.csv": "a\n2\n"}, READ_CSV, {"take": 1}, paths=[{"folder": "."}])
    assert names(plan_table(step(), folder, mode), folder) == [["f1.csv"], ["f2.csv"]]
    assert not is_table(load_mltable(folder, ACCESS), mode)
    assert is_table(load_mltable(folder, ACCESS), None)


def test_mltable_without_reader(step: Step, make_table: MakeTable) -> None:
    """Its rows are files: in the order of its paths, counted by take and skip; a directory may be an item itself."""
    files = {"c.png": "1", "a.png": "2", "m/1.png": "3", "m/2.png": "4"}
    paths = [{"file": "./c.png"}, {"pattern": "./m/*"}, {"file": "./a.png"}, {"file": "./m"}]
    folder = make_table(files, {"skip": 1}, {"take": 3}, paths=paths)
    assert names(plan_table(step(), folder), folder) == [["m/1.png"], ["m/2.png"], ["a.png"]]
    folder = make_table(files, paths=paths)
    assert names(plan_table(step(), folder), folder)[-1] == ["m"]


@pytest.mark.parametrize("mode", [InputMode.EVAL_MOUNT, InputMode.EVAL_DOWNLOAD, InputMode.RO_MOUNT])
def test_a_folder_named_as_a_file_is_mounted_as_its_files(step: Step, make_table: MakeTable, mode: InputMode) -> None:
    """`file: ./m`, where m is a folder: a script that is given paths finds the files in it, at every depth."""
    files = {"m/2.png": "1", "m/10.png": "2", "m/deep/3.png": "3", "other.png": "4"}
    folder = make_table(files, paths=[{"file": "./other.png"}, {"file": "./m"}])
    planned = plan_table(step(mini_batch_size=MiniBatchSize(3)), folder, mode)
    assert names(planned, folder) == [["other.png", "m/10.png", "m/2.png"], ["m/deep/3.png"]]


@pytest.mark.parametrize(
    ("transformations", "settings", "message"),
    [
        ([READ_CSV], {"partition_keys": ("store",)}, "store: no such column of the input"),
        ([{"filter": 'col("Path") == "x"'}], {}, "filter and take_random_sample need a table"),
        ([READ_CSV], {"mini_batch_rows": 0}, "at least 1"),
        (
            [{"read_delimited": {"header": "all_files_different_headers"}}],
            {"mini_batch_rows": 2},
            "cannot be found by their bytes",
        ),
    ],
)
def test_what_cannot_be_planned(
    step: Step, make_table: MakeTable, transformations: list[Any], settings: dict[str, Any], message: str
) -> None:
    """Settings and input that do not fit each other are told before anything runs."""
    folder = make_table({"s/b/1.csv": numbers(3)}, *transformations)
    with pytest.raises(InputError, match=message):
        list(plan_table(step(**settings), folder).batches)


def test_broken_parquet(step: Step, make_table: MakeTable) -> None:
    """A file that is none is named."""
    folder = make_table({"x.parquet": "not parquet"}, "read_parquet")
    with pytest.raises(InputError, match=r"x\.parquet: not a parquet file"):
        list(plan_table(step(), folder).batches)


@pytest.fixture
def lake(tmp_path: Path, make_table: MakeTable) -> str:
    """An MLTable over a Delta Lake table: rows 0 to 9 in two files of two row groups, `k` a partition."""
    data = {"n": list(range(10)), "k": ["x"] * 6 + ["y"] * 4}
    properties = WriterProperties(max_row_group_size=4)
    write_deltalake(tmp_path / "lake", pa.table(data), partition_by=["k"], writer_properties=properties)
    return make_table({"note.txt": ""}, {"read_delta_lake": {"version_as_of": 0}}, paths=[{"folder": "../lake"}])


def test_delta_lake_by_row_group_by_rows_and_by_partition(step: Step, lake: str, tmp_path: Path) -> None:
    """As parquet, with the log's files, columns and partitions; what is added later changes no plan of this version."""
    write_deltalake(tmp_path / "lake", pa.table({"n": [99], "k": ["x"]}), mode="append")
    assert [len(frame) for frame in frames(plan_table(step(), lake))] == [4, 2, 4]
    by_rows = frames(plan_table(step(mini_batch_rows=5), lake))
    assert [frame.to_dict("list") for frame in by_rows] == [
        {"n": [0, 1, 2, 3, 4], "k": ["x"] * 5},
        {"n": [5, 6, 7, 8, 9], "k": ["x"] + ["y"] * 4},
    ]
    planned = plan_table(step(partition_keys=("k",)), lake)
    assert planned.recipe is not None
    found = [(batch.partition, read_pieces(planned.recipe, sections(batch))["n"].tolist()) for batch in planned.batches]
    assert found == [({"k": "x"}, [0, 1, 2, 3, 4, 5]), ({"k": "y"}, [6, 7, 8, 9])]
    files = plan_table(step(), lake, InputMode.EVAL_MOUNT)
    assert [len(batch.files) for batch in files.batches] == [1, 1]


def test_the_recipe_of_delta_lake_survives_json(step: Step, lake: str) -> None:
    """Its version and columns are those that were planned."""
    planned = plan_table(step(), lake)
    assert planned.recipe is not None
    assert planned.recipe_json is not None
    assert from_json(planned.recipe_json, "recipe") == planned.recipe


MIXED = [
    {"file": "./z.csv"},
    {"pattern": "deep/**/*.csv"},
    {"folder": "azureml://datastores/blobs/paths/more"},
    {"pattern": "azureml://datastores/blobs/paths/m*/b.*"},
    {"file": "./z.csv"},
]


@pytest.mark.parametrize("read", [[READ_CSV], []])
def test_paths_of_every_kind_in_one_table(
    step: Step, make_table: MakeTable, tmp_path: Path, read: list[dict[str, Any]]
) -> None:
    """In the order written, those of a folder or pattern sorted; some in a datastore, one of them twice."""
    files = {"z.csv": numbers(2), "deep/a.csv": numbers(2, 10), "deep/er/b.csv": numbers(2, 20), "other.csv": "no"}
    folder = make_table(files, *read, paths=MIXED)
    for name, start in (("a.csv", 30), ("b.csv", 40)):
        (tmp_path / "blobs/more").mkdir(parents=True, exist_ok=True)
        (tmp_path / "blobs/more" / name).write_text(numbers(2, start))
    access = Access(datastores=Datastores((("blobs", (tmp_path / "blobs").as_uri()),)))
    planned = plan_mini_batches(step(mini_batch_size=None), folder, DataType.MLTABLE, InputMode.DIRECT, access)
    if read:
        assert [frame["n"].iloc[0] for frame in frames(planned)] == [0, 10, 20, 30, 40, 40, 0]
    else:
        found = [uris.to_path(uri).removeprefix(f"{tmp_path}/") for batch in planned.batches for uri in batch.files]
        mine = ["table/z.csv", "table/deep/a.csv", "table/deep/er/b.csv"]
        assert found == [*mine, "blobs/more/a.csv", "blobs/more/b.csv", "blobs/more/b.csv", "table/z.csv"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ({"file": "./gone.csv"}, r"table/gone\.csv: "),
        ({"pattern": "*.zip"}, r"no file there matches the pattern '\*\.zip'"),
        ({"folder": "./gone"}, "table/gone: "),
        (
            {"file": "azureml://datastores/none/paths/a.csv"},
            "MLTable:.*no fanout.toml says where the datastore none is",
        ),
    ],
)
@pytest.mark.parametrize("read", [[READ_CSV], []])
def test_a_path_to_nothing_fails_the_whole_plan(
    step: Step, make_table: MakeTable, read: list[dict[str, Any]], path: dict[str, str], why: str
) -> None:
    """Wherever it stands among others that are there: a missing file is no reason to score half of the input."""
    for paths in ([{"file": "./a.csv"}, path], [path, {"file": "./a.csv"}]):
        folder = make_table({"a.csv": numbers(3)}, *read, paths=paths)
        with pytest.raises(InputError, match=why):
            list(plan_table(step(), folder).batches)


def test_paths_that_hold_credentials_are_refused(step: Step, make_table: MakeTable) -> None:
    """A signed URI of an MLTable would be in the plan and in every message; it is not repeated either."""
    folder = make_table({"x": ""}, {"read_delimited": {}}, paths=[{"file": "https://host.test/a.csv?sv=1&sig=geheim"}])
    with pytest.raises(InputError, match=r"MLTable: the path 'https://host\.test/a\.csv' holds a password") as caught:
        plan_mini_batches(step(), folder, DataType.MLTABLE, None, ACCESS)
    assert "geheim" not in str(caught.value)
