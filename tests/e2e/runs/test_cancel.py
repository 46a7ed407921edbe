"""`fanout cancel` from another terminal: everything stops within seconds, wherever it runs, and what is done stays."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from fanout.config.settings import load_settings
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.objects import read
from fanout.storage.open import open_store

if TYPE_CHECKING:
    import subprocess

STOPPED_WITHIN = 5.0
"""Seconds in which no process works on a run any more, from the moment on when the store says that it is canceled."""
SLOW = """\
import os, time
from pathlib import Path

def run(mini_batch, context):
    marks = Path(os.environ["MARKS"])
    (marks / f"{context.minibatch_index}-{context.retry_count}-{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(0.05 if has_ticket(marks.parent) else 1000)
    return [Path(p).read_text() for p in mini_batch]

def has_ticket(folder):
    # Queues need not deliver in order: the first five are whichever come first.
    for number in range(5):
        try:
            (folder / f"ticket{number}").touch(exist_ok=False)
            return True
        except FileExistsError:
            pass
    return False
"""


class Helpers(Protocol):
    """What conftest.py lends to this module."""

    wait_until: Callable[..., None]
    node_of: Callable[[int], int]
    alive: Callable[[list[int]], list[int]]


@pytest.fixture
def slow(anywhere: Any) -> Any:
    """A run of which five mini-batches succeed and the others would take for ever."""
    anywhere.write("src/score.py", SLOW)
    return anywhere


def _pids(project: Any) -> list[int]:
    return sorted({pid for _, _, pid in project.attempts()})


def _succeeded(project: Any) -> int:
    [step] = json.loads(project.fanout("status", "r", "--json").stdout)["steps"]
    return int(step["counts"]["succeeded"])


def _works_by_hand(project: Any, tools: Helpers) -> "subprocess.Popen[str]":
    """A node with one slot that has joined run `r`, whose own node has two, and has begun a mini-batch."""
    node = project.start("node", "r", "--slots", "1")

    def joined() -> bool:
        if node.poll() is not None:
            pytest.fail(f"the node left with {node.returncode}: {node.communicate()}")
        return len(_pids(project)) == 3

    tools.wait_until(joined)
    return node


@pytest.fixture
def canceling(monkeypatch: pytest.MonkeyPatch, tools: Helpers) -> "Callable[..., subprocess.Popen[str]]":
    """`fanout cancel r …` of a project: returned when the store says that the run is canceled, as the command may take
    as long to start as it likes."""

    def cancel(project: Any, *options: str) -> "subprocess.Popen[str]":
        monkeypatch.chdir(project.folder)
        settings = load_settings(project.folder, None, {**os.environ, **project.environ})
        store = open_store(settings.store, Access.from_environ(project.environ))
        process: subprocess.Popen[str] = project.start("cancel", "r", *options)
        tools.wait_until(lambda: asyncio.run(read(store, keys.cancel("r", 1))) is not None)
        return process

    return cancel


def test_run_and_nodes_elsewhere_stop_within_seconds(slow: Any, tools: Helpers, canceling: Any) -> None:
    """`fanout run` ends with 130 and says who canceled it; a node started by hand, here as on any machine, leaves too;
    no process of a slot is left."""
    process = slow.start("run", "pipeline.yml", "--name", "r")
    slow.wait_for_attempts(7, process)
    tools.wait_until(lambda: _succeeded(slow) == 5)
    by_hand = _works_by_hand(slow, tools)
    nodes = sorted({tools.node_of(pid) for pid in _pids(slow)})
    assert len(nodes) == 2
    command = canceling(slow, "--json")
    begun = time.monotonic()
    tools.wait_until(lambda: not tools.alive([*nodes, *_pids(slow)]), patience=STOPPED_WITHIN)
    took = time.monotonic() - begun
    said, _ = command.communicate(timeout=30)
    stdout, stderr = process.communicate(timeout=30)
    told, _ = by_hand.communicate(timeout=30)
    print(f"stopped after {took:.1f} s")
    assert command.returncode == 0, said
    assert process.returncode == 130, stdout + stderr
    assert "canceled the run; 5 of 60 mini-batches had succeeded" in stdout
    assert "fanout redrive r" in stdout
    assert by_hand.returncode == 0
    assert told.splitlines()[-1].startswith("left: the run is canceled")
    fields = json.loads(said)
    assert (fields["canceled"], fields["status"]) == (True, "Canceled")
    counts = fields["steps"][0]["counts"]
    assert (counts["succeeded"], counts["canceled"], counts["failed"]) == (5, 55, 0)
    assert not (slow.folder / "scores.txt").exists()


def test_a_run_without_anybody_is_sealed_by_who_cancels_it(slow: Any, tools: Helpers, canceling: Any) -> None:
    """The run was killed; a node elsewhere goes on with it until the run is canceled, from another folder."""
    process = slow.start("run", "pipeline.yml", "--name", "r")
    slow.wait_for_attempts(7, process)
    tools.wait_until(lambda: _succeeded(slow) == 5)
    by_hand = _works_by_hand(slow, tools)
    process.kill()
    process.communicate()
    nodes = sorted({tools.node_of(pid) for pid in _pids(slow) if tools.alive([pid])})
    command = canceling(slow)
    begun = time.monotonic()
    # The run's own node was left alone a moment ago, and leaves for that reason.
    tools.wait_until(lambda: not tools.alive([*nodes, *_pids(slow)]), patience=STOPPED_WITHIN + 2)
    print(f"stopped after {time.monotonic() - begun:.1f} s")
    said, trouble = command.communicate(timeout=60)
    by_hand.communicate(timeout=30)
    assert command.returncode == 0, said + trouble
    assert "Canceled, 5 of 60 mini-batches had succeeded" in said
    status = json.loads(slow.fanout("status", "r", "--json").stdout)
    assert status["status"] == "Canceled"
    again = slow.fanout("cancel", "r")
    assert (again.code, "was over already: Canceled" in again.stdout) == (0, True)
    resumed = slow.fanout("resume", "r")
    assert (resumed.code, "go on with         fanout redrive r" in resumed.stdout) == (130, True)
    assert len(_pids(slow)) == 3, "nobody works on it again"


def test_a_canceled_command_and_what_it_started(project: Any, tools: Helpers, canceling: Any) -> None:
    """A command step is ended with the processes it has started; the next step does not start."""
    project.write(
        "pipeline.yml",
        """\
        type: pipeline
        jobs:
          first:
            type: command
            command: sleep 1000 & echo $$ $! > $MARKS/pids.part; mv $MARKS/pids.part $MARKS/pids; wait
          second:
            type: command
            command: touch $MARKS/second
            depends_on: [first]
        """,
    )
    process = project.start("run", "pipeline.yml", "--name", "r")
    noted = project.marks / "pids"
    tools.wait_until(noted.exists)
    pids = [int(pid) for pid in noted.read_text().split()]
    command = canceling(project)
    tools.wait_until(lambda: not tools.alive(pids), patience=STOPPED_WITHIN)
    stdout, stderr = process.communicate(timeout=30)
    command.communicate(timeout=30)
    assert process.returncode == 130, stdout + stderr
    assert "second: skipped" in stdout
    assert not (project.marks / "second").exists()


def test_a_finished_run_cannot_be_canceled(project: Any) -> None:
    """It is told how it ended, with exit code 1, since nothing was canceled; a name that is none is exit code 2."""
    project.write("src/score.py", "def run(mini_batch):\n    return mini_batch\n")
    assert project.fanout("run", "pipeline.yml", "--name", "r").code == 0
    before = sorted(Path(project.folder, ".fanout").rglob("*"))
    ended = project.fanout("cancel", "r")
    assert ended.code == 1
    assert ended.stdout.startswith("r was over already: Completed at ")
    assert sorted(Path(project.folder, ".fanout").rglob("*")) == before
    unknown = project.fanout("cancel", "nobody")
    assert unknown.code == 2
    assert "no run named nobody" in unknown.stderr


def test_ctrl_c_is_no_cancelation(project: Any) -> None:
    """What was stopped by a signal is not canceled: `fanout resume` goes on."""
    process = project.start("run", "pipeline.yml", "--name", "r")
    project.wait_for_attempts(3, process)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not (project.folder / ".fanout/runs/r/cancel.json").exists()
    assert project.fanout("resume", "r").code == 0
