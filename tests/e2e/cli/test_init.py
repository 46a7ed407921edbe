"""`fanout init`: what it makes runs at once, its test passes, and nothing is overwritten."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

UPPER = """\
from pathlib import Path

def run(mini_batch):
    return [Path(file).read_text().upper().strip() for file in mini_batch]
"""
TOTAL = "def run(rows):\n    rows['total'] = rows['price'] * 2\n    return rows\n"


def _pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    hidden = {name for name in os.environ if name.startswith(("PYTEST_", "COV_"))}
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", "tests"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_new_project_runs_and_its_test_passes(empty_project: Any) -> None:
    """With the commands that it prints; the file for CI is YAML that asks for them."""
    project = empty_project
    made = project.fanout("init", "shop")
    assert made.code == 0, made.said
    assert "run it:  fanout run shop/pipeline.yml" in made.stdout
    assert project.fanout("validate", "shop/pipeline.yml").code == 0
    ended = project.fanout("run", "shop/pipeline.yml")
    assert ended.code == 0, ended.said
    assert (project.folder / "shop/results.txt").read_text().splitlines() == [
        "ada.txt: 5 words",
        "grace.txt: 4 words",
        "katherine.txt: 1 words",
    ]
    tested = _pytest(project.folder / "shop")
    assert (tested.returncode, "1 passed" in tested.stdout) == (0, True), tested.stdout + tested.stderr
    workflow = (project.folder / "shop/.github/workflows/ci.yml").read_text()
    assert "pip install 'fanout-jobs[tables,testing]'" in workflow
    assert "fanout validate pipeline.yml" in workflow


def test_nothing_is_overwritten(empty_project: Any) -> None:
    """One file that is there already is enough for nothing to be made."""
    project = empty_project
    project.write("src/score.py", "mine")
    ended = project.fanout("init")
    assert (ended.code, (project.folder / "src/score.py").read_text()) == (2, "mine")
    assert "src/score.py: exists already, and nothing is overwritten" in ended.said
    assert not (project.folder / "pipeline.yml").exists()


@pytest.mark.parametrize("inside", [True, False])
def test_from_a_script(empty_project: Any, inside: bool) -> None:
    """It stays where it is; the pipeline calls it there."""
    project = empty_project
    script = "shop/work/upper.py" if inside else "elsewhere/upper.py"
    project.write(script, UPPER)
    assert project.fanout("init", "shop", "--from", script).code == 0
    ended = project.fanout("run", "shop/pipeline.yml")
    assert ended.code == 0, ended.said
    assert "GRACE FOUND A MOTH." in (project.folder / "shop/results.txt").read_text()
    assert not (project.folder / "shop/src").exists()
    tested = _pytest(project.folder / "shop")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_from_a_script_over_a_table(empty_project: Any) -> None:
    """Its rows are the items, and the output is a table, too."""
    project = empty_project
    project.write("total.py", TOTAL)
    project.write("sales.csv", "item,price\na,1\nb,2\n")
    assert project.fanout("init", "shop", "--from", "total.py", "--over", "sales.csv").code == 0
    ended = project.fanout("run", "shop/pipeline.yml")
    assert ended.code == 0, ended.said
    assert (project.folder / "shop/results.csv").read_text() == "item,price,total\na,1,2\nb,2,4\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def score(b): return b\n", "there is no run(mini_batch) in it; it defines score"),
        ("def run(b:\n", "never closed"),
    ],
)
def test_a_script_that_is_none_of_a_pipeline(empty_project: Any, text: str, said: str) -> None:
    """With its place, before anything is made."""
    project = empty_project
    project.write("score.py", text)
    ended = project.fanout("init", "shop", "--from", "score.py")
    assert (ended.code, said in ended.said) == (2, True), ended.said
    assert not (project.folder / "shop").exists()


def test_quiet_and_jobs(empty_project: Any) -> None:
    """`-q` prints nothing of a run that goes well, and of one that fails what failed; `-j` is taken."""
    project = empty_project
    assert project.fanout("init").code == 0
    well = project.fanout("run", "-q", "-j", "1", "pipeline.yml", "--name", "one")
    assert (well.code, well.stdout, well.stderr) == (0, "", "")
    logs = project.fanout("status", "one", "--json")
    assert logs.code == 0
    project.write("src/score.py", "def run(b): raise ValueError('no such word')\n")
    bad = project.fanout("run", "--quiet", "pipeline.yml")
    assert bad.code == 1
    assert "no such word" in bad.stdout
    assert "Failed" in bad.stdout
    assert "started" not in bad.stdout
