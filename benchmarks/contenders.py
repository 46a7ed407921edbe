"""Who takes part: fanout's command and the peers' scripts, each a fresh process that leaves one joined file."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from benchmarks.environments import ROOT, python_of, version_of
from benchmarks.sample import Sample, WrongOutputError, read_output
from benchmarks.workload import Workload

SLOTS = 2
TIME_LIMIT = 900.0
SCRIPT = Path(__file__).parent / "script"


class Contender(Protocol):
    """Something that can do a workload."""

    @property
    def name(self) -> str:
        """What it is called in the tables."""
        ...

    def prepare(self) -> None:
        """Everything is installed."""
        ...

    def run(self, workload: Workload, folder: Path, scratch: Path) -> Sample:
        """Does the workload on the files of `folder`; `scratch` is empty and its own."""
        ...


@dataclass(frozen=True, slots=True)
class Peer:
    """A script below benchmarks/peers, in the environment of a library."""

    name: str
    module: str
    library: str
    environ: Mapping[str, str] = field(default_factory=dict)
    most: int = 10**9
    """Mini-batches: it is spared workloads with more, which would take it many minutes."""

    def prepare(self) -> None:
        """The library's environment exists."""
        python_of(self.library)

    def run(self, workload: Workload, folder: Path, scratch: Path) -> Sample:
        """Does the workload on the files of `folder`."""
        output = scratch / "merged.txt"
        options = ("--size", str(workload.size), *workload.options)
        script = (python_of(self.library), "-m", f"benchmarks.peers.{self.module}")
        command = [*script, str(folder), *options, "--output", str(output)]
        span, printed = timed(command, scratch, {**self.environ, "PYTHONPATH": str(ROOT)})
        return _sample(span, output, folder, float(json.loads(printed.splitlines()[-1])["done"]))


@dataclass(frozen=True, slots=True)
class Fanout:
    """`fanout run` on a pipeline file with one parallel step."""

    name: str = "fanout"
    command: str = str(Path(sys.executable).with_name("fanout"))
    store: str = "./store"
    environ: Mapping[str, str] = field(default_factory=dict)
    queue: str = ""
    """"" for the one that goes with the store."""
    nodes: int = 1
    slots: int = SLOTS

    def prepare(self) -> None:
        """The command exists."""
        if not Path(self.command).exists():
            raise SystemExit(f"benchmarks: {self.command} does not exist; run: make setup")
        python = Path(self.command).with_name("python")
        subprocess.run([python, "-m", "compileall", "-q", str(ROOT / "fanout")], check=True)

    def run(self, workload: Workload, folder: Path, scratch: Path) -> Sample:
        """Does the workload on the files of `folder`."""
        queue = f'queue = "{self.queue}"\n' if self.queue else ""
        (scratch / "fanout.toml").write_text(f'store = "{self.store}"\n{queue}')
        pipeline = scratch / "pipeline.yml"
        pipeline.write_text(_pipeline(workload, folder, self.nodes, self.slots))
        span, _ = timed([self.command, "run", pipeline.name], scratch, self.environ)
        sample = _sample(span, scratch / "merged.txt", folder, 0.0)
        return replace(sample, done=max(sample.last_ended, _last_result(scratch)))


def _pipeline(workload: Workload, folder: Path, nodes: int, slots: int) -> str:
    """The workload as a pipeline file."""
    return f"""\
type: pipeline
outputs:
  rows: {{type: uri_file, path: ./merged.txt}}
jobs:
  work:
    type: parallel
    compute: local
    inputs:
      files: {{type: uri_folder, path: {folder}, mode: ro_mount}}
    outputs:
      rows: ${{{{parent.outputs.rows}}}}
    input_data: ${{{{inputs.files}}}}
    mini_batch_size: "{workload.size}"
    resources: {{instance_count: {nodes}}}
    max_concurrency_per_instance: {slots}
    mini_batch_error_threshold: 0
    task:
      type: run_function
      code: {SCRIPT}
      entry_script: entry.py
      program_arguments: {" ".join(workload.options)}
      append_row_to: ${{{{outputs.rows}}}}
      environment: azureml:none:1
"""


def _last_result(scratch: Path) -> float:
    """When the last result object was written; 0 where the store is not a folder."""
    written = (path.stat().st_mtime for path in scratch.glob("store/runs/*/*/results/*/*"))
    return max(written, default=0.0)


@dataclass(frozen=True, slots=True)
class Span:
    """A process: when it began, in epoch seconds, and how many seconds it took."""

    begun: float
    seconds: float


def timed(command: Sequence[str], scratch: Path, environ: Mapping[str, str]) -> tuple[Span, str]:
    """Runs a process to its end: its span and what it printed; SystemExit with its last words when it fails."""
    # As users have it: compiled modules are kept, whatever is set here.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun, start = time.time(), time.perf_counter()
    ended = subprocess.run(
        command,
        cwd=scratch,
        env={**inherited, **environ},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    seconds = time.perf_counter() - start
    if ended.returncode:
        said = f"{ended.stdout}{ended.stderr}"[-3000:]
        raise SystemExit(f"benchmarks: {' '.join(command)} ended with {ended.returncode}:\n{said}")
    return Span(begun, seconds), ended.stdout


def _sample(span: Span, output: Path, folder: Path, done: float) -> Sample:
    files = sorted(str(path) for path in folder.iterdir())
    try:
        first_started, last_ended = read_output(output.read_text(), files)
    except WrongOutputError as exc:
        raise SystemExit(f"benchmarks: {output}: {exc}") from exc
    return Sample(span.seconds, span.begun, first_started, last_ended, done)


PEERS = (
    Peer("two bare loops", "bare", "joblib"),
    Peer("multiprocessing.Pool", "pool", "joblib"),
    Peer(f"joblib {version_of('joblib')}, batch_size=1", "loky", "joblib"),
    Peer(f"joblib {version_of('joblib')}, batch_size='auto'", "loky_auto", "joblib"),
    Peer(f"Ray {version_of('ray')} actors", "ray_actors", "ray"),
    Peer(f"Ray {version_of('ray')} tasks", "ray_tasks", "ray"),
    Peer(f"Dask {version_of('dask')}", "dask_futures", "dask"),
    Peer(f"Lithops {version_of('lithops')}", "lithops_map", "lithops", most=400),
)
