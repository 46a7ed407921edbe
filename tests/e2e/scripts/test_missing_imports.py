"""A script that cannot start on a machine is tried there once, and what is missing is said."""

import sys
from pathlib import Path

from tests.e2e.conftest import Project

NODES, SLOTS = 2, 2


def _starts(project: Project) -> int:
    return len(list((project.folder / "starts").iterdir()))


def _noting(project: Project, script: str) -> None:
    (project.folder / "starts").mkdir()
    noted = f"import pathlib, uuid\n(pathlib.Path({str(project.folder)!r}) / 'starts' / uuid.uuid4().hex).touch()\n"
    (project.folder / "src/score.py").write_text(noted + script)
    pipeline = (project.folder / "pipeline.yml").read_text()
    (project.folder / "pipeline.yml").write_text(pipeline.replace("instance_count: 1", f"instance_count: {NODES}"))


def test_a_module_that_is_not_installed(project: Project) -> None:
    """Each slot finds out at most once; the run ends at once, with the traceback and the command that installs it."""
    _noting(project, "import surely_not_installed\ndef run(b): return b\n")
    ended = project.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 1
    assert 1 <= _starts(project) <= NODES * SLOTS
    assert (
        "the entry script cannot be started: ModuleNotFoundError: No module named 'surely_not_installed'" in ended.said
    )
    assert f"{sys.executable}" in ended.said
    assert "pip install" in ended.said
    assert "--env" in ended.said
    assert "import surely_not_installed" in ended.said


def test_a_module_that_init_imports(project: Project) -> None:
    """Where the import stands does not matter."""
    _noting(project, "def init():\n    import yamlx\ndef run(b): return b\n")
    ended = project.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 1
    assert 1 <= _starts(project) <= NODES * SLOTS


def test_a_failed_start_that_may_pass_is_tried_again(project: Project) -> None:
    """A model that could not be fetched is there the next time."""
    _noting(
        project,
        "here = pathlib.Path(__file__).parent\n"
        f"def init():\n    if len(list(pathlib.Path({str(project.folder)!r}, 'starts').iterdir())) < 4:\n"
        "        raise ConnectionError('try again')\n"
        "def run(b): return b\n",
    )
    ended = project.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 0, ended.said
    assert _starts(project) >= 4
    assert Path(project.folder, "scores.txt").exists()
