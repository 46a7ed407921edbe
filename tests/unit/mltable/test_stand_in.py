"""`import mltable` in a step's processes: fanout's own where the package is absent, the package where it is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fanout import mltable
from fanout.environments import interpreters
from fanout.slot.child.script_context import STAND_INS

PACKAGE = "NAME = 'installed'\nfrom mltable.inner import load\n"


def python(code: str, *options: str, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-P", *options, "-c", code], capture_output=True, text=True, env=env or {})


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with a package named mltable that is not ours."""
    package = tmp_path / "site" / "mltable"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PACKAGE)
    (package / "inner.py").write_text("def load(uri): return uri\n")
    return package.parent


def test_where_it_is_absent_it_is_ours() -> None:
    """Every public name, by attribute and by import, with PYTHONPATH and at the end of sys.path."""
    code = "import mltable; from mltable import *; from mltable import load; print(mltable.load is load, __name__)"
    check = (
        "; from fanout import mltable as ours; print([getattr(mltable, n) is getattr(ours, n) for n in ours.__all__])"
    )
    expected = f"True __main__\n{[True] * len(mltable.__all__)}\n"
    assert python(code + check, env={"PYTHONPATH": STAND_INS}).stdout == expected
    assert python(f"import sys; sys.path.append({STAND_INS!r}); {code}{check}").stdout == expected


def test_an_import_that_is_not_used_costs_nothing() -> None:
    """Neither our readers nor the libraries behind them are loaded."""
    done = python("import mltable, sys; print(*sys.modules)", env={"PYTHONPATH": STAND_INS})
    assert not {"fanout.mltable", "yaml", "pandas", "pyarrow", "obstore"} & set(done.stdout.split())
    assert "mltable" in done.stdout.split()


def test_where_it_is_installed_it_is_the_package(installed: Path) -> None:
    """Also when this folder comes first, as in PYTHONPATH; its own modules are imported as ever."""
    code = "import mltable, mltable.inner; from mltable import load; print(mltable.NAME, load('x'), mltable.__file__)"
    for order in ((STAND_INS, str(installed)), (str(installed), STAND_INS)):
        done = python(code, env={"PYTHONPATH": ":".join(order)})
        assert done.stdout == f"installed x {installed}/mltable/__init__.py\n", done.stderr


def test_a_folder_of_that_name_is_not_the_package(tmp_path: Path) -> None:
    """Data often lies in a folder called mltable."""
    (tmp_path / "mltable").mkdir()
    (tmp_path / "mltable" / "MLTable").touch()
    done = python("import mltable; print(mltable.__file__)", env={"PYTHONPATH": f"{STAND_INS}:{tmp_path}"})
    assert done.stdout == f"{STAND_INS}/mltable.py\n", done.stderr


def test_in_a_python_without_fanout_there_is_none() -> None:
    """A command's own Python says what it would have said without us."""
    done = python("import mltable", "-S", env={"PYTHONPATH": STAND_INS})
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'mltable'\n")


def test_a_name_that_is_not_there() -> None:
    """The message lists those that are."""
    done = python("import mltable; mltable.nope", env={"PYTHONPATH": STAND_INS})
    assert "module 'mltable' has no attribute 'nope'; there are DataType, MLTable" in done.stderr


@pytest.mark.parametrize("minor", range(6, 14))
def test_in_the_python_of_a_command(minor: int, installed: Path) -> None:
    """In any Python 3 the package that is installed comes first, and where there is none nothing stands in for it."""
    found = interpreters.find(f"==3.{minor}.*")
    if found is None:
        pytest.skip(f"there is no Python 3.{minor} on this machine")

    def imported(*folders: str) -> "subprocess.CompletedProcess[str]":
        code = "import mltable, mltable.inner; from mltable import load; print(mltable.NAME, load('x'))"
        env = {"PYTHONPATH": os.pathsep.join(folders)}
        return subprocess.run(
            [found.path, "-s", "-c", code], capture_output=True, text=True, env=env, cwd=installed.parent
        )

    there = imported(STAND_INS, str(installed))
    assert there.stdout == "installed x\n", there.stderr
    if found.path != sys.executable:
        assert "No module named 'mltable'" in imported(STAND_INS, str(installed / "none")).stderr
