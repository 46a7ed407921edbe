"""Several steps through the command line: at the same time, in steps, and what one that fails means for the others."""

import json
from typing import Any

import pytest

STUCK = """\
import os, time
from pathlib import Path

def run(mini_batch):
    Path(os.environ["MARKS"], f"slot-{os.getpid()}").touch()
    time.sleep(1000)
"""
FAILS = """\
type: pipeline
{settings}
inputs:
  files: {{type: uri_folder, path: ./in}}
jobs:
  bad:
    command: touch $MARKS/bad; until {until}; do sleep 0.02; done; echo too bad; exit 3
    outputs: {{o: }}
  behind:
    command: touch $MARKS/behind
    inputs: {{i: "${{{{parent.jobs.bad.outputs.o}}}}"}}
"""
ALONE = """\
  alone:
    command: touch $MARKS/alone; until test -e $MARKS/bad; do sleep 0.02; done
  after:
    command: touch $MARKS/after
    depends_on: alone
"""
RUNNING = """\
  long:
    command: echo > $MARKS/command-$$; sleep 1000
  slow:
    type: parallel
    inputs: {data: "${{parent.inputs.files}}"}
    input_data: ${{inputs.data}}
    max_concurrency_per_instance: 1
    task: {type: run_function, code: ./src, entry_script: score.py}
"""


COMPONENT = """\
type: pipeline
name: scoring
inputs:
  raw: {type: uri_folder}
  size: {type: string, default: "1"}
outputs:
  rows: {type: uri_file}
jobs:
  keep:
    command: sh keep.sh ${{inputs.raw}} ${{outputs.kept}}
    code: ../src
    inputs: {raw: "${{parent.inputs.raw}}"}
    outputs: {kept: }
  score:
    type: parallel
    inputs: {files: "${{parent.jobs.keep.outputs.kept}}"}
    outputs: {rows: "${{parent.outputs.rows}}"}
    input_data: ${{inputs.files}}
    mini_batch_size: ${{parent.inputs.size}}
    retry_settings: {max_retries: 0}
    task: {type: run_function, code: ../src, entry_script: score.py, append_row_to: "${{outputs.rows}}"}
"""
NESTED = """\
type: pipeline
inputs:
  files: {type: uri_folder, path: ./in}
outputs:
  scores: {type: uri_file, path: ./scores.txt}
jobs:
  first:
    component: ./parts/scoring.yml
    inputs: {raw: "${{parent.inputs.files}}", size: "20"}
    outputs: {rows: "${{parent.outputs.scores}}"}
  count:
    command: wc -l < ${{inputs.rows}} > ${{outputs.n}}
    inputs: {rows: "${{parent.jobs.first.outputs.rows}}"}
    outputs: {n: {type: uri_file, path: ./count.txt}}
"""
SCORE = """\
from pathlib import Path

def run(mini_batch):
    rows = [Path(file).read_text() for file in mini_batch]
    if "content 0" in rows and not Path(__file__).with_name("mended").exists():
        raise ValueError("not the first")
    return rows
"""


def test_a_pipeline_component(anywhere: Any) -> None:
    """Its steps run under its name, fail, are told of, and are run again by that name, on every kind of servers."""
    anywhere.write("pipeline.yml", NESTED)
    anywhere.write("parts/scoring.yml", COMPONENT)
    anywhere.write("src/score.py", SCORE)
    anywhere.write("src/keep.sh", "cp $1/00*.txt $1/01*.txt $2\n")
    ended = anywhere.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 1, ended.said
    assert "first.score: Failed" in ended.stdout
    assert "count: skipped, step first.score did not complete" in ended.stdout
    assert "look closer: fanout run-one r 0 --step first.score" in ended.said
    anywhere.write("src/mended", "")
    again = anywhere.fanout("redrive", "r", "--new-code")
    assert again.code == 0, again.said
    assert "first.keep: Completed earlier" in again.stdout
    assert anywhere.output() == b"".join(b"content %d\n" % number for number in range(20))
    assert anywhere.output("count.txt").split() == [b"20"]


def test_independent_steps_go_on_when_one_has_failed(project: Any) -> None:
    """Two that wait for each other run at the same time; what needs the failed one is skipped, the rest is done."""
    text = FAILS.format(settings="", until="test -e $MARKS/alone") + ALONE
    project.write("pipeline.yml", text)
    ended = project.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 1, ended.said
    assert sorted(mark.name for mark in project.marks.iterdir()) == ["after", "alone", "bad"]
    assert "behind: skipped, step bad did not complete" in ended.stdout
    assert "too bad" in ended.said
    status = json.loads(project.fanout("status", "r", "--json").stdout)
    assert (status["status"], status["reason"]) == ("Failed", "step bad: the command ended with exit code 3")


def test_one_failure_ends_the_steps_that_run(project: Any, tools: Any) -> None:
    """continue_on_step_failure: false: commands and slots are gone, and the run has failed by the step that did."""
    until = "ls $MARKS | grep -q command- && ls $MARKS | grep -q slot-"
    text = FAILS.format(settings="settings: {continue_on_step_failure: false}", until=until) + RUNNING
    project.write("pipeline.yml", text)
    project.write("src/score.py", STUCK)
    ended = project.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 1, ended.said
    assert "Failed r" in ended.said
    assert "step bad: the command ended with exit code 3" in ended.said
    why = "step bad failed, and continue_on_step_failure is false"
    assert "long: Canceled in" in ended.stdout
    assert ended.stdout.count(why) >= 2
    pids = [int(mark.name.partition("-")[2]) for mark in project.marks.iterdir() if "-" in mark.name]
    assert len(pids) == 2
    assert not tools.alive(pids)
    assert not (project.marks / "behind").exists()


@pytest.mark.parametrize("json", [False, True])
def test_what_a_command_prints_is_seen_while_it_runs(empty_project: Any, json: bool) -> None:
    """With the name of its step; without control characters and credentials; and it is in the log as before."""
    empty_project.write(
        "pipeline.yml",
        """\
        type: pipeline
        jobs:
          train:
            type: command
            command: |
              echo "epoch 1 $DB_PASSWORD"; printf '\\033[31mred\\n'
              until [ -e go ]; do sleep 0.05; done; echo "epoch 2"
            code: ./src
        """,
    )
    empty_project.write("src/a", "")
    empty_project.environ["DB_PASSWORD"] = "hunter2hunter2"  # noqa: S105 - no password of anything
    go = empty_project.folder / "go"
    text = (empty_project.folder / "pipeline.yml").read_text().replace("-e go", f"-e {go}")
    empty_project.write("pipeline.yml", text)
    process = empty_project.start("run", "pipeline.yml", "--name", "r", *(["--json"] if json else []))
    seen = []
    while not any("red" in line for line in seen):
        seen.append(process.stdout.readline())
        assert seen[-1], process.communicate()
    go.touch()
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    said = "".join(seen) + rest
    assert "hunter2" not in said
    assert "\x1b" not in said
    if json:
        assert '"event": "step_printed"' in said
    else:
        assert "train | epoch 1 " in said
        assert "train | epoch 2\n" in said
    logs = empty_project.fanout("logs", "r").stdout
    assert "epoch 1" in logs
    assert "hunter2" not in logs
