import gzip
from pathlib import Path
from typing import Any

import pytest


def test_a_valid_file_says_what_it_holds(fanout: Any, pipeline: Path) -> None:
    """Its steps, and what is accepted without effect."""
    said = fanout("validate", "pipeline.yml")
    assert said.code == 0
    assert said.out.startswith("pipeline.yml is valid: parallel step score\nnote: ")


def test_several_steps_have_a_line_each(fanout: Any, pipeline: Path) -> None:
    """In the order of the file, with what each waits for."""
    said = fanout("validate", "pipeline.yml", "--set", "jobs.after={command: echo, depends_on: [score]}")
    lines = said.out.splitlines()
    assert lines[:3] == ["pipeline.yml is valid: 2 steps", "  parallel step score", "  command step after after score"]


def test_all_problems_are_told_at_once(fanout: Any, pipeline: Path) -> None:
    """One line each in the form editors know, on stderr."""
    said = fanout("validate", "pipeline.yml", "--set", "jobs.score.bogus=1", "--set", "jobs.score.mini_batch_size=-1")
    assert (said.code, said.out) == (2, "")
    first, second, count = said.err.splitlines()
    assert first.startswith("--set jobs.score.bogus=1:1:12: jobs.score.bogus: ")
    assert second.startswith("--set jobs.score.mini_batch_size=-1:1:28: ")
    assert count == "2 problems"


TABLE = """\
type: pipeline
jobs:
  score:
    type: parallel
    mini_batch_size: SIZE
    inputs: {data: {type: mltable, path: ./table}}
    input_data: ${{inputs.data}}
    task: {type: run_function, code: ./src, entry_script: score.py}
"""


@pytest.mark.parametrize(
    ("mltable", "size", "problem"),
    [
        (
            "paths: [{file: ./a.csv}]\ntransformations: [read_delimitted]",
            "1kb",
            (
                "table/MLTable:2:19: transformations.0: unknown transformation 'read_delimitted'; "
                "did you mean 'read_delimited'?"
            ),
        ),
        ("paths: [{file: ./b.csv}]\ntransformations: [read_delimited]", "1kb", "table/b.csv: cannot be read"),
        ("paths: [{pattern: ./*.tsv}]\ntransformations: [read_delimited]", "1kb", "no file there matches"),
        ("paths: [{file: ./a.csv}]", "1kb", "mini_batch_size 1kb is a size, but 'data' is a list of files"),
        (None, "1kb", "holds no file named MLTable"),
    ],
)
def test_a_table_is_looked_at_before_anything_runs(
    fanout: Any, pipeline: Path, folder: Path, mltable: str | None, size: str, problem: str
) -> None:
    """Where it is on this machine; nothing of it is read but the MLTable file, and no run is made."""
    (folder / "table").mkdir()
    (folder / "table/a.csv").write_text("n\n1\n")
    if mltable is not None:
        (folder / "table/MLTable").write_text(mltable)
    (folder / "table.yml").write_text(TABLE.replace("SIZE", size))
    for verb in ("validate", "run"):
        said = fanout(verb, "table.yml")
        assert (said.code, said.out) == (2, "")
        assert problem in said.err
    assert not (folder / ".fanout").exists()
    fields = fanout("validate", "table.yml", "--json").fields
    assert not fields["valid"]
    assert problem in fields["problems"][0]["message"]


KEYED = """\
type: pipeline
jobs:
  score:
    type: parallel
    partition_keys: [kind, stroe]
    inputs: {data: {type: mltable, path: ./table}}
    input_data: ${{inputs.data}}
    task: {type: run_function, code: ./src, entry_script: score.py}
"""
CUTS = "  - keep_columns: [kind, store]\n"


@pytest.mark.parametrize("transformations", ["  - read_delimited\n", f"  - read_delimited\n{CUTS}", "parquet"])
def test_partition_keys_are_held_against_the_columns(
    fanout: Any, pipeline: Path, folder: Path, transformations: str
) -> None:
    """Also those that are no part of paths: with the place of the key, and the column that was meant."""
    (folder / "table").mkdir()
    if transformations == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"kind": [1], "store": [2], "n": [3]}), folder / "table/a.parquet")
        (folder / "table/MLTable").write_text("paths: [{file: ./a.parquet}]\ntransformations: [read_parquet]\n")
    else:
        (folder / "table/a.csv").write_text("kind,store,n\na,b,1\n")
        (folder / "table/MLTable").write_text(f"paths: [{{file: ./a.csv}}]\ntransformations:\n{transformations}")
    (folder / "keyed.yml").write_text(KEYED)
    for verb in ("validate", "run"):
        said = fanout(verb, "keyed.yml")
        assert (said.code, said.out) == (2, "")
        assert said.err == (
            "keyed.yml:5:28: jobs.score.partition_keys.1: stroe: no such column of data; did you mean 'store'?\n"
        )
    (folder / "keyed.yml").write_text(KEYED.replace("stroe", "store"))
    assert fanout("validate", "keyed.yml").code == 0


