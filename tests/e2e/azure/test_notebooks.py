"""`fanout azure NOTEBOOK` runs a notebook as it is; with one line changed it runs in any kernel."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.e2e.azure.notebooks import BATCH_PREDICTION, BOTH, FILES, IMPORTS, MANY_MODELS, Notebook

pytestmark = pytest.mark.xdist_group("azure-ai-ml")
PATIENCE = 300.0


def run_of(project: Any) -> str:
    [run] = json.loads(project.fanout("list", "--json").stdout)["runs"]
    assert run["status"] == "Completed"
    return str(run["run"])


def counts(project: Any, run: str) -> dict[str, int]:
    """Mini-batches that succeeded, by parallel step."""
    steps = json.loads(project.fanout("status", run, "--json").stdout)["steps"]
    return {step["step"]: step["counts"]["succeeded"] for step in steps if step.get("counts")}


@pytest.mark.parametrize("notebook", [MANY_MODELS, FILES], ids=lambda notebook: notebook.name)
def test_a_notebook_runs_as_it_is(notebook: Notebook, empty_project: Any, tmp_path: Path) -> None:
    """Every cell, with Azure's counts; the last lines say where the outputs are."""
    file = notebook.write(tmp_path)
    ended = empty_project.fanout("azure", file.name, "-o", "done.ipynb", patience=PATIENCE)
    assert ended.code == 0, ended.said
    run = run_of(empty_project)
    assert counts(empty_project, run) == notebook.counts
    assert f"Completed {run}" in ended.stdout
    assert f"RunId: {run}" in ended.stdout
    last = ended.stdout.partition(f"\nCompleted {run}")[2]
    places = re.findall(r"^  \S+  (/\S+)$", last, re.MULTILINE)
    assert places
    assert all(Path(place).exists() for place in places)
    cells = json.loads((tmp_path / "done.ipynb").read_text())["cells"]
    shown = [output for cell in cells for output in cell.get("outputs", ())]
    assert any("text/html" in output.get("data", {}) and run in str(output) for output in shown)
    _check_output(notebook, tmp_path, run)


def _check_output(notebook: Notebook, folder: Path, run: str) -> None:
    store = folder / ".fanout" / "datastores" / "workspaceblobstore" / run
    if notebook is MANY_MODELS:
        rows = (store / "train_many_models" / "my_append_output.csv").read_text().splitlines()
        assert rows[:3] == ["Store,Brand,sum", "1,a,6", "1,b,6"]
        assert len(rows) == 9
    else:
        names = (store / "identify" / "returns.csv").read_text().split()
        assert names == [f"{number:02d}.png" for number in range(18)]


def test_a_script_runs_as_it_is(empty_project: Any, tmp_path: Path) -> None:
    """With its own arguments; what it does not wait for is waited for, and said."""
    file = BATCH_PREDICTION.write_script(tmp_path)
    ended = empty_project.fanout("azure", file.name, "--its", "own", patience=PATIENCE)
    assert ended.code == 0, ended.said
    assert "['--its', 'own']" in ended.stdout
    run = run_of(empty_project)
    assert counts(empty_project, run) == BATCH_PREDICTION.counts
    assert f"Completed {run}\n  batch_inferencing: Completed, all 3 mini-batches succeeded\n" in ended.stdout
    place = tmp_path / ".fanout" / "datastores" / "workspaceblobstore" / run / "batch_inferencing" / "rows.csv"
    assert f"  {place}\n" in ended.stdout
    rows = place.read_text().splitlines()
    assert (len(rows), rows[-1]) == (501, "499,True,4990")


def test_a_script_that_fails_is_exit_code_1(empty_project: Any) -> None:
    """Whatever its own exit code is, which `fanout` has other meanings for."""
    empty_project.write("script.py", "import sys; print('here'); sys.exit(3)")
    ended = empty_project.fanout("azure", "script.py")
    assert (ended.code, ended.stdout) == (1, "here\n")


def test_one_changed_line_is_enough(empty_project: Any, tmp_path: Path) -> None:
    """In a kernel that knows nothing of it: the client comes from fanout, and so may the names beside it."""
    changed = IMPORTS.replace("from azure.ai.ml import", "from fanout.azure import")
    assert changed != IMPORTS
    file = BOTH.write(tmp_path, changed)
    code = (
        "import nbformat, nbclient, sys; nb = nbformat.read(sys.argv[1], 4); "
        "nbclient.NotebookClient(nb, timeout=None, kernel_name='python3').execute()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = run_of(empty_project)
    assert counts(empty_project, run) == BOTH.counts
    made = (tmp_path / ".fanout" / "runs" / run).rglob("outputs/**/a.txt")
    assert "A" in [path.read_text() for path in made]


def test_a_cell_that_fails_is_exit_code_1(empty_project: Any, tmp_path: Path) -> None:
    """With its traceback; what ran before it is in the executed notebook."""
    cells = [nbformat.v4.new_code_cell(source) for source in ("print('before')", "1 / 0", "print('after')")]
    file = tmp_path / "broken.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), file)
    ended = empty_project.fanout("azure", file.name, "--output", "done.ipynb", patience=PATIENCE)
    assert ended.code == 1
    assert "ZeroDivisionError" in ended.stderr
    assert "after" not in ended.stdout
    assert [len(cell["outputs"]) for cell in json.loads((tmp_path / "done.ipynb").read_text())["cells"]] == [1, 1, 0]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("missing.ipynb", None, "there is no such file"),
        ("x.txt", "", "neither a notebook (.ipynb) nor a script (.py)"),
        ("x.ipynb", "{", "is no notebook"),
    ],
)
def test_what_can_not_be_run(empty_project: Any, name: str, text: str | None, why: str) -> None:
    """Exit code 2, and a sentence."""
    if text is not None:
        empty_project.write(name, text)
    ended = empty_project.fanout("azure", name)
    assert ended.code == 2
    assert why in ended.stderr
