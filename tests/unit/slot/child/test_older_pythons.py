"""A slot's child process in the Pythons that a step's own environment may have: 3.8 and newer, without libraries."""

import ast
import asyncio
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fanout
from fanout.environments import interpreters
from fanout.environments.compare import OLDEST_PYTHON
from fanout.results.codec import Cause
from fanout.slot.protocol import StartFailed, Stopped

Launch = Callable[..., Any]
WriteScript = Callable[..., Path]
PACKAGE = Path(fanout.__file__).parent
ROOT = PACKAGE.parent
SHIMS = ("compat/azureml_user/__init__.py", "compat/azureml_user/parallel_run.py", "compat/if_absent/mltable.py")
OURS_ALONE = {"fanout.slot.child.fork_loop", "fanout.slot.child.table_reader", "fanout.mltable"}
"""Imported where they are used, in the node's own Python only; fanout.mltable says so itself."""
PYTHONS = [f"3.{minor}" for minor in range(8, 14)]


def _path(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _imports(path: Path) -> Iterator[str]:
    """The modules that a file imports when it is loaded or later, but not those for type checkers."""
    waiting: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith("fanout"))
        waiting += ast.iter_child_nodes(node)


def _loaded_in_a_child() -> tuple[set[Path], set[str]]:
    """The files of ours that a child process may load, and the other modules that they import."""
    found, others, waiting = (
        set[Path](),
        set[str](),
        [_path("fanout.slot.child.main"), *(PACKAGE / name for name in SHIMS)],
    )
    while waiting:
        path = waiting.pop()
        if path is None or path in found:
            continue
        found.add(path)
        for module in _imports(path):
            if not module.startswith("fanout"):
                others.add(module.partition(".")[0])
                continue
            names = [".".join(module.split(".")[:end]) for end in range(1, module.count(".") + 2)]
            waiting += [] if OURS_ALONE.intersection(names) else map(_path, names)
    return found, others


def test_the_child_is_written_for_the_oldest_python() -> None:
    """Each file that it may load compiles there, and the linter checks it against that version."""
    files, others = _loaded_in_a_child()
    assert len(files) > 25
    for path in files:
        ast.parse(path.read_text("utf-8"), str(path), feature_version=OLDEST_PYTHON)
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["per-file-target-version"]
    named = {path.relative_to(ROOT).as_posix() for path in files if [*_imports(path)]}
    assert set(checked) == named
    assert others <= {*sys.stdlib_module_names, "numpy", "pandas", "pyarrow"}


def test_what_is_loaded_is_known() -> None:
    """What the running child imports at its start is among those files."""
    imports = (
        f"sys.path.insert(0, {str(PACKAGE / 'compat')!r}); import fanout.slot.child.main, azureml_user.parallel_run"
    )
    code = f"import sys; {imports}; print(*(getattr(m, '__file__', '') for m in sys.modules.values()), sep='\\n')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {Path(line) for line in said.splitlines() if line.startswith(str(PACKAGE))}
    assert loaded
    assert loaded <= _loaded_in_a_child()[0]


@pytest.fixture(params=PYTHONS)
def version(request: pytest.FixtureRequest) -> str:
    """Such a version."""
    return str(request.param)


@pytest.fixture
def python(version: str) -> str:
    """The path of an interpreter of that version."""
    found = interpreters.find(f"=={version}.*")
    if found is None:
        pytest.skip(f"there is no Python {version} on this machine")
    return found.path


@pytest.fixture
def launch_there(launch: Launch, python: str, links: Path) -> Launch:
    """As `launch`, in that interpreter, which finds nothing of fanout's but fanout."""

    async def start(**order: Any) -> Any:
        return await launch(python=python, fanout_at=links, **order)

    return start


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """The folder from which a foreign interpreter imports fanout."""
    from fanout.environments.build import importable

    return importable(tmp_path)


