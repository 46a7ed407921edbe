"""Plain files to rows: what they hold is found out, and no value changes, whatever they look like."""

import codecs
import csv
import gzip
import io
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv as pa_csv

from fanout.errors import InputError
from fanout.files import uris
from fanout.pipeline.model import DataInput, DataType, EntryTask, MiniBatchSize, ParallelStep, Pipeline, ReadOptions
from fanout.pipeline.trigger import ARRIVALS
from fanout.planning.source import PlannedInput, plan_mini_batches
from fanout.planning.tables.shuffle_store import ShuffleStore
from fanout.storage.access import Access
from fanout.tables.file_parts import Section
from fanout.tables.plain import scan
from fanout.tables.plain.compression import unpack
from fanout.tables.recipe import from_json
from fanout.tables.table_parts import read_counted
from fanout.triggers.instantiate import Arrivals, instantiate, object_list

ACCESS = Access()
AWKWARD = {
    "a fraction behind the first rows": "a\n" + "".join(f"{n}\n" for n in range(250)) + "253.5\n",
    "leading zeros behind the first rows": "zip\n" + "".join(f"{n + 10000}\n" for n in range(250)) + "00001\n",
    "quotes": 'a,b\n"x, y",1\n"say ""hi""",2\n',
    "line breaks in quotes": 'a,b\n"one\ntwo",1\nthree,2\n"four\n\nfive\n",3\n',
    "a byte order mark": "\ufeffa,b\n1,x\n",
    "semicolons and decimal commas": "name;value\na;1,5\nb;2,5\n",
    "tabs": "a\tb\n1\tx y\n",
    "bars": "a|b\n1|x\n",
    "CR LF": "a,b\r\n1,x\r\n2,y\r\n",
    "no line end": "a,b\n1,x",
    "blank lines": "a,b\n\n1,x\n\n\n2,y\n\n",
    "blank lines with CR": "a,b\r\n1,x\r\n\r\n2,y\r\n\r\n",
    "header only": "a,b\n",
    "one column": "a\nx\n\ny\n",
    "inches": 'size,n\n5" pipe,1\n6" pipe,2\n',
    "missing values": "a,b,c\n1,,x\n,2.5,\n3,4,z\n",
    "quoted numbers": '"id","n"\n"1","2.5"\n"2",""\n',
    "numbers that are too long": "a,b\n12345678901234567890,1\n1,2\n",
    "whole numbers of 64 bits and of more": (
        "a,b,c,d\n1234567890123456789,1152921504606846976,9223372036854775808,10000000000000000000000\n-1,1,1,1\n"
    ),
    "wide numbers among fractions": "a\n9007199254740993\n0.5\n",
    "wide numbers behind many fractions": "a\n" + "0.5\n" * 100 + "9007199254740993\n",
    "wide numbers with gaps": "a,b\n9007199254740993,1\n,2\n",
    "digits that a float cannot hold": "a\n3.14159265358979323846264338\n",
    "plus, minus zero, exponents, hexadecimal": "a,b,c,d,e\n+49,-0,12E4,0x1F,1e5\n1,1,1,1,1\n",
    "overflow": "a,b\n1e+999,1e-999\n1.5,1.5\n",
    "words": "a,b,c,d\ntrue,yes,1,NA\nfalse,no,0,null\n",
    "nan among numbers": "a\n1.5\nnan\n-inf\n",
    "dates": "day\n02/02/2020\n2020-01-31\n",
    "blanks around numbers": "a, b\n1, 2\n3, 4\n",
    "twice the same name": "a,a,b\n1,2,3\n",
    "years as names": "country,2019,2020\nde,1,2\nfr,3,4\n",
}
NO_HEADER = {"numbers alone": "1,2.5\n3,4.5\n", "text among them": "1,x\n2,y\n"}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small files are several blocks, too."""
    monkeypatch.setattr(scan, "BLOCK", 64)


def step_of(path: str, *, read: ReadOptions | None = None, paths: tuple[str, ...] = (), **cut: Any) -> ParallelStep:
    kind = DataType.URI_FOLDER if paths or Path(path).is_dir() else DataType.URI_FILE
    major = DataInput(uris.from_path(path), kind, paths=paths, read=read)
    task = EntryTask("score.py", "/src")
    return ParallelStep(name="score", task=task, input_data="rows", inputs={"rows": major}, **cut)


def planned_of(step: ParallelStep, spilled: Path | None = None) -> PlannedInput:
    major = step.inputs["rows"]
    assert isinstance(major, DataInput)
    spill = ShuffleStore(uris.from_path(spilled or "/nowhere"), ACCESS if spilled else None)
    return plan_mini_batches(step, major.uri, major.type, None, ACCESS, spill)


def frames_of(step: ParallelStep, spilled: Path | None = None) -> list[pd.DataFrame]:
    """The frame of each mini-batch, by the recipe as it is stored."""
    planned = planned_of(step, spilled)
    pieces = [[Section(p.uri, p.start, p.stop, p.cut.value) for p in batch.pieces] for batch in planned.batches]
    recipe = from_json(planned.recipe_json or "", "recipe")
    return [read_counted(recipe, each)[0] for each in pieces]


def rows_of(step: ParallelStep) -> list[list[Any]]:
    return [row for frame in frames_of(step) for row in frame.to_numpy(dtype=object).tolist()]


def says(value: Any, text: str) -> bool:
    """Whether a value is what its text says: the text itself, or the number to its last digit."""
    if isinstance(value, str) or value is None:
        return value == (text or None) or value == text
    if isinstance(value, bool):
        return str(value).lower() == text.lower()
    if text == "":
        return math.isnan(value)
    exact = pd.isna(value) if text.strip() == "nan" else repr(float(text)) == repr(float(value))
    return exact and not text.strip().startswith(("+", "00"))


@pytest.mark.parametrize("rows", [1, 2, 1000])
@pytest.mark.parametrize("name", AWKWARD)
def test_no_value_changes(tmp_path: Path, name: str, rows: int) -> None:
    """What comes out is what Python's csv module reads, each value the text or the number that it says."""
    path = tmp_path / "rows.csv"
    path.write_bytes(AWKWARD[name].encode())
    text = AWKWARD[name].removeprefix("\ufeff")
    delimiter = next((each for each in ";\t|" if each in text.partition("\n")[0]), ",")
    [_, *wanted] = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    found = rows_of(step_of(str(path), mini_batch_rows=rows))
    assert len(found) == len(wanted)
    for row, texts in zip(found, wanted, strict=True):
        assert all(map(says, row, texts)), (row, texts)


