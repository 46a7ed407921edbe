"""Steps in environments made from their conda files, through the command line and offline."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fanout.environments import interpreters

PIPELINE = """\
type: pipeline
inputs:
  files: {type: uri_folder, path: ./in}
outputs:
  scores: {type: uri_file, path: ./scores.txt}
jobs:
  look:
    command: python -c "import tinypkg, os; open(r'${{outputs.version}}', 'w').write(tinypkg.VERSION)"
    outputs:
      version: {type: uri_file, path: ./version.txt}
    environment: &own {image: any, conda_file: ./conda.yml}
  score:
    type: parallel
    mini_batch_size: "30"
    inputs: {data: "${{parent.inputs.files}}"}
    outputs: {rows: "${{parent.outputs.scores}}"}
    input_data: ${{inputs.data}}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      append_row_to: ${{outputs.rows}}
      environment: *own
"""
SCRIPT = """\
import sys, tinypkg
from azureml_user.parallel_run import EntryScript

def run(mini_batch):
    return [f"{tinypkg.VERSION} {EntryScript().node_id} {'/cache/' in sys.prefix}" for _ in mini_batch]
"""


def test_steps_run_in_environments_of_their_own(project: Any, wheels: Path) -> None:
    """Without --env a line says what is missing and how to mend it; with it, slots and commands find the package."""
    project.write("pipeline.yml", PIPELINE)
    project.write("src/score.py", SCRIPT)
    pip = f"- --no-index\n      - --find-links {wheels}\n      - tinypkg>=1"
    project.write("conda.yml", f"dependencies:\n  - pip\n  - pip:\n      {pip}\n")
    environ = {**project.environ, "XDG_CACHE_HOME": str(project.folder / "cache")}
    there = type(project)(project.folder, environ)

    without = there.fanout("run", "pipeline.yml", "--set", "jobs.score.mini_batch_error_threshold=0")
    assert without.code == 1, without.said
    assert "look, score: conda.yml asks for tinypkg>=1 (not installed); install it with: " in without.said

    ended = there.fanout("run", "pipeline.yml", "--env")
    assert ended.code == 0, ended.said
    assert "making its environment from" in ended.said
    assert project.output("version.txt") == b"1.5"
    assert project.output() == b"1.5 0 True\n" * 60


TABLE = """\
type: pipeline
inputs:
  rows: {type: uri_file, path: ./in/a.jsonl}
outputs:
  scores: {type: uri_file, path: ./scores.txt}
jobs:
  score:
    type: parallel
    mini_batch_size: "4"
    inputs: {data: "${{parent.inputs.rows}}"}
    outputs: {rows: "${{parent.outputs.scores}}"}
    input_data: ${{inputs.data}}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      program_arguments: --amlbi_file_format jsonl
      append_row_to: ${{outputs.rows}}
      environment: {image: any, conda_file: ./conda.yml}
"""
TABLE_SCRIPT = """\
import sys, tinypkg

def run(records):
    return ["%d.%d %s %r" % (*sys.version_info[:2], tinypkg.VERSION, record) for record in records]
"""


@pytest.mark.parametrize("minor", range(8, 14))
def test_rows_of_a_table_in_another_python(project: Any, wheels: Path, minor: int) -> None:
    """The environment has none of fanout's libraries and another Python; JSON lines are read all the same."""
    found = interpreters.find(f"==3.{minor}.*")
    if found is None:
        pytest.skip(f"there is no Python 3.{minor} on this machine")
    project.write("pipeline.yml", TABLE)
    project.write("src/score.py", TABLE_SCRIPT)
    project.write("in/a.jsonl", "".join(f'{{"n": {number}, "t": ["\\u00e9", null]}}\n' for number in range(10)))
    pip = f"- --no-index\n      - --find-links {wheels}\n      - tinypkg>=1"
    project.write("conda.yml", f"dependencies:\n  - python=3.{minor}\n  - pip\n  - pip:\n      {pip}\n")
    there = type(project)(project.folder, {**project.environ, "XDG_CACHE_HOME": str(project.folder / "cache")})
    ended = there.fanout("run", "pipeline.yml", "--env")
    assert ended.code == 0, ended.said
    rows = "".join(f"3.{minor} 1.5 {{'n': {number}, 't': ['é', None]}}\n" for number in range(10))
    assert project.output().decode() == rows


FRAMES = TABLE.replace("      program_arguments: --amlbi_file_format jsonl\n", "").replace(
    "{type: uri_file, path: ./in/a.jsonl}", "{type: mltable, path: ./in}"
)
FRAMES_SCRIPT = """\
import os, sys
import pandas as pd

def run(frame):
    assert pd.__version__.startswith(os.environ.get("WANTED", ""))
    frame["again"] = frame["when"] + pd.Timedelta("1D")
    return [repr([(type(value).__name__, value) for value in row]) for row in frame.itertuples()]
"""
RECIPES = {
    "rows.csv": "{read_delimited: {delimiter: ',', encoding: utf8}}",
    "rows.parquet": "read_parquet",
}


@pytest.mark.parametrize("file", RECIPES)
def test_pandas_below_2(project: Any, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The values in a DataFrame of pandas 1, made in Python 3.8, are those in a DataFrame of fanout's own pandas."""
    if interpreters.find("==3.8.*") is None:
        pytest.skip("there is no Python 3.8 on this machine")
    rows = pd.DataFrame({"n": range(20), "when": pd.Timestamp("2020-01-01 01:02:03")})
    rows["share"] = [None if n % 5 == 0 else n / 7 for n in rows["n"]]
    rows["name"] = [None if n % 3 == 0 else f"é{n}" for n in rows["n"]]
    rows["flag"] = [None if n % 7 == 0 else n % 2 == 0 for n in rows["n"]]
    project.write("pipeline.yml", FRAMES)
    project.write("src/score.py", FRAMES_SCRIPT)
    project.write("in/MLTable", f"paths: [{{file: ./{file}}}]\ntransformations: [{RECIPES[file]}]\n")
    path = project.folder / "in" / file
    rows.to_csv(path, index=False) if file.endswith("csv") else rows.to_parquet(path, row_group_size=7)
    project.write("conda.yml", "dependencies:\n  - python=3.8\n  - pip\n  - pip:\n      - pandas==1.5.3\n")
    here = project.fanout("run", "pipeline.yml")
    assert here.code == 0, here.said
    expected = project.output()
    environ = {**project.environ, "XDG_CACHE_HOME": str(project.folder / "cache"), "UV_HTTP_TIMEOUT": "20"}
    there = type(project)(project.folder, {**environ, "WANTED": "1.5.3"}).fanout("run", "pipeline.yml", "--env")
    if "its environment cannot be made" in there.said:
        pytest.skip(f"no package registry is reached: {there.said}")
    assert there.code == 0, there.said
    assert project.output() == expected
    assert expected.count(b"\n") == 20