def test_columns_that_only_reading_tells_are_not_judged(fanout: Any, pipeline: Path, folder: Path) -> None:
    """Objects in JSON lines may have other fields further down."""
    (folder / "table").mkdir()
    (folder / "table/a.jsonl").write_text('{"kind": 1}\n{"stroe": 2}\n')
    (folder / "table/MLTable").write_text("paths: [{file: ./a.jsonl}]\ntransformations: [read_json_lines]\n")
    (folder / "keyed.yml").write_text(KEYED)
    assert fanout("validate", "keyed.yml").code == 0


@pytest.mark.parametrize("template", [False, True])
def test_rows_of_arrivals_need_a_reader(fanout: Any, pipeline: Path, folder: Path, template: bool) -> None:
    """mini_batch_rows on a trigger's mltable whose MLTable, if it has one, reads nothing."""
    (folder / "table").mkdir()
    (folder / "table/MLTable").write_text("paths: [{pattern: ./*.csv}]\n")
    path = ", path: ./table" if template else ""
    (folder / "armed.yml").write_text(
        "type: pipeline\n"
        f"inputs: {{t: {{type: mltable{path}}}}}\n"
        "trigger: {folder: ./drop, input: t}\n"
        "jobs:\n  score:\n    type: parallel\n    mini_batch_rows: 10\n"
        "    inputs: {data: '${{parent.inputs.t}}'}\n    input_data: ${{inputs.data}}\n"
        "    task: {type: run_function, code: ./src, entry_script: score.py}\n"
    )
    said = fanout("validate", "armed.yml")
    assert said.code == 2
    assert said.err.startswith("armed.yml:7:5: jobs.score.mini_batch_rows: score: mini_batch_rows needs a table")
    (folder / "table/MLTable").write_text("paths: [{pattern: ./*.csv}]\ntransformations: [read_delimited]\n")
    if template:
        assert fanout("validate", "armed.yml").code == 0


@pytest.mark.parametrize("verb", ["validate", "run", "plan"])
def test_a_script_is_looked_at_before_anything_runs(fanout: Any, pipeline: Path, folder: Path, verb: str) -> None:
    """Its syntax, its run(), what run() takes: with file, line and column; nothing is started."""
    script = folder / "src/score.py"
    for text, problem in (
        ("def run(mini_batch)\n", f"{script}:1:20: SyntaxError: expected ':'"),
        ("def rum(mini_batch): return []\n", f"{script}:1:1: has no function run(mini_batch)"),
        ("\ndef run(): return []\n", f"{script}:2:1: run() takes no arguments"),
    ):
        script.write_text(text)
        said = fanout(verb, "pipeline.yml")
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith(problem)
    assert not (folder / ".fanout").exists()


def test_problems_as_json(fanout: Any, pipeline: Path) -> None:
    """For editors and CI: places as numbers, exit code 2."""
    assert fanout("validate", "pipeline.yml", "--json").fields["valid"] is True
    said = fanout("validate", "pipeline.yml", "--json", "--set", "jobs.score.bogus=1")
    assert said.code == 2
    [problem] = said.fields["problems"]
    assert (problem["line"], problem["column"], problem["key"]) == (1, 12, "jobs.score.bogus")


def test_a_plan_runs_and_writes_nothing(fanout: Any, pipeline: Path, folder: Path) -> None:
    """The mini-batches and their cost, and no store made for it."""
    said = fanout("plan", "pipeline.yml", "--show", "1")
    assert said.code == 0
    assert said.out.startswith("score: 3 mini-batches, 6 items\n")
    assert f"0  {folder}/in/0.txt; {folder}/in/1.txt\n" in said.out
    assert not (folder / ".fanout").exists()


def test_a_plan_as_json(fanout: Any, pipeline: Path) -> None:
    """With the options that a run would have."""
    [step] = fanout("plan", "pipeline.yml", "--json", "--set", "jobs.score.mini_batch_size=6").fields["steps"]
    assert (step["step"], step["mini_batches"], step["messages"]) == ("score", 1, 1)


