"""Nodes that do harm: a second machine that does not see the input, or on which everything fails, loses nothing."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import FANOUT, Project

FILES = 100
can_unshare = os.geteuid() == 0 and shutil.which("unshare") is not None
needs_namespaces = pytest.mark.skipif(not can_unshare, reason="needs root, to hide a folder from one process")


def _join(project: Project, script: str) -> "subprocess.Popen[str]":
    """A shell in a mount namespace of its own, as a second machine would be; `$NODE` joins the run."""
    return subprocess.Popen(
        ["unshare", "-m", "sh", "-c", script],
        cwd=project.folder,
        env={**os.environ, "MARKS": str(project.marks), "NODE": f"{FANOUT} node r", **project.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _slow(project: Project) -> None:
    """A hundred good files, some seconds of work for one node; it goes on when the other one is where it should be."""
    for number in range(FILES):
        project.write(f"in/{number:03d}.txt", f"{number}")
    script = (project.folder / "src/score.py").read_text()
    (project.folder / "src/score.py").write_text(script.replace("sleep(0.05)", "sleep(0.2)"))
    project.hold_after(0)


def _assert_all_rows(project: Project) -> None:
    rows = (project.folder / "scores.txt").read_text().splitlines()
    assert len([row for row in rows if row]) == FILES


@needs_namespaces
def test_a_node_that_does_not_see_the_input_refuses(project: Project) -> None:
    """It takes nothing, says what it lacks, and the run has every row."""
    _slow(project)
    run = project.start("run", "pipeline.yml", "--name", "r")
    project.wait_for_attempts(1, run)
    node = _join(project, "mount -t tmpfs none in && exec $NODE")
    said, _ = node.communicate(timeout=60)
    project.let_go()
    out, err = run.communicate(timeout=90)
    assert node.returncode == 2, said
    assert "cannot work on step score of run r" in said
    assert "is an empty folder here" in said
    assert run.returncode == 0, out + err
    _assert_all_rows(project)


@needs_namespaces
def test_a_node_that_sees_half_of_the_input_refuses(project: Project) -> None:
    """The data of a sample of the plan is looked for, not the folder alone."""
    _slow(project)
    run = project.start("run", "pipeline.yml", "--name", "r")
    project.wait_for_attempts(1, run)
    hide = "cp -r in half && rm half/09*.txt && mount --bind half in && exec $NODE"
    said, _ = (node := _join(project, hide)).communicate(timeout=60)
    project.let_go()
    out, err = run.communicate(timeout=90)
    assert node.returncode == 2, said
    assert "which is in the plan, is not here" in said
    assert run.returncode == 0, out + err
    _assert_all_rows(project)


@needs_namespaces
@pytest.mark.parametrize("retries", [2, 0])
def test_a_node_that_loses_the_input_is_fenced(project: Project, retries: int) -> None:
    """Its machine loses the folder while it works: it is fenced, and what failed on it is no failure of the script."""
    _slow(project)
    pipeline = (project.folder / "pipeline.yml").read_text()
    (project.folder / "pipeline.yml").write_text(pipeline.replace("max_retries: 2", f"max_retries: {retries}"))
    run = project.start("run", "pipeline.yml", "--name", "r")
    project.wait_for_attempts(1, run)
    lose = (
        "$NODE > said & while ! grep -q 'joined as node' said; do sleep 0.02; done; "
        "mount -t tmpfs none in; touch go; wait $!; code=$?; cat said; exit $code"
    )
    said, _ = (node := _join(project, lose)).communicate(timeout=90)
    out, err = run.communicate(timeout=90)
    assert run.returncode == 0, out + err
    _assert_all_rows(project)
    assert node.returncode == 42, said
    assert "left: fenced" in said
    assert "is fenced: " in out + err
    verdict = json.loads(next(Path(project.folder, ".fanout/runs/r/score").glob("verdict.json")).read_text())
    assert verdict["counts"]["succeeded"] == FILES
    assert verdict["fenced"] == [1]
    failures = project.fanout("failures", "r").stdout
    assert "node 1 (" in failures
    assert "is fenced: " in failures
    assert "neither as failures nor as tries" in failures
    [step] = [json.loads(line) for line in project.fanout("failures", "r", "--json").stdout.splitlines()[:1]]
    assert [fence["node"] for fence in step["fenced"]] == [1]
    assert step["fenced"][0]["failed"] == step["failed_by_node"]["1"] >= 3
    result = next(Path(project.folder, ".fanout/runs/r/score/logs").glob("job_result.txt")).read_text()
    assert "Nodes: node 1 (" in result
    assert "is fenced: " in out  # once more in the summary
