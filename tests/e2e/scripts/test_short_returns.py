"""Scripts that return fewer elements than items: failed where items are checked, and said where they are not."""

import json
from typing import Any

import pytest

SCRIPT = """
import os
from pathlib import Path

def run(mini_batch, context):
    marks = Path(os.environ["MARKS"])
    (marks / f"{context.minibatch_index}-{context.retry_count}-{os.getpid()}-0").touch()
    late = context.minibatch_index == 1 and context.retry_count == 1
    names = [Path(path).stem for path in mini_batch]
    return names if late or context.minibatch_index == 2 else names[:1]
"""
CHECKED = ("--set", "jobs.score.error_threshold=99")


@pytest.fixture
def short(project: Any) -> Any:
    """Three mini-batches of two files: the first is always too short, the second at its first try, the third never."""
    text = (project.folder / "pipeline.yml").read_text()
    project.write("pipeline.yml", text.replace('mini_batch_size: "1"', 'mini_batch_size: "2"'))
    project.write("src/score.py", SCRIPT)
    for path in (project.folder / "in").iterdir():
        if int(path.stem) >= 6:
            path.unlink()
    return project


def _counts(ended: Any) -> Any:
    return json.loads(next(line for line in ended.stdout.splitlines() if '"step_ended"' in line))["counts"]


def _job_result(project: Any) -> str:
    [path] = project.folder.glob(".fanout/runs/r/score/**/job_result.txt")
    return str(path.read_text())


def test_checked_items_fail_their_mini_batch_and_keep_its_rows(short: Any) -> None:
    """Tried again, then failed; the rows of the last try are in the output, once; the report says both."""
    ended = short.fanout("run", "pipeline.yml", "--name", "r", "--json", *CHECKED)
    assert ended.code == 0, ended.said
    counts = _counts(ended)
    assert (counts["succeeded"], counts["failed"], counts["short"], counts["retried"]) == (2, 1, 1, 3)
    assert (counts["items"], counts["items_succeeded"], counts["items_failed"], counts["rows"]) == (6, 5, 1, 5)
    assert short.output().decode().split() == ["000", "002", "003", "004", "005"]
    assert sorted((index, retry) for index, retry, _ in short.attempts()) == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (2, 0),
    ]
    assert "of which too short (fewer elements than items; they are in the output): 1" in _job_result(short)
    assert "run() returned 1 element for 2 items" in short.fanout("failures", "r").stdout


def test_too_many_that_are_too_short_fail_the_step(short: Any) -> None:
    """They count for the thresholds of mini-batches."""
    ended = short.fanout(
        "run", "pipeline.yml", *CHECKED, "--set", "jobs.score.mini_batch_error_threshold=0", "--name", "r"
    )
    assert ended.code == 1, ended.said
    assert "failed mini-batches: 1, more than mini_batch_error_threshold 0 allows" in ended.stdout


def test_redrive_tries_again_what_was_too_short(short: Any) -> None:
    """With the script mended the output is complete, and nothing is in it twice."""
    short.fanout("run", "pipeline.yml", *CHECKED, "--name", "r")
    short.write("src/score.py", SCRIPT.replace("names[:1]", "names"))
    ended = short.fanout("redrive", "r", "--new-code")
    assert ended.code == 0, ended.said
    assert "1 of 3 mini-batches are run again: 0" in ended.stdout
    assert short.output().decode().split() == [f"{number:03d}" for number in range(6)]


def test_isolation_finds_the_items_without_an_element(short: Any) -> None:
    """Each alone: only the file for which nothing is returned, even by itself, has failed."""
    short.write(
        "src/score.py",
        "from pathlib import Path\n\ndef run(files):\n    return [Path(f).stem for f in files if '003' not in f]\n",
    )
    ended = short.fanout(
        "run", "pipeline.yml", *CHECKED, "--set", "jobs.score.isolate_failures=true", "--json", "--name", "r"
    )
    assert ended.code == 0, ended.said
    counts = _counts(ended)
    assert (counts["items_failed"], counts["failed"], counts["succeeded"]) == (1, 0, 3)
    assert short.output().decode().split() == ["000", "001", "002", "004", "005"]


def test_where_nobody_checks_the_gap_is_said(short: Any) -> None:
    """All succeeded, as on Azure; for how many items there is no element stands in the report and on the terminal."""
    ended = short.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 0, ended.said
    assert "note: score: run() returned no element for 2 of 6 items; they count as succeeded" in ended.stdout
    assert "Items: 6, succeeded 4, failed 0" in _job_result(short)
    assert "without an element in what run() returned: 2; they count as succeeded" in _job_result(short)
    assert len(short.attempts()) == 3
