"""A disk without room: a sentence that says what is full, soon; with room `resume` ends with the same bytes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import disks

FILES = 40
ROW = 750_000
SCRIPT = """\
import time
from pathlib import Path

def run(mini_batch):
    time.sleep(0.1)
    return [f"{Path(path).name}: {Path(path).read_text()} " + "x" * 750_000 for path in mini_batch]
"""
SIZES = [250, 400, 600, 800, 1000, 1500, 2000, 3000, 5000, 8000, *range(12_000, 62_000, 5_000)]
"""Kilobytes, 20 of them: rows take 30 MB, and the output 30 MB more."""

pytestmark = pytest.mark.skipif(disks.why_not() is not None, reason=disks.why_not() or "")


def _project(make: Any, folder: Path) -> Any:
    project = make(folder, FILES)
    project.write("src/score.py", SCRIPT)
    project.write("fanout.toml", "visibility = 1\n")
    return project


def _expected() -> bytes:
    return b"".join(b"%03d.txt: content %d %s\n" % (number, number, b"x" * ROW) for number in range(FILES))


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of as many kilobytes as the test says."""
    with disks.small_disk(tmp_path, f"{request.getfixturevalue('size')}k") as place:
        yield place


@pytest.mark.parametrize("size", SIZES)
def test_everything_on_a_disk_of_any_size(make: Any, place: Path, size: int) -> None:
    """Project, store, queue, scratch and output: whatever finds no room first says so, and nothing is lost."""
    project = _project(make, place)
    ended = project.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 3, ended.said
    assert f"no space left in {place} (" in ended.said
    assert "Make room there first." in ended.said
    assert "Traceback" not in ended.said
    disks.grow(place, "200m")
    began = "go on with the run: fanout resume r" in ended.said
    again = project.fanout(*(("resume", "r") if began else ("run", "pipeline.yml", "--name", "r2")))
    assert again.code == 0, again.said
    assert project.output() == _expected()


@pytest.mark.parametrize("size", [10_000])
def test_only_the_output_s_disk_is_full(make: Any, place: Path, tmp_path: Path, size: int) -> None:
    """What was computed stays, and only the joining is done again."""
    project = _project(make, tmp_path / "project")
    text = (project.folder / "pipeline.yml").read_text()
    project.write("pipeline.yml", text.replace("path: ./scores.txt", f"path: {place}/scores.txt"))
    ended = project.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 3, ended.said
    assert f"cannot write {place}/scores.txt: no space left in {place} (" in ended.said
    assert list(place.iterdir()) == []
    status = json.loads(project.fanout("status", "r", "--json").stdout)
    assert status["steps"][0]["status"] == "Completed"
    disks.grow(place, "200m")
    again = project.fanout("resume", "r")
    assert again.code == 0, again.said
    assert (place / "scores.txt").read_bytes() == _expected()