def test_an_input_that_is_missing_is_the_users_mistake(fanout: Any, pipeline: Path, folder: Path) -> None:
    """Named, with exit code 2."""
    (folder / "empty").mkdir()
    said = fanout("plan", "pipeline.yml", "--input", "files=empty")
    assert said.code == 2
    assert f"{folder}/empty" in said.err


def test_a_script_is_no_pipeline_file(fanout: Any, folder: Path) -> None:
    """It is not read as one; the command that runs it is named."""
    (folder / "score.py").write_text("def run(mini_batch):\n    return mini_batch\n")
    said = fanout("validate", "score.py")
    assert (said.code, said.out) == (2, "")
    assert said.err == "score.py is a script, no pipeline file; the verb run takes it, with --over DATA\n"


PLAIN = """\
type: pipeline
inputs:
  people: {type: TYPE, path: PATH, READ}
jobs:
  score:
    type: parallel
    inputs: {people: "${{parent.inputs.people}}"}
    input_data: ${{inputs.people}}
    CUT
    task: {type: run_function, code: ./src, entry_script: score.py}
"""


KEYS = "partition_keys: [id, zpi]"


@pytest.mark.parametrize(
    ("type_", "path", "read", "cut", "problem"),
    [
        (
            "uri_file",
            "a.csv",
            "",
            KEYS,
            "9:26: jobs.score.partition_keys.1: zpi: no such column of people; did you mean",
        ),
        ("uri_file", "a.csv", "read: {header: false}", KEYS, "id: no such column of people; there is 'Column1'"),
        ("uri_folder", "'*.parquet'", "", KEYS, "no file there matches the pattern '*.parquet'"),
        ("uri_folder", "'*.parquet'", "", "mini_batch_size: '1'", "no file there matches the pattern '*.parquet'"),
        ("uri_file", "a.csv", "read: {types: {zpi: string}}", "mini_batch_rows: 1", "7:14: jobs.score.inputs.people: "),
        ("uri_file", "a.csv", "read: parquet", "mini_batch_rows: 1", "a.csv: not a parquet file"),
        ("uri_file", "latin.csv", "read: {encoding: utf-8}", "mini_batch_rows: 1", "latin.csv: is not UTF-8"),
        ("uri_file", "empty.csv", "", "mini_batch_rows: 1", "empty.csv: its files are empty"),
    ],
)
def test_plain_files_are_looked_at(
    fanout: Any, pipeline: Path, folder: Path, type_: str, path: str, read: str, cut: str, problem: str
) -> None:
    """The beginning of the first file, before anything runs: its place, and the cure where one is known."""
    _write_plain(folder, type_, path, read, cut)
    for verb in ("validate", "run"):
        said = fanout(verb, "plain.yml")
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith("plain.yml:")
        assert problem in said.err
    assert not (folder / ".fanout").exists()


@pytest.mark.parametrize(
    ("type_", "path", "cut"),
    [
        ("uri_file", "a.csv", "partition_keys: [zip]"),
        ("uri_file", "latin.csv", "partition_keys: [straße]"),
        ("uri_file", "a.jsonl", "partition_keys: [later]"),
        ("uri_file", "a.csv.gz", "partition_keys: [zip]"),
        ("uri_folder", "'*.csv'", "mini_batch_size: '1'"),
        ("uri_folder", "s3://bucket/data", "partition_keys: [zpi]"),
    ],
)
def test_what_is_right_or_not_known_passes(
    fanout: Any, pipeline: Path, folder: Path, type_: str, path: str, cut: str
) -> None:
    """A later row of JSON lines may have the column; what is in a bucket is looked at by `plan` and `run`."""
    _write_plain(folder, type_, path, "", cut)
    assert fanout("validate", "plain.yml").code == 0


def _write_plain(folder: Path, type_: str, path: str, read: str, cut: str) -> None:
    (folder / "a.csv").write_text("id,zip\n1,00001\n")
    (folder / "a.csv.gz").write_bytes(gzip.compress(b"id,zip\n1,00001\n"))
    (folder / "a.jsonl").write_text('{"id": 1}\n{"id": 2, "later": 3}\n')
    (folder / "latin.csv").write_bytes("id,straße\n1,x\n".encode("latin-1"))
    (folder / "empty.csv").touch()
    text = PLAIN.replace("TYPE", type_).replace("PATH", path).replace("READ", read).replace("CUT", cut)
    (folder / "plain.yml").write_text(text)
