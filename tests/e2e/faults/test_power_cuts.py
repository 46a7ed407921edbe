"""The power is cut: everything that was not synced is lost. `resume` goes on without a hand, to the same bytes."""

import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import disks

FILES = 24
MOMENTS = 20
LONGEST = 5.0
"""Seconds after the start of a run within which the power is cut; some cuts come when it is over."""
PIPELINE = """\
type: pipeline
inputs:
  files: {type: uri_folder, path: ./in}
outputs:
  scores: {type: uri_file, path: ./scores.txt}
  copies: {type: uri_folder, path: ./copies}
  sizes: {type: uri_file, path: ./sizes.txt}
jobs:
  score:
    type: parallel
    mini_batch_size: "1"
    max_concurrency_per_instance: 2
    inputs: {data: "${{parent.inputs.files}}"}
    outputs: {rows: "${{parent.outputs.scores}}", copies: "${{parent.outputs.copies}}"}
    input_data: ${{inputs.data}}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      program_arguments: --copies ${{outputs.copies}}
      append_row_to: ${{outputs.rows}}
  sizes:
    command: >-
      cat ${{inputs.rows}} > ${{outputs.sizes}}; wc -c ${{inputs.copies}}/* | sed "s:/.*/::" >> ${{outputs.sizes}}
    inputs: {rows: "${{parent.jobs.score.outputs.rows}}", copies: "${{parent.jobs.score.outputs.copies}}"}
    outputs: {sizes: "${{parent.outputs.sizes}}"}
"""
SCRIPT = """\
import sys, time
from pathlib import Path

def run(mini_batch):
    time.sleep(0.05)
    copies = Path(sys.argv[sys.argv.index("--copies") + 1])
    for path in map(Path, mini_batch):
        (copies / path.name).write_text(path.read_text() * 1000)
    return [f"{Path(path).name}: {Path(path).read_text()}" for path in mini_batch]
"""

pytestmark = pytest.mark.skipif(disks.why_not() is not None, reason=disks.why_not() or "")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[disks.Disk]:
    """A disk whose power can be cut."""
    with disks.disk(tmp_path) as disk:
        yield disk


def _project(make: Any, folder: Path, settings: str = "") -> Any:
    project = make(folder, FILES)
    project.write("pipeline.yml", PIPELINE)
    project.write("src/score.py", SCRIPT)
    project.write("fanout.toml", f"visibility = 1\n{settings}")
    return project


def _outputs(project: Any) -> dict[str, bytes]:
    files = (project.folder / "scores.txt", project.folder / "sizes.txt", *(project.folder / "copies").iterdir())
    return {path.name: path.read_bytes() for path in files if not path.name.startswith(".")}


@pytest.fixture(scope="module")
def undisturbed(make: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The outputs of a run in peace."""
    project = _project(make, tmp_path_factory.mktemp("undisturbed"))
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    return _outputs(project)


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_cut_at_any_moment(make: Any, disk: disks.Disk, undisturbed: dict[str, bytes], moment: int) -> None:
    """While the run starts, works, joins its output, or after its end."""
    project = _project(make, disk.place)
    os.sync()
    process = project.start("run", "pipeline.yml", "--name", "r")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=random.Random(moment).uniform(0.5, LONGEST))  # noqa: S311 - a drill
    disk.cut()
    process.kill()
    process.communicate()
    disk.unmount()
    disk.mount()
    began = (project.folder / ".fanout/runs/r/run.json").exists()
    ended = project.fanout(*(("resume", "r") if began else ("run", "pipeline.yml", "--name", "r")))
    assert ended.code == 0, ended.said
    assert _outputs(project) == undisturbed
    disk.unmount()
    disk.mount()


def test_a_finished_run_is_on_the_disk(make: Any, disk: disks.Disk, undisturbed: dict[str, bytes]) -> None:
    """When the command has said Completed, everything is there after a cut right then, and `resume` does nothing."""
    project = _project(make, disk.place)
    os.sync()
    assert project.fanout("run", "pipeline.yml", "--name", "r").code == 0
    disk.cut()
    disk.unmount()
    disk.mount()
    assert _outputs(project) == undisturbed
    ended = project.fanout("resume", "r")
    assert ended.code == 0, ended.said
    assert "made again" not in ended.said
    assert _outputs(project) == undisturbed
