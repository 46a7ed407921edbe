"""docs/python.md: its blocks as cells of a notebook, in a kernel, and all of them as a script; its names are all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

import fanout
from tests import guides
from tests.guides import ROOT

PAGE = (ROOT / "docs" / "python.md").read_text()
CELLS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the files of the smallest pipeline."""
    guides.hello(tmp_path)
    return tmp_path


def test_as_a_script(folder: Path) -> None:
    """A plain one, without a guard."""
    (folder / "page.py").write_text("\n".join(CELLS))
    ended = subprocess.run([sys.executable, "page.py"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_as_a_notebook(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel, whose loop runs; progress is in the output of the cells, and a run shows itself."""
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "jupyter"))
    cells = [nbformat.v4.new_code_cell(cell) for cell in [*CELLS, "run"]]
    notebook = nbformat.v4.new_notebook(cells=cells)
    kernel = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    assert os.environ["IPYTHONDIR"]
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    manager = client.create_kernel_manager()
    manager.kernel_spec.argv = kernel
    client.execute()
    html = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]
    assert "square" in html[0]
    assert "Completed: " in html[0]
    assert 'class="fanout-run"' in notebook.cells[-1]["outputs"][0]["data"]["text/html"]


def test_all_names_are_there() -> None:
    """Every public name has a place in the table, and every attribute of a run and an output."""
    table = PAGE.partition("\n## All names\n")[2]
    for name in fanout.__all__:
        assert name.startswith("__") or re.search(rf"`{name}[`(]", table), name
    for kind in (fanout.Run, fanout.Output):
        for name in vars(kind):
            assert name.startswith("_") or re.search(rf"`{name}[`(]", table), name
        assert kind.__doc__
    assert all(getattr(fanout, name).__doc__ for name in fanout.__all__ if not name.startswith("__"))
