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
