"""The installed command on a pipeline folder of one's own: real processes and signals, embedded and over S3 and SQS."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FANOUT = Path(sys.executable).with_name("fanout")
PATIENCE = 90.0

PIPELINE = """\
type: pipeline
inputs:
  files: {type: uri_folder, path: ./in}
outputs:
  scores: {type: uri_file, path: ./scores.txt}
jobs:
  score:
    type: parallel
    mini_batch_size: "1"
    max_concurrency_per_instance: 2
    resources: {instance_count: 1}
    retry_settings: {max_retries: 2, timeout: 60}
    environment_variables: {}
    inputs:
      data: ${{parent.inputs.files}}
    outputs:
      rows: ${{parent.outputs.scores}}
    input_data: ${{inputs.data}}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      append_row_to: ${{outputs.rows}}
      environment: azureml:any@latest
"""

SCRIPT = """\
import os, time
from pathlib import Path

def run(mini_batch, context):
    marks = Path(os.environ["MARKS"])
    (marks / f"{context.minibatch_index}-{context.retry_count}-{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(0.05)
    return [f"{Path(p).name}: {Path(p).read_text()}" for p in mini_batch]
"""


HELD = """\
    while len(list(marks.iterdir())) > {count} and not marks.with_name("go").exists(): time.sleep(0.01)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        return self.stdout + self.stderr


@dataclass(frozen=True)
class Project:
    """A pipeline folder, and the command run in it."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """`fanout …` in the background, in a session of its own."""
        return subprocess.Popen(
            [str(FANOUT), *arguments],
            cwd=self.folder,
            env={**os.environ, "MARKS": str(self.marks), **self.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def fanout(self, *arguments: str, patience: float = PATIENCE) -> Ended:
        """`fanout …` to its end."""
        process = self.start(*arguments)
        try:
            stdout, stderr = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            pytest.fail(f"fanout {' '.join(arguments)} did not end in {patience} s:\n{stdout}\n{stderr}")
        return Ended(process.returncode, stdout, stderr)

    @property
    def marks(self) -> Path:
        return self.folder / "marks"

    def attempts(self) -> list[tuple[int, int, int]]:
        """What the script has noted: (mini-batch, retry, pid), in the order of time."""
        found = [tuple(map(int, path.name.split("-"))) for path in self.marks.iterdir()]
        return [(index, retry, pid) for index, retry, pid, _ in sorted(found, key=lambda mark: mark[3])]

    def wait_for_attempts(self, count: int, process: "subprocess.Popen[str]") -> list[tuple[int, int, int]]:
        """Returns when the script has been called `count` times."""

        def enough() -> bool:
            if process.poll() is not None:
                stdout, stderr = process.communicate()
                pytest.fail(f"fanout ended with {process.returncode} too early:\n{stdout}\n{stderr}")
            return len(self.attempts()) >= count

        wait_until(enough)
        return self.attempts()

    def hold_after(self, count: int) -> None:
        """Attempts after so many wait in run() until `let_go`. So what is done to the run between the attempt after
        these and `let_go` is done in the middle of it, with each slot at work, however fast the machine is."""
        script = self.folder / "src" / "score.py"
        script.write_text(script.read_text().replace("    time.sleep", HELD.format(count=count) + "    time.sleep", 1))

    def let_go(self) -> None:
        """No attempt waits any longer."""
        (self.folder / "go").touch()

    def output(self, name: str = "scores.txt") -> bytes:
        return (self.folder / name).read_bytes()

    def runs(self) -> list[str]:
        """Names of the runs in the store, as `fanout list` tells."""
        return [run["run"] for run in json.loads(self.fanout("list", "--json").stdout)["runs"]]


def wait_until(holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Returns as soon as `holds`; fails the test when it never does."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"still not so after {patience} s: {holds}")
        time.sleep(0.01)


def make_project(folder: Path, environ: Mapping[str, str], files: int = 60) -> Project:
    """A pipeline over `files` small files, one a mini-batch, 50 ms each."""
    project = Project(folder, environ)
    project.write("pipeline.yml", PIPELINE)
    project.write("src/score.py", SCRIPT)
    project.marks.mkdir()
    for number in range(files):
        project.write(f"in/{number:03d}.txt", f"content {number}")
    return project


def expected_output(files: int = 60) -> bytes:
    """What an undisturbed run of `make_project` writes."""
    return "".join(f"{number:03d}.txt: content {number}\n" for number in range(files)).encode()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Embedded."""
    return make_project(tmp_path, {})


@pytest.fixture
def empty_project(tmp_path: Path) -> Project:
    """Embedded, with nothing in it yet; what a killed node held comes back after three seconds."""
    project = Project(tmp_path)
    project.marks.mkdir()
    project.write("fanout.toml", "visibility = 3\n")
    return project


WORLDS = [
    "embedded",
    pytest.param("localstack", marks=pytest.mark.localstack),
    pytest.param("minio-elasticmq", marks=[pytest.mark.minio, pytest.mark.elasticmq]),
]


@pytest.fixture(params=WORLDS)
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A folder and its queue; S3 and SQS of one maker; S3 and SQS of two.

    What a killed node held comes back after three seconds.
    """
    return _place(request, tmp_path)


ALONE = [pytest.param(name, marks=pytest.mark.minio) for name in ("minio-sqlite", "minio-bucket")]


@pytest.fixture(params=[*WORLDS, *ALONE])
def everywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """As `anywhere`, and S3 with the embedded queue, or with the queue in the store."""
    return _place(request, tmp_path)


def _place(request: pytest.FixtureRequest, folder: Path) -> Project:
    environ, places = _world(request, f"s3://{bucket_name(folder)}/runs")
    made = make_project(folder, environ)
    made.write("fanout.toml", f"visibility = 3\n{places}")
    return made


def _world(request: pytest.FixtureRequest, store: str) -> tuple[dict[str, str], str]:
    """The environment that leads to the servers of a world, and the lines of fanout.toml that name its places."""

    def servers(*names: str) -> dict[str, str]:
        endpoints = [request.getfixturevalue(f"{name}_endpoint") for name in names]
        environ: dict[str, str] = request.getfixturevalue("aws_environ")(*endpoints)
        return environ

    match request.param:
        case "localstack":
            return servers("localstack"), f'store = "{store}"\n'
        case "minio-elasticmq":
            return servers("minio", "elasticmq"), f'store = "{store}"\n'
        case "minio-sqlite":
            return servers("minio"), f'store = "{store}"\nqueue = "sqlite:./queues"\n'
        case "minio-bucket":
            return servers("minio"), f'store = "{store}"\nqueue = "bucket:"\n'
    return {}, ""


def bucket_name(folder: Path) -> str:
    """A bucket of this test alone."""
    return "e2e-" + "".join(c if c.isalnum() else "-" for c in folder.name.lower())[-40:].strip("-")


def node_of(slot: int) -> int:
    """The node of a slot: what started the fork server that the slot is a copy of; 1 when it is gone."""
    return _parent(_parent(slot))


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 1


def alive(pids: Sequence[int]) -> list[int]:
    """Those of `pids` that still run."""
    return [pid for pid in pids if _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may end between opening and reading
        return False


@pytest.fixture
def expected() -> Callable[[], bytes]:
    return expected_output


class Tools:
    """The functions of this file, for test modules, which cannot import it."""

    wait_until = staticmethod(wait_until)
    node_of = staticmethod(node_of)
    alive = staticmethod(alive)


@pytest.fixture(scope="session")
def tools() -> Tools:
    return Tools()


@pytest.fixture(scope="session")
def make() -> Callable[..., Project]:
    """`make(folder, files=…, **environ)`: a project elsewhere, or one that several tests share; without input files."""
    return lambda folder, files=0, **environ: make_project(folder, environ, files)
