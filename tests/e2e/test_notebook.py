"""A kernel of Jupyter that is interrupted or killed while a function runs over items."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jupyter_client
import pytest

import fanout

CELL = """
import os, time
import fanout

def slow(number):
    open(os.path.join({marks!r}, f"{{number}}-{{os.getpid()}}-{{time.monotonic_ns()}}"), "w").close()
    time.sleep(0.05)
    return {{"number": number, "text": "n" * number}}

rows = fanout.map(slow, range(60), name="first", mini_batch_size=2)
"""
ROWS = [{"number": number, "text": "n" * number} for number in range(60)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the kernel and of this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    (tmp_path / "marks").mkdir()
    return tmp_path


@pytest.fixture
def kernel(folder: Path) -> Iterator[Any]:
    """A kernel of this Python, ready to execute."""
    manager = jupyter_client.KernelManager()
    manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager.start_kernel(cwd=str(folder), env=dict(os.environ))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=90)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def _begin(folder: Path, client: Any, wait_until: Callable[..., None]) -> str:
    said: str = client.execute(CELL.format(marks=str(folder / "marks")))
    wait_until(lambda: len(list((folder / "marks").iterdir())) >= 10)
    return said


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_killed_kernel_is_followed_by_another_process(folder: Path, kernel: Any, tools: Any) -> None:
    """Its nodes leave, and `resume` from the name alone ends with the rows of an undisturbed run."""
    manager, client = kernel
    _begin(folder, client, tools.wait_until)
    manager.shutdown_kernel(now=True)
    slots = sorted({int(path.name.split("-")[1]) for path in (folder / "marks").iterdir()})
    tools.wait_until(lambda: not tools.alive(slots))
    assert fanout.open_run("first").status == "Running"
    assert fanout.open_run("first").resume().output().rows() == ROWS


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_an_interrupted_cell_leaves_a_run_that_goes_on(folder: Path, kernel: Any, tools: Any) -> None:
    """KeyboardInterrupt in the cell; the next cell goes on with the run, in the same kernel."""
    manager, client = kernel
    asked = _begin(folder, client, tools.wait_until)
    manager.interrupt_kernel()
    assert _reply(client, asked)["ename"] == "KeyboardInterrupt"
    asked = client.execute("rows = fanout.open_run('first').resume().output().rows()\nassert len(rows) == 60")
    assert _reply(client, asked)["status"] == "ok"
    assert fanout.open_run("first").output().rows() == ROWS


def _reply(client: Any, asked: str) -> Any:
    while True:
        message = client.get_shell_msg(timeout=90)
        if message["parent_header"].get("msg_id") == asked:
            return message["content"]
