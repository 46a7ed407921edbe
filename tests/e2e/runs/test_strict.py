"""Failures within the thresholds, as people and programs see them: at once, first, and with --strict as a failure."""

import json
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("strict")

SCRIPT = """
def run(mini_batch):
    number = int(open(mini_batch[0]).read().split()[1])
    if number % 3 == 0:
        raise ValueError(f"cannot score {number}")
    return [number]
"""


@pytest.fixture
def failing(project: Any) -> Any:
    """A third of nine mini-batches raise, on every try; the thresholds allow that."""
    project.write("src/score.py", SCRIPT)
    for path in (project.folder / "in").iterdir():
        if int(path.stem) >= 9:
            path.unlink()
    return project


def test_failures_within_the_thresholds_are_no_quiet_success(failing: Any) -> None:
    """The traceback comes before the end of the step, once; the verdict says what failed and what allowed it."""
    ended = failing.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 0, ended.said
    lines = ended.stdout.splitlines()
    first = next(place for place, line in enumerate(lines) if "score: first failure of its kind: mini-batch" in line)
    over = next(place for place, line in enumerate(lines) if line.startswith("score: Completed with failures in "))
    assert first < over
    assert "ValueError: cannot score" in "".join(lines[first:over])
    assert "".join(lines).count("first failure of its kind") == 1
    verdict = next(line for line in lines if line.startswith("Completed with failures r in "))
    assert verdict.endswith(
        "3 of 9 mini-batches failed and 3 of 9 items failed (allowed by mini_batch_error_threshold -1, "
        "allowed_failed_percent 100, error_threshold -1)"
    )
    assert "Completed with failures" in failing.fanout("list").stdout
    assert failing.fanout("status", "r").code == 0
    assert failing.fanout("status", "r", "--strict").code == 1


@pytest.mark.parametrize(
    ("setting", "options", "code"),
    [("", ("--strict",), 1), ("strict = true\n", (), 1), ("strict = true\n", ("--no-strict",), 0)],
)
def test_a_strict_run_fails_the_shell(failing: Any, setting: str, options: tuple[str, ...], code: int) -> None:
    """By option or by fanout.toml; the option wins. The verdict in the store stays what the thresholds make it."""
    failing.write("fanout.toml", setting)
    ended = failing.fanout("run", "pipeline.yml", "--name", "r", "--json", *options)
    assert ended.code == code, ended.said
    end = json.loads(ended.stdout.splitlines()[-1])
    assert (end["event"], end["status"], end["with_failures"]) == ("run_ended", "Completed", True)
    again = failing.fanout("redrive", "r", *options)
    assert again.code == code, again.said
    assert ("the exit code is 1" in again.stdout) is (code == 1)
    assert failing.fanout("resume", "r", *options).code == code


def test_a_strict_run_without_failures_is_a_success(project: Any) -> None:
    """Nothing failed: nothing is different."""
    assert project.fanout("run", "pipeline.yml", "--strict", "--name", "r").code == 0
    assert project.fanout("status", "r", "--strict").code == 0