def types_of(path: Path, **more: Any) -> list[str]:
    recipe = from_json(planned_of(step_of(str(path), **more)).recipe_json or "", "recipe")
    return [str(column.type.kind) for column in recipe.columns]


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("a fraction behind the first rows", ["float"]),
        ("leading zeros behind the first rows", ["string"]),
        ("missing values", ["float", "float", "string"]),
        ("numbers that are too long", ["string", "int"]),
        ("whole numbers of 64 bits and of more", ["int", "int", "string", "string"]),
        ("wide numbers among fractions", ["string"]),
        ("wide numbers with gaps", ["string", "int"]),
        ("plus, minus zero, exponents, hexadecimal", ["string", "float", "string", "string", "string"]),
        ("overflow", ["string", "string"]),
        ("words", ["boolean", "string", "int", "string"]),
        ("nan among numbers", ["float"]),
        ("blanks around numbers", ["int", "int"]),
        ("quoted numbers", ["int", "float"]),
        ("digits that a float cannot hold", ["string"]),
        ("semicolons and decimal commas", ["string", "string"]),
    ],
)
def test_a_type_holds_every_value(tmp_path: Path, name: str, types: list[str]) -> None:
    """Over the whole column; text where no other type holds all of them."""
    path = tmp_path / "rows.csv"
    path.write_bytes(AWKWARD[name].encode())
    assert types_of(path) == types


@pytest.mark.parametrize("name", NO_HEADER)
def test_a_first_row_of_data_is_no_header(tmp_path: Path, name: str) -> None:
    """Where it holds numbers; else `header: false` says so."""
    path = tmp_path / "rows.csv"
    path.write_text(NO_HEADER[name])
    assert len(rows_of(step_of(str(path)))) == 2
    path.write_text("Ada\nBob\n")
    assert len(rows_of(step_of(str(path)))) == 1
    assert rows_of(step_of(str(path), read=ReadOptions(header=False))) == [["Ada"], ["Bob"]]


