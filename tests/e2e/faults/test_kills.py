"""kill -9 of anything in mid-run: the output is that of an undisturbed run, byte for byte (promises I2, I7)."""

import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import pytest

FILES = 60


class Helpers(Protocol):
    """What conftest.py lends to this module."""

    wait_until: Callable[[Callable[[], bool]], None]
    node_of: Callable[[int], int]
    alive: Callable[[list[int]], list[int]]


@pytest.fixture
def expected_bytes(expected: Callable[[], bytes]) -> bytes:
    return expected()


def test_undisturbed_run_calls_the_script_once_a_mini_batch(everywhere: Any, expected_bytes: bytes) -> None:
    """What all others are compared with: rows in input order, each mini-batch tried exactly once."""
    ended = everywhere.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    assert everywhere.output() == expected_bytes
    assert Counter(index for index, _, _ in everywhere.attempts()) == Counter(range(FILES))


def test_killed_slot(anywhere: Any, expected_bytes: bytes) -> None:
    """A slot killed in run() is a failed attempt with its signal; another slot takes its seat."""
    anywhere.hold_after(9)
    process = anywhere.start("run", "pipeline.yml")
    killed, _, slot = anywhere.wait_for_attempts(10, process)[-1]
    os.kill(slot, signal.SIGKILL)
    anywhere.let_go()
    stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 0, stdout + stderr
    assert anywhere.output() == expected_bytes
    tries = Counter(index for index, _, _ in anywhere.attempts())
    assert sum(tries.values()) <= FILES + 1
    assert (killed, 1) in {(index, retry) for index, retry, _ in anywhere.attempts()}


def test_killed_node(everywhere: Any, expected_bytes: bytes, tools: Helpers) -> None:
    """A killed node takes its slots with it, is replaced, and what it held comes back to others."""
    everywhere.hold_after(9)
    process = everywhere.start("run", "pipeline.yml")
    attempts = everywhere.wait_for_attempts(10, process)
    slots = sorted({pid for _, _, pid in attempts})
    os.kill(tools.node_of(slots[-1]), signal.SIGKILL)
    tools.wait_until(lambda: not tools.alive(slots))
    everywhere.let_go()
    stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 0, stdout + stderr
    assert everywhere.output() == expected_bytes


def test_killed_run_is_resumed(anywhere: Any, expected_bytes: bytes, tools: Helpers) -> None:
    """`fanout run` killed: its nodes leave by themselves, and `fanout resume` ends with the same bytes."""
    anywhere.hold_after(9)
    process = anywhere.start("run", "pipeline.yml", "--name", "first")
    attempts = anywhere.wait_for_attempts(10, process)
    process.kill()
    process.communicate()
    anywhere.let_go()
    processes = sorted({pid for _, _, pid in attempts})
    tools.wait_until(lambda: not tools.alive(processes))
    assert not (anywhere.folder / "scores.txt").exists()
    ended = anywhere.fanout("resume", "first")
    assert ended.code == 0, ended.said
    assert anywhere.output() == expected_bytes


def test_everything_killed_at_once(everywhere: Any, expected_bytes: bytes, tools: Helpers) -> None:
    """The run, its node and its slots all killed: nothing had time to say goodbye."""
    everywhere.hold_after(19)
    process = everywhere.start("run", "pipeline.yml", "--name", "first")
    attempts = everywhere.wait_for_attempts(20, process)
    node = next(node for node in {tools.node_of(pid) for _, _, pid in attempts} if node > 1)
    os.kill(process.pid, signal.SIGKILL)
    os.kill(node, signal.SIGKILL)
    process.communicate()
    everywhere.let_go()
    ended = everywhere.fanout("resume", "first")
    assert ended.code == 0, ended.said
    assert everywhere.output() == expected_bytes


def test_run_killed_before_its_plan_is_out_is_resumed(project: Any, expected_bytes: bytes) -> None:
    """Killed as soon as the run exists: resume plans, publishes and runs it as if for the first time."""
    process = project.start("run", "pipeline.yml", "--name", "early")
    record = project.folder / ".fanout" / "runs" / "early" / "run.json"
    while not record.exists() and process.poll() is None:
        os.sched_yield()
    process.kill()
    process.communicate()
    ended = project.fanout("resume", "early")
    assert ended.code == 0, ended.said
    assert project.output() == expected_bytes


def test_interrupt_leaves_the_run_resumable_and_no_process_behind(
    project: Any, expected_bytes: bytes, tools: Helpers
) -> None:
    """Ctrl-C: exit code 130, no orphans, and the run can go on."""
    project.hold_after(4)
    process = project.start("run", "pipeline.yml", "--name", "stopped")
    attempts = project.wait_for_attempts(5, process)
    slots = sorted({pid for _, _, pid in attempts})
    os.kill(process.pid, signal.SIGINT)
    project.let_go()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stdout + stderr
    assert "fanout resume stopped" in stdout + stderr
    tools.wait_until(lambda: not tools.alive(slots))
    ended = project.fanout("resume", "stopped")
    assert ended.code == 0, ended.said
    assert project.output() == expected_bytes


def test_resuming_a_finished_run_changes_nothing(project: Any, expected_bytes: bytes) -> None:
    """The seal holds: no script is called again, and the output stays as it is."""
    assert project.fanout("run", "pipeline.yml", "--name", "done").code == 0
    before = len(project.attempts())
    ended = project.fanout("resume", "done")
    assert ended.code == 0, ended.said
    assert len(project.attempts()) == before
    assert project.output() == expected_bytes


def test_a_killed_run_is_resumed_from_the_store_alone_and_says_why(
    project: Any, expected_bytes: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In another folder, with the code folder and the pipeline file gone: what runs again is named with the reason."""
    project.hold_after(9)
    process = project.start("run", "pipeline.yml", "--name", "first")
    project.wait_for_attempts(10, process)
    process.kill()
    process.communicate()
    project.let_go()
    (project.folder / "src").rename(project.folder / "gone")
    (project.folder / "pipeline.yml").unlink()
    ended = replace(project, folder=tmp_path_factory.mktemp("elsewhere"), environ={"MARKS": str(project.marks)}).fanout(
        "resume", "first", "--store", str(project.folder / ".fanout")
    )
    assert ended.code == 0, ended.said
    assert project.output() == expected_bytes
    assert re.search(r"^score: \d+ of 60 mini-batches done; that stays$", ended.stdout, re.MULTILINE)
    assert re.search(
        r"^score: mini-batches \d+.* \(\d+\): no result in the store: waiting or under way", ended.stdout, re.MULTILINE
    )
