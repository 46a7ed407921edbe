import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fanout.api.pipelines import load
from fanout.records.run import RunRecord, create_record
from fanout.storage.access import Access
from fanout.storage.open import open_store

PATIENCE = 60.0
"""Seconds after which a test gives up waiting for a process."""


def test_a_node_needs_a_run(fanout: Any, folder: Path) -> None:
    """A store or run that is not there is the user's mistake."""
    assert fanout("node", "r").code == 2
    (folder / ".fanout").mkdir()
    assert "there is no run named r" in fanout("node", "r").err


def test_a_node_needs_a_step_under_way(fanout: Any, pipeline: Path, folder: Path) -> None:
    """Without --step it looks for one that has started; with it, for that one."""
    store = open_store(str(folder / ".fanout"), Access())
    asyncio.run(create_record(store, RunRecord("r", load(pipeline, None), 0.0)))
    assert fanout("node", "r").err == (
        "no parallel step of run r is under way; `fanout status r` shows where it stands\n"
    )
    said = fanout("node", "r", "--step", "score")
    assert said.code == 2
    assert "there is no step score of a run r in this store, or it has not started yet" in said.err


@pytest.mark.parametrize("step", ["../score", "nothing", "/"])
def test_a_step_that_the_run_does_not_have_is_named(fanout: Any, pipeline: Path, folder: Path, step: str) -> None:
    """With those it has; exit code 2."""
    store = open_store(str(folder / ".fanout"), Access())
    asyncio.run(create_record(store, RunRecord("r", load(pipeline, None), 0.0)))
    said = fanout("node", "r", "--step", step)
    assert (said.code, said.err) == (2, f"run r has no step {step}; it has score\n")


def test_a_node_joins_a_run_that_is_under_way(fanout: Any, pipeline: Path, folder: Path) -> None:
    """It takes mini-batches beside the run's own node, is seen by `status`, and leaves with it when all is done."""
    (folder / "src" / "score.py").write_text(
        "import os, time\nfrom pathlib import Path\n"
        f"here = Path({str(folder)!r})\n"
        "def run(mini_batch):\n"
        "    (here / f'mark-{os.getpid()}').touch()\n"
        "    while not (here / 'go').exists():\n        time.sleep(0.01)\n"
        "    return mini_batch\n"
    )
    running = _start("run", "pipeline.yml", "--name", "r", "--set", "jobs.score.mini_batch_size=1")
    _wait_for(lambda: len(list(folder.glob("mark-*"))) == 1, running)
    joined = _start("node", "r", "--slots", "1")
    _wait_for(lambda: len(list(folder.glob("mark-*"))) == 2, running, joined)
    [step] = fanout("status", "--json").fields["steps"]
    assert (step["state"], step["nodes"], step["counts"]["total"]) == ("under way", 2, 6)
    _wait_for(lambda: fanout("status", "--json").fields["steps"][0]["alive_nodes"] == 2, running, joined)
    shown = fanout("status").out
    assert "2 nodes at work" in shown
    assert re.search(r"queue: \d waiting, \d with nodes", shown)
    following = _start("status", "r", "--follow")
    assert following.stdout is not None
    assert "not ended" in following.stdout.readline()
    (folder / "go").touch()
    told, trouble = joined.communicate(timeout=PATIENCE)
    assert trouble == ""
    assert told.splitlines()[0] == "joining run r, step score"
    assert re.fullmatch(r"joined as node 1 \(.+, process \d+\) with 1 slot", told.splitlines()[1])
    assert re.fullmatch(r"left: the step is over; \d+ done", told.splitlines()[-1])
    with following:  # closes its pipes
        seen = following.stdout.read()
    assert following.returncode == 0
    assert "Completed in" in seen[seen.rindex("\nr  ") :]
    said, wrong = running.communicate(timeout=PATIENCE)
    assert (running.returncode, joined.returncode) == (0, 0), said + wrong
    assert len((folder / "rows.txt").read_text().splitlines()) == 6
    late = fanout("node", "r")
    assert (late.code, late.out) == (2, "")
    assert "no parallel step of run r is under way" in late.err


def _start(*arguments: str) -> "subprocess.Popen[str]":
    """The command in the background."""
    command = [sys.executable, "-m", "fanout", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait_for(holds: Callable[[], bool], *processes: "subprocess.Popen[str]") -> None:
    """Returns as soon as `holds`; fails when a process has ended before, or after a long while."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        ended = [process.communicate() for process in processes if process.poll() is not None]
        if ended or time.monotonic() > deadline:
            for process in processes:
                process.kill()
            pytest.fail(f"still waiting: {ended}")
        time.sleep(0.01)
