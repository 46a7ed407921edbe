"""Several steps through the command line: at the same time, in steps, and what one that fails means for the others."""

import json
from typing import Any

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