values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6) | st.sampled_from(
    ["1", "2.5", "-3", "007", "1e5", "", "true", "9007199254740993", "nan", "12345678901234567890", ' "', "0.1"]
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(values, min_size=2, max_size=2), min_size=1, max_size=12), st.sampled_from(["", "\n", "\r\n"]))
def test_whatever_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], inside: str
) -> None:
    """Any text, quoted where it must be, also with line breaks in it."""
    path = tmp_path_factory.mktemp("any") / "rows.csv"
    rows = [[f"x{inside}{first}", second] for first, second in rows]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["a", "b"], *rows])
    for cut in ({"mini_batch_rows": 3}, {"mini_batch_size": MiniBatchSize(100)}):
        found = rows_of(step_of(str(path), read=ReadOptions(delimiter=","), **cut))
        assert len(found) == len(rows)
        assert all(map(says, (v for row in found for v in row), (t for row in rows for t in row))), (found, rows)


@pytest.mark.parametrize(
    ("encoding", "shown"), [("latin-1", "windows-1252"), ("cp1252", "windows-1252"), ("utf-16", "UTF-16")]
)
def test_the_encoding_is_found(tmp_path: Path, encoding: str, shown: str) -> None:
    """Also when the first character that is not ASCII comes late."""
    path = tmp_path / "rows.csv"
    path.write_bytes(("city,n\n" + "x,1\n" * 90_000 + "Köln,2\n").encode(encoding))
    planned = planned_of(step_of(str(path)))
    assert shown in planned.found[0]
    assert rows_of(step_of(str(path)))[-1] == ["Köln", 2]


