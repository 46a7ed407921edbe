"""Environments made from conda files, really: with uv and with pip, offline, from a folder of wheels."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fanout.environments import build
from fanout.environments.build import importable, python_of, recipe_of
from fanout.errors import UserError
from fanout.spec.steps import CommandStep, DataInput, DataType, EntryTask, Environment, ParallelStep

THIS = f"=={sys.version_info[0]}.{sys.version_info[1]}.*"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")


def _command(*pip: str, **fields: object) -> CommandStep:
    environment = Environment(conda_file="/p/conda.yml", pip=pip, **fields)  # type: ignore[arg-type]
    return CommandStep(name="train", command="x", environment=environment)


def _parallel(type_: DataType, **fields: object) -> ParallelStep:
    environment = Environment(conda_file="/p/conda.yml", **fields)  # type: ignore[arg-type]
    data = {"data": DataInput("file:///d", type_)}
    return ParallelStep(name="score", inputs=data, input_data="data", task=EntryTask("s.py", environment=environment))


def _says(python: Path, code: str) -> str:
    return subprocess.run([str(python), "-P", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_an_environment_is_made_once(wheels: Path, tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has what the conda file asks for and nothing of fanout's; the second time it is there."""
    if tool == "pip":
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    elif shutil.which("uv", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("uv is not installed")
    step = _command("--no-index", f"--find-links {wheels}", "tinypkg==1.5")
    python = python_of(step)
    assert _says(python, "import tinypkg; print(tinypkg.VERSION)") == "1.5"
    assert _says(python, "import importlib.util as u; print(u.find_spec('pydantic'))") == "None"
    made = python.parent.parent.stat().st_mtime_ns
    assert python_of(step) == python
    assert python.parent.parent.stat().st_mtime_ns == made


def test_the_slot_runs_there_without_the_libraries_of_fanout(tmp_path: Path) -> None:
    """What a slot needs of fanout is importable in an environment that has nothing."""
    python, links = python_of(_command()), importable(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(links)!r}); import fanout.node.child, azureml_user.parallel_run"
    _says(python, code)


def test_one_that_cannot_be_made(wheels: Path) -> None:
    """The words of whoever made it, and nothing is left that counts as made."""
    step = _command("--no-index", f"--find-links {wheels}", "tinypkg==9")
    with pytest.raises(UserError, match=r"train: conda.yml: its environment cannot be made; .*(?s:.*)tinypkg"):
        python_of(step)
    assert not build.is_built(step)


def test_content_decides(tmp_path: Path) -> None:
    """Equal contents share an environment, others do not."""
    name = recipe_of(_command("a")).name
    assert recipe_of(_command("a")).name == name
    assert len({name, recipe_of(_command("b")).name, recipe_of(_command("a", python="==3.8.*")).name}) == 3


@pytest.mark.parametrize(
    ("step", "python"),
    [
        (_command(), THIS),
        (_command(python=">=3.8"), THIS),
        (_command(python="==3.8.*"), "==3.8.*"),
        (_parallel(DataType.URI_FOLDER, python="==3.8.*"), THIS),
        (_parallel(DataType.URI_FOLDER, python="==3.13.*"), "==3.13.*,>=3.11"),
    ],
)
def test_which_python(step: CommandStep | ParallelStep, python: str) -> None:
    """The one that is asked for; this one where that will do, or where slots could not run in the other."""
    if python == "==3.13.*,>=3.11" and sys.version_info[:2] == (3, 13):
        python = THIS
    assert recipe_of(step).python == python


def test_an_old_python_is_told() -> None:
    """Slots run in 3.11 or newer."""
    said = build.python_notice(_parallel(DataType.URI_FOLDER, python="==3.8.*"))
    assert said is not None
    assert "asks for Python 3.8, but slots run in 3.11 or newer" in said
    assert build.python_notice(_command(python="==3.8.*")) is None


def test_tables_need_their_libraries() -> None:
    """A slot reads tables with them, whatever the conda file says."""
    assert any(line.startswith("pyarrow") for line in recipe_of(_parallel(DataType.MLTABLE)).pip)
    assert recipe_of(_parallel(DataType.URI_FOLDER)).pip == ()


def test_packages_of_azures_runtime_are_left_out() -> None:
    """Their pins would keep the environment from being made; what their extras name stays, and a line says so."""
    step = _command("mltable>=1.2.0", "azureml-dataset-runtime[pandas,fuse]", "azureml_core", "pillow", "pandas")
    assert recipe_of(step).pip == ("pandas", "pillow")
    assert build.runtime_notice(step) == (
        f"{step.name}: mltable>=1.2.0, azureml-dataset-runtime[pandas,fuse], azureml_core are left out of its "
        "environment: Azure's runtime wants them, and fanout stands in for it"
    )
    assert build.runtime_notice(_command("pillow", "azureml-mlflow", "--no-index")) is None


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (_command(conda=("cudatoolkit=11.1",)), "packages of conda, which pip cannot install: cudatoolkit=11.1"),
        (_command("-e ."), "a folder or file of this machine"),
        (_command("./own.whl"), "a folder or file of this machine"),
        (_command("own @ file:///x"), "a folder or file of this machine"),
    ],
)
def test_what_cannot_be_made(step: CommandStep, sentence: str) -> None:
    """Said before anything is tried."""
    with pytest.raises(UserError, match=sentence):
        recipe_of(step)


def test_a_cache_that_others_may_change_is_not_used(tmp_path: Path) -> None:
    """Its interpreters are run: in a shared folder another user could put one there."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(UserError, match=r"no environment is made in .*every user may write.*set XDG_CACHE_HOME"):
        python_of(_command())