async def test_a_script_runs(launch_there: Launch, write_script: WriteScript, tmp_path: Path, version: str) -> None:
    """init(), run() with its context, output files, shutdown(), prints and the EntryScript of azureml_user."""
    write_script(
        """
        import os, sys
        from azureml_user.parallel_run import EntryScript
        from helper import double

        def init():
            global version
            version = "%d.%d" % sys.version_info[:2]
            print("init", EntryScript().agent_name)
            EntryScript().logger.info("hello")

        def run(mini_batch, context):
            with open(os.path.join(sys.argv[1], "seen"), "w") as file:
                file.write(version)
            return [(version, context.minibatch_index, double(os.path.basename(path))) for path in mini_batch]

        def shutdown():
            print("shutdown", sys.path.count(""), os.getcwd() == sys.path[0])
        """,
        {"helper.py": "def double(text):\n    return text * 2\n"},
    )
    staged = tmp_path / "staged" / "out"
    slot = await launch_there(row_format="csv", arguments=[str(staged)], outputs={"out": str(staged)})
    for index in range(3):
        done = await slot.run(index)
        assert done.failure is None
        assert done.rows == f"{version},{index},aa\n{version},{index},bb\n".encode()
        assert done.files == ("out/seen",)
    stopped: Stopped = await slot.stop()
    assert stopped.failure is None
    assert slot.stdout.read_text() == "init process000\nshutdown 0 True\n"
    assert slot.stderr.read_text() == ""
    log = tmp_path / "logs" / "user" / "entry_script_log" / "0" / "process000.log.txt"
    assert log.read_text().endswith("|hello\n")


async def test_errors_of_a_script(launch_there: Launch, write_script: WriteScript) -> None:
    """The message and the lines of the script alone; a parser of arguments is quoted; later mini-batches run."""
    write_script(
        """
        import argparse
        def run(mini_batch, context):
            if context.minibatch_index == 0:
                try:
                    {}["key"]
                except KeyError as exc:
                    raise ValueError("bad") from exc
            if context.minibatch_index == 1:
                argparse.ArgumentParser().parse_args(["--more"])
            return 5 if context.minibatch_index == 2 else [{"a": 1, "b": None}]
        """
    )
    slot = await launch_there(row_format="jsonl")
    raised, left, returned, fine = [await slot.run(index) for index in range(4)]
    assert (raised.failure.cause, raised.failure.message) == (Cause.EXCEPTION, "ValueError: bad")
    assert 'raise ValueError("bad") from exc' in raised.failure.traceback
    assert "KeyError: 'key'" in raised.failure.traceback
    assert str(PACKAGE) not in raised.failure.traceback
    assert "fanout-alone" not in raised.failure.traceback
    assert "as argparse found: unrecognized arguments: --more" in left.failure.message
    assert returned.failure.cause is Cause.BAD_RETURN
    assert "it returned int (5)" in returned.failure.message
    assert fine.rows == b'{"a": 1, "b": null}\n'


async def test_a_script_that_cannot_be_loaded(launch_there: Launch, write_script: WriteScript) -> None:
    """What is missing is named, with the file to add it to, and it is known that another try would fail alike."""
    write_script("import no_such_module\ndef run(mini_batch): return mini_batch\n")
    slot = await launch_there(expect=StartFailed, conda_file="/p/conda.yml")
    [broken] = [answer for answer in slot.answers if isinstance(answer, StartFailed)]
    assert broken.permanent
    advice = "add no_such_module to the pip section of /p/conda.yml: the step's environment is made from it"
    assert broken.failure.message == f"ModuleNotFoundError: No module named 'no_such_module'; {advice}"


async def test_mltable_in_a_script(launch_there: Launch, write_script: WriteScript, version: str) -> None:
    """It may be imported; what fanout answers with needs fanout's own Python, which is said where it is used."""
    write_script("import mltable\ndef run(mini_batch): return [mltable.load('x')]\n")
    slot = await launch_there()
    done = await slot.run()
    assert done.failure is not None
    if version in ("3.8", "3.9", "3.10"):
        assert f"mltable.load is fanout's, which needs Python 3.11 or newer; this is Python {version}" in (
            done.failure.message
        )
    else:
        assert "mltable.load" not in done.failure.message, "it is answered as far as libraries are there"


async def test_where_it_hangs(launch_there: Launch, write_script: WriteScript, tmp_path: Path) -> None:
    """The stack at the time limit has the script's lines and none of ours."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    write_script(
        f"""
        import os, time
        def run(mini_batch):
            os.write(os.open({str(fifo)!r}, os.O_WRONLY), b"x") and time.sleep(600)
        """
    )
    slot = await launch_there(stack=str(tmp_path / "stack"))
    slot.assign()
    await _written(fifo)
    slot.process.kill_with_stack()
    await slot.ended()
    assert "time.sleep(600)" in slot.process.stack
    assert slot.process.stack.count("  File ") == 1


async def _written(fifo: Path) -> None:
    """Returns when something has been written into it."""
    reading, written = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), asyncio.Event()
    asyncio.get_running_loop().add_reader(reading, written.set)
    async with asyncio.timeout(20):
        await written.wait()
    asyncio.get_running_loop().remove_reader(reading)
    os.close(reading)
