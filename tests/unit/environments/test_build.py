"""Environments made from conda files, really: with uv and with pip, offline, from a folder of wheels."""

import json
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fanout.environments import build, interpreters
from fanout.environments.build import importable, python_of, recipe_of
from fanout.errors import UserError
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import CommandStep, DataInput, DataType, EntryTask, Environment, Output, ParallelStep

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
    code = f"import sys; sys.path.insert(0, {str(links)!r}); import fanout.slot.child.main, azureml_user.parallel_run"
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
        (_parallel(DataType.URI_FOLDER, python="==3.8.*"), "==3.8.*,>=3.8"),
        (_parallel(DataType.URI_FOLDER, python="<3.9"), "<3.9,>=3.8"),
        (_command(python="==3.6.*"), "==3.6.*"),
    ],
)
def test_which_python(step: CommandStep | ParallelStep, python: str) -> None:
    """The one that is asked for; this one where that will do."""
    assert recipe_of(step).python == python


def _read(conda_file: Path) -> Environment:
    pipeline = conda_file.with_name("pipeline.yml")
    environment = f"{{image: x, conda_file: {json.dumps(conda_file.name)}}}"
    pipeline.write_text(f"type: pipeline\njobs:\n  say: {{command: echo, environment: {environment}}}\n")
    [step] = load_pipeline(pipeline).steps
    return step.environment


@pytest.mark.parametrize("written", ["python=3.7.6", "python=3.6", "'python >=3.6,<3.8'  # why", "python==3.7.9"])
def test_a_python_that_is_too_old_for_a_slot(tmp_path: Path, written: str) -> None:
    """Refused before anything starts; the command of the message makes the file ask for one that works."""
    path = tmp_path / "conda file.yml"
    path.write_text(f"name: python=3.6\ndependencies:\n  - {written}\n  - pip\n  - pip:\n    - python-dateutil\n")
    conda = _read(path)
    step = _parallel(DataType.URI_FOLDER)
    step = replace(step, task=replace(step.task, environment=conda))
    with pytest.raises(UserError, match=r"asks for Python .*, and the script of a parallel step runs in 3.8") as no:
        recipe_of(step)
    assert "or run without --env to use fanout's own Python" in str(no.value)
    [command] = re.findall(r"`(sed .*?)` writes it there", str(no.value))
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - as people paste it
    changed, nearest = _read(path), interpreters.nearest("3.7", (3, 8))
    assert nearest is not None
    assert changed.python == f"=={nearest.version.rpartition('.')[0]}.*"
    assert (changed.pip, changed.conda) == (conda.pip, conda.conda)
    assert path.read_text().startswith("name: python=3.6\n")


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_python_that_is_not_here(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused with the nearest that is, and with what would bring it."""
    if tool == "pip":
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    step = _parallel(DataType.URI_FOLDER, python="==3.19.*")
    with pytest.raises(UserError, match=r"score: conda.yml asks for Python 3.19, which is not on this machine") as no:
        python_of(step)
    assert ("uv cannot fetch it either" if tool == "uv" else "uv would fetch it (`pip install uv`)") in str(no.value)
    newest = max(interpreters.installed(), key=lambda one: one.release)
    assert f"the nearest of this machine is {newest.version}: `sed" in str(no.value)
    assert not build.is_built(step)


def test_another_micro_version_will_do() -> None:
    """Where 3.x.y is asked for and 3.x.z is there; a line says so."""
    other = f"{sys.version_info[0]}.{sys.version_info[1]}.99"
    step = _command(python=f"=={other}.*")
    assert _says(python_of(step), "import platform; print(platform.python_version())") == platform.python_version()
    assert build.python_notice(step) == (
        f"train: conda.yml asks for Python {other}; {platform.python_version()} is used"
    )
    assert build.python_notice(_command(python=THIS)) is None


def test_what_a_step_needs_beside_that() -> None:
    """pandas for the rows of a table and pyarrow for rows as parquet, in the versions that the file asks for."""
    assert recipe_of(_parallel(DataType.MLTABLE, pip=("scipy",))).pip == ("scipy", "pandas")
    assert recipe_of(_parallel(DataType.MLTABLE, pip=("Pandas<2",))).pip == ("Pandas<2",)
    assert recipe_of(_parallel(DataType.URI_FOLDER)).pip == ()
    as_objects = replace(_parallel(DataType.MLTABLE), json_records=True)
    assert recipe_of(as_objects).pip == ()
    rows = _parallel(DataType.URI_FOLDER)
    rows = replace(rows, task=replace(rows.task, append_row_to="rows"))
    in_a_file = replace(rows, outputs={"rows": Output(DataType.URI_FILE, uri="file:///o/rows.PARQUET")})
    assert recipe_of(in_a_file).pip == ("pyarrow",)
    in_a_folder = replace(rows, outputs={"rows": Output()}, append_row_file_name="rows.parquet")
    assert recipe_of(in_a_folder).pip == ("pyarrow",)
    assert recipe_of(replace(in_a_folder, append_row_file_name=None)).pip == ()


def test_packages_of_azures_runtime_are_left_out() -> None:
    """Their pins would keep the environment from being made; what their extras name stays, and a line says so."""
    pip = ("mltable>=1.2.0", "azureml-dataset-runtime[pandas,fuse]", "azureml_core", "pillow", "pandas")
    step = _parallel(DataType.URI_FOLDER, pip=pip)
    bounds = ("pandas<2; python_version < '3.12'", "numpy<2; python_version < '3.12'")
    assert recipe_of(step).pip == ("pandas", "pillow", *bounds)
    assert build.runtime_notice(step) == (
        f"{step.name}: mltable>=1.2.0, azureml-dataset-runtime[pandas,fuse], azureml_core are left out of its "
        "environment: Azure's runtime wants them, and fanout stands in for it"
    )
    assert recipe_of(_command(*pip)).pip == ("mltable>=1.2.0", "pandas", "pillow", *bounds), "nothing stands in there"
    assert recipe_of(_command("azureml-dataset-runtime[pandas]", "pandas==2.1")).pip == (
        "pandas",
        "pandas==2.1",
        bounds[1],
    )
    assert recipe_of(_command("azureml-dataset-runtime", "pandas")).pip == ("pandas",)
    assert build.runtime_notice(_command("pillow", "azureml-mlflow", "--no-index", "mltable")) is None


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
