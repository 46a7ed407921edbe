"""What is started before it is needed: only where it can be of use, and never left behind."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

NOTE = """\
import os, sys
from pathlib import Path

place = Path(os.environ["STARTED"]) / str(os.getpid())
place.with_suffix(".new").write_text(" ".join(sys.orig_argv))
place.with_suffix(".new").rename(place)
"""
"""Run by each interpreter that starts, first of all."""
COMMANDS = """\
type: pipeline
jobs:
  say:
    type: command
    command: echo hello
    environment: azureml:any@latest
"""
SCRIPT = "def run(mini_batch): return list(mini_batch)\n"
HELD = """\
import os, time
from pathlib import Path

def run(mini_batch):
    while not Path(os.environ["STARTED"]).with_name("go").exists(): time.sleep(0.01)
    return list(mini_batch)
"""


class Helpers(Protocol):
    """What conftest.py lends to this module."""

    wait_until: Callable[[Callable[[], bool]], None]
    alive: Callable[[list[int]], list[int]]


@pytest.fixture
def watched(project: Any, tmp_path: Path) -> Any:
    """A project in which every interpreter notes that it has started."""
    project.write("hooks/sitecustomize.py", NOTE)
    (tmp_path / "started").mkdir()
    project.environ.update({"PYTHONPATH": str(tmp_path / "hooks"), "STARTED": str(tmp_path / "started")})
    return project


def _started(project: Any) -> dict[int, str]:
    """The command lines of all interpreters that have started so far."""
    notes = [path for path in (project.folder / "started").iterdir() if not path.suffix]
    return {int(path.name): path.read_text() for path in notes}


def _kinds(project: Any) -> list[str]:
    return sorted(word for line in _started(project).values() for word in line.split() if word.startswith("fanout."))


def test_a_node_and_what_its_slots_are_copies_of(watched: Any) -> None:
    """Two interpreters beside the command's own, however many slots there are, and the rows are right."""
    watched.write("src/score.py", SCRIPT)
    ended = watched.fanout("run", "pipeline.yml", "--set", "jobs.score.max_concurrency_per_instance=4")
    assert ended.code == 0, ended.said
    assert _kinds(watched) == ["fanout.node", "fanout.slot.child.main"]
    assert len(watched.output().splitlines()) == 60


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("run wrong.yml", 2),
        ("run pipeline.yml --set jobs.score.mini_batch_size=-", 2),
        ("run pipeline.yml --profile unknown", 2),
        ("run --help", 0),
        ("validate pipeline.yml", 0),
        ("run commands.yml", 0),
    ],
)
def test_no_node_is_started_where_there_is_nothing_for_it(watched: Any, arguments: str, code: int) -> None:
    """Not for a file or options that are wrong, nor for help, nor for steps that are all commands."""
    watched.write("wrong.yml", "type: pipeline\njobs: 3\n")
    watched.write("commands.yml", COMMANDS)
    ended = watched.fanout(*arguments.split())
    assert ended.code == code, ended.said
    assert not any(kind.startswith("fanout.node") for kind in _kinds(watched))


def test_no_trace_of_a_node_that_was_not_needed(watched: Any, tools: Helpers) -> None:
    """A step that is taken over from an earlier run has no use for one: it has left when the command has."""
    watched.write("src/score.py", SCRIPT)
    assert watched.fanout("run", "pipeline.yml", "--reuse").code == 0
    files = _files(watched.folder / ".fanout")
    ended = watched.fanout("run", "pipeline.yml", "--reuse", "--name", "second")
    assert "taken over" in ended.stdout, ended.said
    assert ended.stderr == ""
    assert [kind for kind in _kinds(watched) if kind == "fanout.node"] == ["fanout.node"] * 2
    tools.wait_until(lambda: not tools.alive(list(_started(watched))))
    assert not any("second" not in name.split("/") for name in _files(watched.folder / ".fanout") - files)


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


PHASES = {
    "the node begins": lambda project: "fanout.node" in _kinds(project),
    "its fork server begins": lambda project: "fanout.slot.child.main" in _kinds(project),
    "the run exists": lambda project: any(project.folder.glob(".fanout/runs/*/run.json")),
    "the step exists": lambda project: any(project.folder.glob(".fanout/runs/*/*/step.json")),
    "the node has its number": lambda project: any(project.folder.glob(".fanout/runs/*/*/nodes/*")),
    "the script is called": lambda project: any(project.marks.iterdir()),
}


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_is_left_of_a_run_that_is_killed(watched: Any, tools: Helpers, phase: str) -> None:
    """kill -9 at any moment: node, fork server and slots leave by themselves."""
    process = watched.start("run", "pipeline.yml")
    tools.wait_until(lambda: PHASES[phase](watched))
    process.kill()
    process.communicate()
    tools.wait_until(lambda: not tools.alive([*_started(watched), *(pid for _, _, pid in watched.attempts())]))


def test_interrupted_while_it_starts(watched: Any, tools: Helpers) -> None:
    """Ctrl-C before there is a run: exit code 130, no traceback, and no process."""
    process = watched.start("run", "pipeline.yml")
    tools.wait_until(lambda: "fanout.node" in _kinds(watched))
    os.killpg(process.pid, signal.SIGINT)
    said = "".join(process.communicate())
    assert process.returncode == 130, said
    assert "Traceback" not in said
    tools.wait_until(lambda: not tools.alive(list(_started(watched))))


@pytest.mark.parametrize("victim", ["fanout.node", "fanout.slot.child.main"])
def test_what_is_killed_while_it_waits_is_replaced(watched: Any, tools: Helpers, victim: str) -> None:
    """A node, or a fork server, that dies before it is wanted, or while it is taken: the run notices nothing."""
    watched.write("src/score.py", HELD)
    process = watched.start("run", "pipeline.yml")
    tools.wait_until(lambda: victim in _kinds(watched))
    [pid] = [pid for pid, line in _started(watched).items() if victim in line.split()]
    os.kill(pid, signal.SIGKILL)
    watched.let_go()
    said = "".join(process.communicate())
    assert process.returncode == 0, said
    assert len(watched.output().splitlines()) == 60