def test_files_in_two_encodings_are_refused(tmp_path: Path) -> None:
    """One of them would be read wrongly."""
    (tmp_path / "1.csv").write_bytes("a\nKöln\n".encode())
    (tmp_path / "2.csv").write_bytes("a\nKöln\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"2\.csv: is not UTF-8, and .*1\.csv is"):
        planned_of(step_of(str(tmp_path), read=ReadOptions()))


def test_a_table_in_an_encoding_that_is_none_is_refused(tmp_path: Path) -> None:
    """Rather than taken for windows-1252, in which these bytes mean nothing."""
    (tmp_path / "1.csv").write_bytes(b"a\n\x81\x8d\n")
    with pytest.raises(InputError, match=r"set read\.encoding"):
        planned_of(step_of(str(tmp_path / "1.csv")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", r"rows\.csv:3: a row of 1 fields.*2 columns"),
        ("a,b\n" + "1,2\n" * 100 + "3,4,5\n", r"rows\.csv:102: a row of 3 fields"),
    ],
)
def test_a_row_of_another_width_is_an_error_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """Before anything starts; or filled and cut, where that is asked for, and counted."""
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        planned_of(step_of(str(path)))
    step = step_of(str(path), read=ReadOptions(misfits="null"))
    planned = planned_of(step)
    recipe = from_json(planned.recipe_json or "", "recipe")
    [batch] = planned.batches
    frame, changes = read_counted(recipe, [Section(p.uri, p.start, p.stop, p.cut.value) for p in batch.pieces])
    last = frame.iloc[-1].tolist()
    assert last == [3, 4] or (last[0] == 3 and math.isnan(last[1]))
    assert [change.count for change in changes] == [1]


def test_a_value_that_is_not_of_its_given_type(tmp_path: Path) -> None:
    """An error with file, line and column; null where that is asked for, counted."""
    path = tmp_path / "rows.csv"
    path.write_text("id,n\n" + "1,5\n" * 40 + "2,2.5\n3,x\n")
    with pytest.raises(InputError, match=r"rows\.csv:42: column n: '2\.5' is not a whole number"):
        planned_of(step_of(str(path), read=ReadOptions(types={"n": "int"})))
    planned = planned_of(step_of(str(path), read=ReadOptions(types={"n": "int"}, misfits="null")))
    recipe = from_json(planned.recipe_json or "", "recipe")
    [batch] = planned.batches
    frame, [change] = read_counted(recipe, [Section(p.uri, p.start, p.stop, p.cut.value) for p in batch.pieces])
    assert frame["n"].tolist()[:-2] == [5] * 40 and frame["n"].isna().sum() == 2
    assert (change.column, change.count, change.text, change.line) == ("n", 2, "2.5", 42)


def test_types_that_are_given(tmp_path: Path) -> None:
    """Each as it is asked for; one word for all columns."""
    path = tmp_path / "rows.csv"
    path.write_text("id,day,ok\n007,31/01/2020,Yes\n")
    types = {"id": "int", "day": "%d/%m/%Y", "ok": "boolean"}
    assert rows_of(step_of(str(path), read=ReadOptions(types=types))) == [[7, pd.Timestamp("2020-01-31"), True]]
    [row] = rows_of(step_of(str(path), read=ReadOptions(types={"id": "float", "day": "%d/%m/%Y"})))
    assert row == [7.0, pd.Timestamp("2020-01-31"), "Yes"]
    assert rows_of(step_of(str(path), read=ReadOptions(types={"*": "string"}))) == [["007", "31/01/2020", "Yes"]]
    with pytest.raises(InputError, match=r"read\.types: dya: no such column"):
        planned_of(step_of(str(path), read=ReadOptions(types={"dya": "string"})))


def test_a_folder_is_one_table(tmp_path: Path) -> None:
    """Its files in the order of their names; types over all of them; hidden ones and empty ones left out."""
    (tmp_path / "a.csv").write_text("n,m\n1,1\n")
    (tmp_path / "b.csv").write_text("n,m\n2,0.5\n")
    (tmp_path / "c.csv").write_text("")
    (tmp_path / "_SUCCESS").write_text("x")
    (tmp_path / ".part.crc").write_text("x")
    assert rows_of(step_of(str(tmp_path), mini_batch_rows=5)) == [[1, 1.0], [2, 0.5]]
    (tmp_path / "d.csv").write_text("m,n\n2,0.5\n")
    with pytest.raises(InputError, match=r"d\.csv: has the columns of the first file in another order"):
        planned_of(step_of(str(tmp_path), mini_batch_rows=5))
    (tmp_path / "d.csv").unlink()
    (tmp_path / "e.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"e\.jsonl: is jsonl, and .*a\.csv is csv"):
        planned_of(step_of(str(tmp_path), mini_batch_rows=5))


def test_a_list_of_files_and_patterns(tmp_path: Path) -> None:
    """In the order of the list, each file once."""
    for name in ("a.csv", "b.csv", "c.tsv"):
        (tmp_path / name).write_text(f"n\n{name}\n")
    step = step_of(str(tmp_path), paths=("b.csv", "*.csv"), mini_batch_rows=5)
    assert rows_of(step) == [["b.csv"], ["a.csv"]]
    with pytest.raises(InputError, match="no file there matches the pattern"):
        planned_of(step_of(str(tmp_path), paths=("*.txt",), mini_batch_rows=5))


def test_files_stay_files_where_no_rows_are_asked_for(tmp_path: Path) -> None:
    """A folder with a count is Azure's list of files, whatever is in it; a pattern chooses among them."""
    for name in ("a.csv", "b.csv", "c.jpg"):
        (tmp_path / name).write_text("n\n1\n")
    planned = planned_of(step_of(str(tmp_path), mini_batch_size=MiniBatchSize(2)), tmp_path)
    assert [len(batch.files) for batch in planned.batches] == [2, 1]
    planned = planned_of(step_of(str(tmp_path), paths=("*.csv",), mini_batch_size=MiniBatchSize(10)))
    assert [len(batch.files) for batch in planned.batches] == [2]


def by_key(frames: list[pd.DataFrame]) -> list[list[list[Any]]]:
    return [frame.to_numpy(dtype=object).tolist() for frame in frames]


def test_rows_are_regrouped_by_plain_columns(tmp_path: Path) -> None:
    """Texts as they are written, so that `01` and `1` are two keys."""
    path = tmp_path / "rows.csv"
    path.write_text("store,n\n01,1\n1,2\n01,3\n")
    spilled = tmp_path / "spilled"
    spilled.mkdir()
    found = by_key(frames_of(step_of(str(path), partition_keys=("store",)), spilled))
    assert found == [[["01", 1], ["01", 3]], [["1", 2]]]


CUTS: list[dict[str, Any]] = [
    {"mini_batch_rows": 7},
    {"mini_batch_size": MiniBatchSize(1, "kb")},
    {"mini_batch_size": MiniBatchSize(10, "mb")},
]


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("packed", ["gz", "zst"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_compressed_files_are_cut_like_others(tmp_path: Path, form: str, packed: str, cut: dict[str, Any]) -> None:
    """The same mini-batches and rows; sizes are those of what is in the files."""
    text = "id,zip\n" + "".join(f"{n},{n:05d}\n" for n in range(1000))
    if form == "jsonl":
        text = "".join(json.dumps({"id": n, "zip": f"{n:05d}"}) + "\n" for n in range(1000))
    plain, path = tmp_path / f"rows.{form}", tmp_path / f"packed.{form}.{packed}"
    plain.write_text(text)
    with pa.CompressedOutputStream(str(path), "gzip" if packed == "gz" else "zstd") as stream:
        stream.write(text.encode())
    found = by_key(frames_of(step_of(str(path), **cut)))
    assert found == by_key(frames_of(step_of(str(plain), **cut)))
    assert [row for frame in found for row in frame] == [[n, f"{n:05d}"] for n in range(1000)]


def test_compressed_files_of_several_members_and_damaged_ones(tmp_path: Path) -> None:
    """What `cat a.gz b.gz` makes is read whole; one that is cut off is an error, not a shorter table."""
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"n\n1\n") + gzip.compress(b"2\n"))
    assert rows_of(step_of(str(path))) == [[1], [2]]
    path.write_bytes(gzip.compress(b"n\n" + b"1234\n" * 1000)[:-20])
    with pytest.raises(InputError, match=r"rows\.csv\.gz: cannot be read as gzip"):
        planned_of(step_of(str(path)))


def test_a_full_disk_is_not_the_fault_of_a_compressed_file(tmp_path: Path) -> None:
    """Whatever a small file unpacks to: it is unpacked onto the disk, part by part, and planning says what is full."""
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"n\n" + b"1\n" * 100_000))
    with (
        path.open("rb") as packed,
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(OSError, match="space"),
    ):
        unpack(packed, "gzip", str(path), full)


