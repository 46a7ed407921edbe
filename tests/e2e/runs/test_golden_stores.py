"""Stores that released versions left behind, as files in tests/data/stores: today's commands read and finish them.

The promise: a run that one minor version began is shown, finished and redriven by the next. A store names places of its
machine, so each one is laid out again at the place where it was made.
"""

import fcntl
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("golden-stores")  # each version's store has one place on a machine

FANOUT = Path(sys.executable).with_name("fanout")
STORES = Path(__file__).parents[2] / "data" / "stores"
ROWS = "".join(f"f{n}.txt {n}\n" for n in (0, 1, 2, 3, 6, 7))


def _fanout(place: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [FANOUT, *arguments], cwd=place, capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL
    )


@pytest.fixture(params=sorted(path.name for path in STORES.iterdir()))
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A version's store with its pipeline, code and input, at the path that its records name."""
    place = Path(f"/tmp/fanout-golden-{request.param}")
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(STORES / request.param, place)
        (place / "store").rename(place / ".fanout")
        yield place
        shutil.rmtree(place)


def _output(place: Path, run: str, step: str, name: str) -> str:
    return (place / ".fanout" / "runs" / run / step / "outputs" / name).read_text()


def test_runs_are_listed(place: Path) -> None:
    """Every run is there, each with its verdict; the one without is not over."""
    shown = _fanout(place, "list", "--json")
    assert shown.returncode == 0, shown.stderr
    runs = {run["run"]: run["status"] for run in json.loads(shown.stdout)["runs"]}
    assert runs.pop("interrupted") is None
    assert runs == {"finished": "Completed", "redriven": "Completed", "canceled": "Canceled"}


@pytest.mark.parametrize("run", ["finished", "redriven", "canceled", "interrupted"])
def test_status(place: Path, run: str) -> None:
    """`status` shows every step of a run."""
    shown = _fanout(place, "status", run)
    assert shown.returncode == 0, shown.stderr
    assert all(step in shown.stdout for step in ("table", "score", "add"))


def test_failures_and_logs(place: Path) -> None:
    """`failures` and `logs` read what a finished run recorded."""
    shown = _fanout(place, "failures", "finished")
    assert shown.returncode == 0, shown.stderr
    assert "ValueError: cannot score 5" in shown.stdout
    logs = _fanout(place, "logs", "finished", "--step", "score")
    assert logs.returncode == 0, logs.stderr


def test_an_interrupted_run_is_finished(place: Path) -> None:
    """`resume` goes on with the messages and results that are there; the output is that of a run in peace."""
    ended = _fanout(place, "resume", "interrupted")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert _output(place, "interrupted", "score", "scores") == ROWS
    assert _output(place, "interrupted", "add", "rows") == _output(place, "finished", "add", "rows")


@pytest.mark.parametrize("run", ["finished", "canceled"])
def test_a_run_that_is_over_is_redriven(place: Path, run: str) -> None:
    """`redrive` runs again what did not succeed, beside the results of before."""
    (place / "files" / "f5.txt").write_text("55")
    ended = _fanout(place, "redrive", run)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert _output(place, run, "score", "scores") == "".join(f"f{n}.txt {55 if n == 5 else n}\n" for n in range(8))


def test_a_run_redriven_once_is_redriven_again(place: Path) -> None:
    """The records of a second round are read as well."""
    ended = _fanout(place, "redrive", "redriven")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"nothing (is|to) run", ended.stdout + ended.stderr)


def _newer(value: Any) -> Any:
    return {**value, "version": value["version"] + 1}


@pytest.mark.parametrize("record", ["run.json", "score/step.json", "score/plan.json", "verdict.json"])
def test_a_newer_record_is_refused_with_a_sentence(place: Path, record: str) -> None:
    """What a later version wrote is not guessed at: the file, and that a newer fanout wrote it, are named."""
    path = place / ".fanout" / "runs" / "finished" / record
    path.write_text(json.dumps(_newer(json.loads(path.read_text()))))
    ended = _fanout(place, "redrive", "finished")
    said = ended.stdout + ended.stderr
    assert ended.returncode not in (0, 1), said
    assert "Traceback" not in said
    assert Path(record).name in said
    assert "version" in said
