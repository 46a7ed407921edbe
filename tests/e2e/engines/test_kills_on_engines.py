"""Runs on real clusters while nodes, machines and supervisors are killed: the bytes of a run in peace, nothing left.

`make engines` runs them; a storm of FANOUT_STORM mini-batches is among them.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.clusters import docker, slurm, sshd

pytestmark = [
    pytest.mark.xdist_group("clusters"),
    pytest.mark.skipif(not os.environ.get("FANOUT_ENGINES"), reason="takes minutes; make engines runs it"),
]
KINDS = {"docker": docker.missing, "slurm": slurm.missing, "ssh": sshd.missing}
STORM = int(os.environ.get("FANOUT_STORM", "2000"))


@dataclass
class Scene:
    """A project whose nodes are on a cluster. `lose_a_machine` is None where there is one machine only."""

    name: str
    project: Any
    lose_a_machine: Callable[[], None] | None
    left: Callable[[], list[str]]
    environ: dict[str, str] = field(default_factory=dict)

    def nodes(self) -> list[int]:
        """Process ids of the nodes that live now."""
        return [process.pid for process in psutil.process_iter() if self._is_node(process)]

    def _is_node(self, process: psutil.Process) -> bool:
        try:
            words = process.cmdline()
            if not words or not Path(words[0]).name.startswith("python"):
                return False  # a shell or an init above it
            return "fanout.node" in words and any(str(self.project.folder) in word for word in words[1:])
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def registered(self) -> int:
        """How many nodes ever worked."""
        return len(list((self.project.folder / ".fanout/runs/r/score/nodes").iterdir()))


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest, make: Any, tmp_path: Path) -> Iterator[Scene]:
    """Two nodes on each kind of cluster in turn."""
    if (why := KINDS[request.param]()) is not None:
        pytest.skip(why)
    with ExitStack() as stack:
        project = make(tmp_path / "project", files=40)
        found = globals()[f"_{request.param}"](stack, tmp_path, project)
        yield found
        for pid in found.nodes():
            os.kill(pid, signal.SIGKILL)


def _written(project: Any, name: str, text: str) -> None:
    own = f'nodes = 2\ngrace = 5\nenvironment = {{ MARKS = "{project.marks}" }}\n'
    project.write("fanout.toml", text if "[" in text else f"[engines.{name}]\n{text}")
    with (project.folder / "fanout.toml").open("a") as file:
        file.write(own)


def _ssh(stack: ExitStack, folder: Path, project: Any) -> Scene:
    hosts = stack.enter_context(sshd.hosts(folder / "ssh", "one", "two"))
    _written(project, "ssh", hosts.settings())

    def left() -> list[str]:
        return [str(path) for path in (folder / "ssh/two/.fanout/nodes").glob("*")]

    return Scene("ssh", project, lambda: hosts.kill("one"), left)


def _slurm(stack: ExitStack, folder: Path, project: Any) -> Scene:
    cluster = stack.enter_context(slurm.slurm(folder / "slurm"))
    _written(project, "slurm", "")
    environ = {**os.environ, **cluster.environ}

    def left() -> list[str]:
        return subprocess.run(["squeue", "-h"], env=environ, capture_output=True, text=True).stdout.splitlines()

    project = type(project)(project.folder, {**project.environ, **cluster.environ})
    return Scene("slurm", project, lambda: cluster.kill("n0"), left)


def _docker(stack: ExitStack, folder: Path, project: Any) -> Scene:
    daemon = stack.enter_context(docker.docker(folder / "docker"))
    daemon.options += ("--volume", f"{project.folder}:{project.folder}")
    _written(project, "docker", daemon.settings())
    project = type(project)(project.folder, {**project.environ, **daemon.environ})
    return Scene("docker", project, None, daemon.containers)


def test_nodes_machines_and_supervisors_are_killed(scene: Scene, tools: Any, expected: Any) -> None:
    """A node is replaced, the next supervisor adopts what is there, and the bytes are those of a run in peace."""
    project = scene.project
    project.hold_after(8)
    process = project.start("run", "pipeline.yml", "--on", scene.name, "--name", "r")
    project.wait_for_attempts(9, process)
    tools.wait_until(lambda: len(scene.nodes()) == 2)
    killed = scene.nodes()[0]
    os.kill(killed, signal.SIGKILL)
    tools.wait_until(lambda: len(set(scene.nodes()) - {killed}) == 2)
    process.kill()
    process.communicate()
    before = set(scene.nodes())
    assert len(before) == 2, "nodes outlive their supervisor"
    process = project.start("resume", "r")
    sign = project.folder / ".fanout/runs/r/score/supervised.json"
    seen = sign.read_bytes()
    tools.wait_until(lambda: sign.read_bytes() != seen)
    if scene.lose_a_machine is not None:
        scene.lose_a_machine()
    project.let_go()
    stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stdout + stderr
    assert project.output() == expected(40)
    if scene.lose_a_machine is None:
        assert scene.registered() == 3, "two, and one in the place of the one that was killed"
    tools.wait_until(lambda: scene.nodes() == [] and scene.left() == [])


def test_a_run_is_canceled_after_its_supervisor_died(scene: Scene, tools: Any) -> None:
    """Its nodes are gone soon, and so is all that its engine knew of them."""
    project = scene.project
    project.hold_after(8)
    process = project.start("run", "pipeline.yml", "--on", scene.name, "--name", "r")
    project.wait_for_attempts(9, process)
    process.kill()
    process.communicate()
    canceled = project.fanout("cancel", "r")
    assert canceled.code == 0, canceled.said
    tools.wait_until(lambda: scene.nodes() == [] and scene.left() == [])


def test_in_the_background(scene: Scene, tools: Any, expected: Any) -> None:
    """`--detach` returns, `attach` follows to the end; nothing is left."""
    project = scene.project
    started = project.fanout("run", "pipeline.yml", "--on", scene.name, "--name", "r", "--detach")
    assert started.code == 0, started.said
    followed = project.fanout("attach", "r")
    assert (followed.code, "Completed r" in followed.stdout) == (0, True), followed.said
    assert project.output() == expected(40)
    tools.wait_until(lambda: scene.nodes() == [] and scene.left() == [])


def test_a_storm(scene: Scene, tools: Any) -> None:
    """A node is killed every few seconds, and the bytes are those of the embedded run."""
    project, draw = scene.project, random.Random(0)  # noqa: S311
    project.write("src/score.py", "import time\ndef run(b):\n    time.sleep(0.01)\n    return [f'{i}' for i in b]\n")
    project.write(
        "pipeline.yml",
        (project.folder / "pipeline.yml")
        .read_text()
        .replace("max_concurrency_per_instance: 2", "max_concurrency_per_instance: 4"),
    )
    for number in range(40, STORM):
        project.write(f"in/{number:06d}.txt", "x")
    assert project.fanout("run", "pipeline.yml", "--on", "local", "--name", "peace", patience=1800).code == 0
    peace = project.output()
    process = project.start("run", "pipeline.yml", "--on", scene.name, "--name", "r")
    kills = 0
    while process.poll() is None:
        time.sleep(draw.uniform(2, 6))
        if nodes := scene.nodes():
            os.kill(draw.choice(nodes), signal.SIGKILL)
            kills += 1
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stdout + stderr
    assert project.output() == peace
    tools.wait_until(lambda: scene.nodes() == [] and scene.left() == [])
    sys.stdout.write(json.dumps({"engine": scene.name, "mini_batches": STORM, "kills": kills}) + "\n")