def test_compressed_files_are_regrouped(tmp_path: Path) -> None:
    """As others are."""
    path, spilled = tmp_path / "rows.csv.gz", tmp_path / "spilled"
    spilled.mkdir()
    path.write_bytes(gzip.compress(b"k,n\n" + b"".join(b"%d,%d\n" % (n % 3, n) for n in range(90))))
    found = frames_of(step_of(str(path), partition_keys=("k",)), spilled)
    assert [frame["n"].tolist() for frame in found] == [[n for n in range(90) if n % 3 == k] for k in range(3)]


def test_json_lines_keep_what_they_hold(tmp_path: Path) -> None:
    """One type where all values have it; mixtures, lists and objects as they are; missing keys are gaps everywhere."""
    rows: list[dict[str, Any]] = [{"a": 1, "b": 1, "c": "x", "d": [1, {"e": None}], "f": 1}] * 50
    rows += [{"a": 2.5, "b": 9007199254740993, "c": 5, "d": {"k": 1}, "g": True}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    frames = frames_of(step_of(str(path), mini_batch_rows=20))
    assert {tuple(map(str, frame.dtypes)) for frame in frames[:2]} == {
        ("float64", "int64", "object", "object", "float64", "object")
    }
    last = frames[-1].iloc[-1]
    assert [last[name] for name in "abcdg"] == [2.5, 9007199254740993, 5, {"k": 1}, True]
    assert math.isnan(last["f"])
    assert frames[0]["d"][0] == [1, {"e": None}]


json_values = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(0, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["x", "2020-01-31", ""])
    | st.lists(st.integers(0, 3), max_size=2)
)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.dictionaries(st.sampled_from("ab"), json_values), min_size=1, max_size=8), st.integers(1, 4))
def test_whatever_json_says_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], size: int
) -> None:
    """Each value as it is, or as the same number; a missing one and null are gaps."""
    path = tmp_path_factory.mktemp("any") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    frames = frames_of(step_of(str(path), mini_batch_rows=size))
    found = [row for frame in frames for row in frame.to_dict("records")]
    assert len(found) == len(rows)
    for got, row in zip(found, rows, strict=True):
        for name in "ab":
            value, wanted = got.get(name), row.get(name)
            gap = value is None or (isinstance(value, float) and math.isnan(value))
            assert gap if wanted is None else (value == wanted and isinstance(value, bool) == isinstance(wanted, bool))


