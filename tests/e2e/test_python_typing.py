"""The Python API for users who check their own code with mypy --strict."""

import subprocess
import sys
from pathlib import Path

SAMPLE = """\
from pathlib import Path
from typing import assert_type

import fanout


def square(number: int) -> int:
    return number * number


@fanout.parallel(mini_batch_size=20, max_retries=2)
def score(mini_batch: list[Path]) -> list[dict[str, float]]:
    return [{"size": float(path.stat().st_size)} for path in mini_batch]


@fanout.parallel
def plain(mini_batch: list[int]) -> list[str]:
    return [str(number) for number in mini_batch]


def main() -> None:
    assert_type(fanout.map(square, range(3)), list[int])
    for item, row in fanout.imap(square, [1, 2]):
        assert_type((item, row), tuple[int, int])
    assert_type(score.map("photos/*.jpg"), list[dict[str, float]])
    assert_type(plain.map([1]), list[str])
    run = score.run("photos", output="scores.csv")
    assert_type(run, fanout.Run)
    inputs = {"rate": 0.5, "data": Path("in")}
    run = fanout.run("pipeline.yml", inputs=inputs, overrides={"jobs.a.mini_batch_size": "1"})
    verdict: fanout.Verdict | None = run.verdict
    counts: fanout.Counts | None = run.steps["a"].counts
    assert_type(run.output().text(), str)
    assert_type([failed.message for failed in run.failures()], list[str])
    for event in run.events():
        if isinstance(event, fanout.StepEnded):
            print(event.verdict, verdict, counts)
    for one in fanout.runs(store="s3://bucket/runs"):
        assert_type(one.name, str)
    try:
        run.raise_for_status()
    except fanout.RunFailed as error:
        assert_type(error.run, str)
"""
WRONG = """\
import fanout


def square(number: int) -> int:
    return number * number


fanout.map(square, ["a"])
fanout.run("pipeline.yml", stoer="here")
text: str = fanout.run("pipeline.yml").status + 1
"""


def _mypy(folder: Path, text: str) -> "subprocess.CompletedProcess[str]":
    (folder / "sample.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={folder / 'cache'}",
        "sample.py",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_a_users_program_is_typed(tmp_path: Path) -> None:
    """Calls have the types that their functions have; what is wrong is found."""
    ended = _mypy(tmp_path, SAMPLE)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ended = _mypy(tmp_path, WRONG)
    assert [line.split(":")[1] for line in ended.stdout.splitlines() if ": error:" in line] == ["8", "9", "10"]
