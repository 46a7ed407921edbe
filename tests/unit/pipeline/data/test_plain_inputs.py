"""Plain files as rows: when a step reads them so, how it is said, and which of several files are meant."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.pipeline.model import DataInput, ParallelStep, Pipeline, ReadOptions
from fanout.records.codec import Record

Load = Callable[..., Pipeline]
Refuse = Callable[..., list[str]]
PIPELINES = Record(Pipeline, version=None, complete=True, indent=None)


def pipeline(given: str, cut: str = "") -> str:
    return f"""type: pipeline
inputs:
  rows: {given}
jobs:
  score:
    type: parallel
    inputs: {{rows: "${{{{parent.inputs.rows}}}}"}}
    input_data: ${{{{inputs.rows}}}}
    {cut}
    task: {{type: run_function, code: ./src, entry_script: score.py}}
"""


def step_of(loaded: Pipeline) -> ParallelStep:
    [step] = loaded.steps
    assert isinstance(step, ParallelStep)
    return step


def input_of(loaded: Pipeline) -> DataInput:
    given = step_of(loaded).inputs["rows"]
    assert isinstance(given, DataInput)
    return given


@pytest.mark.parametrize(
    ("given", "cut", "rows"),
    [
        ("{type: uri_folder, path: ./data}", "", False),
        ("{type: uri_folder, path: ./data}", 'mini_batch_size: "10"', False),
        ("{type: uri_folder, path: ./data}", 'mini_batch_size: "10mb"', True),
        ("{type: uri_folder, path: ./data}", "mini_batch_rows: 10", True),
        ("{type: uri_folder, path: ./data}", "partition_keys: [k]", True),
        ("{type: uri_folder, path: ./data, read: csv}", "", True),
        ("{type: uri_file, path: ./one.csv}", "", True),
        ("{type: mltable, path: ./table}", "mini_batch_rows: 10", False),
        ("{type: mltable, path: ./table}", 'mini_batch_size: "10mb"', False),
    ],
)
def test_when_plain_files_are_read_as_rows(load: Load, given: str, cut: str, rows: bool) -> None:
    """A single file always; a folder when it is cut by what only rows have, or says how it is read."""
    assert step_of(load(pipeline(given, cut))).reads_rows == rows


@pytest.mark.parametrize("given", ["{type: uri_file, path: ./one.csv}", "{path: ./data, read: csv}"])
def test_a_count_of_files_is_refused_for_rows(refuse: Refuse, given: str) -> None:
    """It would be a guess whether rows or bytes are meant."""
    [problem] = refuse(pipeline(given, 'mini_batch_size: "10"'))
    assert problem.endswith(
        "input 'rows' is read as rows, and a number alone is a count of files; write mini_batch_rows: 10, "
        'or a size such as "10mb"'
    )


@pytest.mark.parametrize(
    ("read", "options"),
    [
        ("csv", ReadOptions("csv")),
        ("tsv", ReadOptions("csv", "\t")),
        ("auto", ReadOptions()),
        ("{delimiter: ';', encoding: latin-1, header: false}", ReadOptions("", ";", "latin1", False)),
        ("{delimiter: tab}", ReadOptions(delimiter="\t")),
        ("{types: string}", ReadOptions(types={"*": "string"})),
        (
            "{types: {a: int, d: '%d/%m/%Y'}, misfits: 'null'}",
            ReadOptions(types={"a": "int", "d": "%d/%m/%Y"}, misfits="null"),
        ),
        ("{format: jsonl, types: {a: int}}", ReadOptions("jsonl", types={"a": "int"})),
    ],
)
def test_how_files_are_read(load: Load, read: str, options: ReadOptions) -> None:
    """A format alone, or what is to be otherwise than it is found; it survives the way through the store."""
    loaded = load(pipeline(f"{{type: uri_file, path: ./one.csv, read: {read}}}"))
    assert input_of(loaded).read == options
    assert PIPELINES.load(PIPELINES.dump(loaded), "run.json") == loaded


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{path: ./data, read: cvs}", "read: expected 'auto', 'csv', 'tsv', 'jsonl' or 'parquet', found 'cvs'"),
        ("{path: ./data, read: {delimeter: ';'}}", "read.delimeter: unknown key; did you mean 'delimiter'?"),
        ("{path: ./data, read: {delimiter: '::'}}", "read.delimiter: expected one character, such as ';', or tab"),
        ("{path: ./data, read: {types: {a: text}}}", "read.types.a: 'text' is no type here; write string"),
        ("{path: ./data, read: {format: parquet, header: true}}", "read.header: has no meaning for parquet"),
        ("{type: mltable, path: ./table, read: csv}", "read: says how the files of a uri_file or uri_folder are read"),
        ("{type: mltable, path: [./table]}", "an input of type mltable is one path"),
        ("{path: []}", "expected at least one path, found a list"),
        ("{path: [./data, 's3://b/x']}", "the paths of one input are in one place, and these are in several"),
        ("{path: ./nosuch/*.csv}", "nosuch' does not exist"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(refuse: Refuse, given: str, message: str) -> None:
    """Before anything starts."""
    problems = refuse(pipeline(given))
    assert any(message in problem and problem.startswith("pipeline.yml:3:") for problem in problems), problems


@pytest.mark.parametrize(
    ("path", "place", "paths"),
    [
        ("./data/*.csv", "data", ("*.csv",)),
        ("'./d*/**/*.csv'", "", ("d*/**/*.csv",)),
        ("[./one.csv, './data/*.csv']", "", ("one.csv", "data/*.csv")),
        ("[./data/a.csv, ./data/b.csv]", "data", ("a.csv", "b.csv")),
        ("s3://b/x/*.csv", "s3://b/x", ("*.csv",)),
        ("['s3://b/x/a.csv', 's3://b/y/*.csv']", "s3://b", ("x/a.csv", "y/*.csv")),
        ("['https://h/x/a%20b.csv', 'https://h/x/c.csv']", "https://h/x", ("a b.csv", "c.csv")),
        ("'s3://b/x[1]/'", "s3://b/x[1]/", ()),
        ("https://h/x.csv?a=*", "https://h/x.csv?a=*", ()),
    ],
)
def test_several_files(load: Load, folder: Path, path: str, place: str, paths: tuple[str, ...]) -> None:
    """A list or a pattern is the folder around the files, and their names below it."""
    given = input_of(load(pipeline(f"{{path: {path}, read: csv}}")))
    wanted = place if "://" in place else (folder / place).as_uri()
    assert (given.uri, given.paths) == (wanted, paths)


def test_a_file_whose_name_has_wildcards_is_itself(load: Load, folder: Path) -> None:
    """What is there wins over what would match."""
    (folder / "data" / "x[1].csv").write_text("a\n")
    given = input_of(load(pipeline("{type: uri_file, path: './data/x[1].csv'}")))
    assert given.paths == () and given.uri.endswith("x%5B1%5D.csv")
    given = input_of(load(pipeline("{type: uri_file, path: ['./data/x[1].csv']}")))
    assert given.paths == ("x[[]1].csv",)


def test_a_record_of_an_earlier_version_is_what_it_was(load: Load) -> None:
    """It does not know the keys of plain files."""
    loaded = load(pipeline("{path: ./data}"))
    written = PIPELINES.dump(loaded)
    older = written.replace(b',"paths":[],"read":null', b"")
    assert older != written
    assert PIPELINES.load(older, "run.json") == loaded