@pytest.mark.parametrize("line", ["{", "[1]", '{"a":1} trailing', "null"])
def test_a_line_that_is_no_object_is_an_error_with_its_line(tmp_path: Path, line: str) -> None:
    """Before anything starts."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n' + line + "\n")
    with pytest.raises(InputError, match=r"rows\.jsonl:3: "):
        planned_of(step_of(str(path)))


def test_parquet_keeps_its_types_and_files_must_be_alike(tmp_path: Path) -> None:
    """A column of gaps with wide numbers keeps each digit; another type in a later file is refused."""
    table = pa.table({"i": pa.array([2**53 + 1, None]), "s": pa.array([1, 2], pa.int8())})
    pq.write_table(table, tmp_path / "a.parquet")
    [frame] = frames_of(step_of(str(tmp_path), mini_batch_rows=5))
    assert frame["i"].tolist() == [2**53 + 1, None] and str(frame["s"].dtype) == "int8"
    pq.write_table(pa.table({"i": [1.5], "s": pa.array([1], pa.int8())}), tmp_path / "b.parquet")
    with pytest.raises(
        InputError, match=r"b\.parquet: its columns are not those of the first file: i: double, there int64"
    ):
        list(planned_of(step_of(str(tmp_path), mini_batch_rows=5)).batches)


def test_formats_are_known_by_content_where_the_name_says_nothing(tmp_path: Path) -> None:
    """Files without an ending."""
    (tmp_path / "a").write_text('{"n": 1}\n')
    assert rows_of(step_of(str(tmp_path / "a"))) == [[1]]
    pq.write_table(pa.table({"n": [1]}), tmp_path / "b")
    assert rows_of(step_of(str(tmp_path / "b"))) == [[1]]
    (tmp_path / "c").write_bytes(codecs.BOM_UTF8 + b"n\n1\n")
    assert rows_of(step_of(str(tmp_path / "c"))) == [[1]]


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    """Images in a folder that is to be cut by bytes: a count of files is what was meant."""
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01")
    with pytest.raises(InputError, match=r"a\.jpg: holds zero bytes.*write a count such as \"10\""):
        planned_of(step_of(str(tmp_path), mini_batch_size=MiniBatchSize(10, "mb")))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """There is nothing to say what it would hold."""
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(InputError, match="its files are empty"):
        planned_of(step_of(str(tmp_path / "a.csv")))


def test_planning_twice_gives_the_same_plan(tmp_path: Path) -> None:
    """Whatever order the blocks are looked at in."""
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "".join(f"{n},{n / 7}\n" for n in range(500)))
    one, two = (planned_of(step_of(str(path), mini_batch_rows=7)) for _ in range(2))
    assert (one.recipe_json, list(one.batches)) == (two.recipe_json, list(two.batches))


def test_the_objects_of_a_trigger_are_rows_where_the_step_cuts_rows(tmp_path: Path) -> None:
    """They come as a list in an MLTable without a reader; a step that counts files gets them as a list of files."""
    objects = []
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(f"zip,n\n0{len(name)},1\n")
        objects.append((tmp_path / name).as_uri())
    (tmp_path / "arrivals").mkdir()
    (tmp_path / "arrivals" / "MLTable").write_bytes(object_list(objects, {}))
    arrived = Arrivals("run", tuple(objects), "a.csv", table=uris.from_path(str(tmp_path / "arrivals")))
    waiting = DataInput(ARRIVALS, DataType.URI_FOLDER)
    for cut, rows in (({"mini_batch_rows": 5}, True), ({"mini_batch_size": MiniBatchSize(5)}, False)):
        task = EntryTask("score.py", "/src")
        step = ParallelStep(name="score", task=task, input_data="rows", inputs={"rows": waiting}, **cut)
        [filled] = instantiate(Pipeline("/p.yml", None, (step,)), arrived).steps
        assert isinstance(filled, ParallelStep)
        planned = planned_of(filled)
        [batch] = planned.batches
        assert (len(batch.pieces), len(batch.files)) == ((2, 0) if rows else (0, 2))
        assert bool(planned.found) == rows


def test_what_pandas_and_pyarrow_write_is_what_they_read(tmp_path: Path) -> None:
    """The frame of pandas' own reader, and of pyarrow's, for columns that all three take for the same."""
    frame = pd.DataFrame(
        {
            "id": range(500),
            "ratio": [n / 7 for n in range(500)],
            "price": [round(n * 1.01, 2) for n in range(500)],
            "gap": [n if n % 3 else None for n in range(500)],
            "name": [f'no. {n}, "{n % 5}"' for n in range(500)],
            "ok": [n % 2 == 0 for n in range(500)],
        }
    )
    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False)
    found = pd.concat(frames_of(step_of(str(path), mini_batch_rows=130)), ignore_index=True)
    by_arrow = pa_csv.read_csv(path).to_pandas()
    for other in (frame, by_arrow.assign(gap=by_arrow["gap"].astype("float64"))):
        pd.testing.assert_frame_equal(found, other.astype({"name": object}), check_exact=True)
    # pandas' own reader may take a neighbour of a fraction.
    pd.testing.assert_frame_equal(found, pd.read_csv(path).astype({"name": object}), rtol=1e-15)
