"""Steps in environments made from their conda files, through the command line and offline."""

from pathlib import Path
from typing import Any

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
