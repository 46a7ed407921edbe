"""`fanout run --reuse` on more data than an earlier run had: only what is new runs, also when it is killed."""

from collections.abc import Callable
from typing import Any, Protocol


class Helpers(Protocol):
    """What conftest.py lends to this module."""

    wait_until: Callable[[Callable[[], bool]], None]
    alive: Callable[[list[int]], list[int]]


SCRIPT = """\
import os, pathlib, time

HERE = pathlib.Path(__file__).parent

def run(mini_batch):
    work = pathlib.Path(os.environ["MARKS"])
    for path in mini_batch:
        name = pathlib.Path(path).name
        with open(work / "ran", "a") as ran:
            ran.write(f"{name} {os.getpid()}\\n")
        while (work / "hold").exists() and name.startswith("new"):
            time.sleep(0.02)
    return [f"{pathlib.Path(path).name}: {pathlib.Path(path).read_text()}" for path in mini_batch]
"""
PIPELINE = """\
type: pipeline
jobs:
  score:
    type: parallel
    mini_batch_size: "10"
    input_data: ${{inputs.files}}
    inputs:
      files: {type: uri_folder, path: ./in}
    outputs:
      rows: {type: uri_file, path: ./rows.txt}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      append_row_to: ${{outputs.rows}}
    resources: {instance_count: 1}
    max_concurrency_per_instance: 2
    environment_variables: {MARKS: "%s"}
"""


def _ran(project: Any) -> list[str]:
    """The files that ran since it was last asked."""
    marks = project.marks / "ran"
    lines = marks.read_text().split("\n")[:-1] if marks.exists() else []
    marks.unlink(missing_ok=True)
    return sorted(line.split()[0] for line in lines)


def _set_up(project: Any, files: int) -> None:
    project.write("src/score.py", SCRIPT)
    project.write("pipeline.yml", PIPELINE % project.marks)
    for number in range(files):
        project.write(f"in/{number:03d}.txt", f"text {number}")


def test_501_images_of_which_500_are_known_make_one_mini_batch(empty_project: Any) -> None:
    """After a run that knew nothing of reuse; the rows are those of a run over everything, in order."""
    project = empty_project
    _set_up(project, 500)
    assert project.fanout("run", "pipeline.yml", "--name", "one").code == 0
    assert len(_ran(project)) == 500
    project.write("in/new.txt", "text of the new one")
    ended = project.fanout("run", "pipeline.yml", "--reuse", "--name", "two")
    assert ended.code == 0, ended.said
    assert _ran(project) == ["new.txt"]
    assert "score: 50 of 51 mini-batches are taken over from run one; 1 runs: new.txt" in ended.said
    some = (project.folder / "rows.txt").read_bytes()
    assert project.fanout("run", "pipeline.yml", "--rerun").code == 0
    assert (project.folder / "rows.txt").read_bytes() == some


def test_killed_in_the_middle_it_is_resumed(empty_project: Any, tools: Helpers) -> None:
    """With the bytes of a run over everything; what was taken over is not run."""
    project = empty_project
    _set_up(project, 40)
    assert project.fanout("run", "pipeline.yml").code == 0
    _ran(project)
    for number in range(3):
        project.write(f"in/new{number}.txt", "text")
    (project.marks / "hold").touch()
    process = project.start("run", "pipeline.yml", "--reuse", "--name", "two")
    tools.wait_until(lambda: (project.marks / "ran").exists() and "new" in (project.marks / "ran").read_text())
    slots = [int(line.split()[1]) for line in (project.marks / "ran").read_text().split("\n")[:-1]]
    process.kill()
    process.communicate()
    (project.marks / "hold").unlink()
    tools.wait_until(lambda: not tools.alive(slots))
    ended = project.fanout("resume", "two")
    assert ended.code == 0, ended.said
    assert set(_ran(project)) == {"new0.txt", "new1.txt", "new2.txt"}
    some = (project.folder / "rows.txt").read_bytes()
    assert project.fanout("run", "pipeline.yml", "--rerun").code == 0
    assert (project.folder / "rows.txt").read_bytes() == some
