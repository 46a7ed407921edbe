"""The pytest plugin as a user has it: docs/testing.md typed in, and what pytest shows when a run fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import guides

ROOT = Path(__file__).parents[3]
MINE = {"AWS_PROFILE": "no-such-profile", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "FANOUT_STORE": "s3://mine"}
FAILING = """\
def test_failing(fanout_run, tmp_path):
    (tmp_path / "Ada.txt").write_bytes(b"\\xff")
    fanout_run("pipeline.yml", inputs={"names": tmp_path}, servers="none",
               overrides={"jobs.greet.mini_batch_error_threshold": 0})

def test_wrong(fanout_run):
    fanout_run("pipeline.yml", inputs={"nams": "here"}, servers="none")

def test_strict(fanout_run, tmp_path):
    (tmp_path / "Ada.txt").write_text("Ada")
    (tmp_path / "Bob.txt").write_bytes(b"\\xff")
    one = {"jobs.greet.mini_batch_size": "1"}
    given = {"inputs": {"names": tmp_path}, "servers": "none", "overrides": one}
    assert fanout_run("pipeline.yml", **given).completed_with_failures
    fanout_run("pipeline.yml", check="strict", **given)

def test_other_reason(fanout_run, tmp_path):
    (tmp_path / "Ada.txt").write_text("Ada")
    result = fanout_run("pipeline.yml", inputs={"names": tmp_path}, servers="none")
    assert result.rows() == ["Hello, Grace!"]

def test_too_slow(fanout_run, tmp_path):
    (tmp_path / "Ada.txt").write_text("Ada")
    fanout_run("pipeline.yml", inputs={"names": tmp_path}, servers="none", timeout=0.01)
"""


def _blocks(page: str) -> list[str]:
    return re.findall(r"```(?:yaml|python)\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """The smallest pipeline of README.md, in a folder of its own."""
    guides.hello(tmp_path)
    return tmp_path


def _pytest(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """pytest on a user's folder, with an environment that would lead astray."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "AWS_", "FANOUT_"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "error", *arguments]
    options = ["-o", "asyncio_default_fixture_loop_scope=function", "--basetemp", str(folder / "temp")]
    return subprocess.run(
        [*command, *options],
        cwd=folder,
        env={**environ, **MINE},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.moto
def test_the_example_of_the_documentation(hello: Path) -> None:
    """docs/testing.md's test file passes as it stands, on S3 and SQS, and leaves the pipeline's folder as it was."""
    before = {path for path in hello.rglob("*") if path.is_file()}
    (hello / "test_greet.py").write_text(_blocks("docs/testing.md")[0])
    ended = _pytest(hello, "-q")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout
    left = {path for path in hello.rglob("*") if path.is_file() and "temp" not in path.relative_to(hello).parts[:1]}
    assert {path for path in left if "__pycache__" not in path.parts} == before | {hello / "test_greet.py"}


def test_failing_tests_show_what_went_wrong(hello: Path) -> None:
    """The author's own traceback at the line of the test; all problems of a wrong pipeline; none of our own frames."""
    (hello / "test_failing.py").write_text(FAILING)
    ended = _pytest(hello)
    assert "5 failed" in ended.stdout, ended.stdout + ended.stderr
    failing, wrong, strict, other, slow = re.split(r"^_+ test_\w+ _+$", ended.stdout, flags=re.MULTILINE)[1:]
    assert '>       fanout_run("pipeline.yml", inputs={"names": tmp_path}, servers="none",' in failing
    assert f'E         File "{hello}/src/greet.py", line 5, in run' in failing
    assert "E       UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff" in failing
    assert "has no input 'nams'; did you mean 'names'?" in wrong
    assert '>       fanout_run("pipeline.yml", check="strict", **given)' in strict
    assert "ended Completed with failures: step greet: 1 of 2 mini-batches failed" in strict
    assert "Captured fanout run call" in other
    assert "ended Completed" in other
    assert "RunTimeoutError: the run did not end in 0.01 s" in slow
    assert "fanout/testing/runner.py" not in ended.stdout
    assert "fanout/spec/" not in ended.stdout
