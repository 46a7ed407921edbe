"""Virtual environments made from conda files: one for each content, in the user's cache folder, used by all runs.

uv makes them where it is installed, since it is ten times as fast and fetches the Python that is asked for; else venv
and pip do. A lock lets one process build while others wait, and a mark says that an environment is whole.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from fanout import version
from fanout.advice import advised
from fanout.environments import interpreters
from fanout.environments.compare import OF_THE_RUNTIME, OLDEST_PYTHON, allows, allows_slots, dotted, file_name, shown
from fanout.errors import UserError
from fanout.pipeline.model import DataInput, DataType, Output, ParallelStep, Step, StepOutput
from fanout.security.ownership import weakness
from fanout.security.redaction import redact

FORMAT = 1
"""Part of an environment's name: raise it when environments are built otherwise."""
LAST_LINES = 15
LEFT_OUT = OF_THE_RUNTIME - {"azureml-mlflow"}
"""Their pins (pandas below 2, old Pythons) keep environments from being made; scripts may still want mlflow."""
RUNTIME_BOUNDS = {name: f"{name}<2; python_version < '3.12'" for name in ("pandas", "numpy")}
"""What azureml-dataset-runtime[pandas] wants; for Python 3.12 and newer there is no such pandas."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that an environment is made from; equal recipes make one environment."""

    python: str  # a version specifier
    pip: tuple[str, ...]

    @property
    def name(self) -> str:
        """The folder it is in."""
        said = json.dumps([FORMAT, self.python, self.pip, platform.machine(), platform.python_implementation()])
        return hashlib.sha256(said.encode()).hexdigest()[:24]


def recipe_of(step: Step) -> Recipe:
    """What the step's environment is made from; UserError, naming what is wrong, when fanout cannot make it."""
    environment = step.environment
    what = f"{step.name}: {file_name(environment)}"
    if environment.conda:
        raise UserError(
            f"{what} asks for packages of conda, which pip cannot install: {', '.join(environment.conda)}; move those "
            "that are on PyPI to its pip section, or run without --env in a Python that has them"
        )
    for line in environment.pip:
        if _is_local(line):
            raise UserError(
                f"{what} asks for '{line}', a folder or file of this machine: an environment that is kept cannot "
                "follow its changes; put the code into the step's code folder"
            )
    lines = dict.fromkeys(kept for line in environment.pip for kept in _kept(step, line))
    named = {_distribution(line) for line in lines}
    more = [name for name in _needed(step) if name not in named]
    return Recipe(_python_for(step, what), (*lines, *more, *_bounds_of_the_runtime(environment.pip)))


def runtime_notice(step: Step) -> str | None:
    """Which packages of Azure's runtime are left out of the environment, if it asks for some."""
    out = [line for line in step.environment.pip if _kept(step, line) != (line,)]
    if not out:
        return None
    why = "are left out of its environment: Azure's runtime wants them, and fanout stands in for it"
    return f"{step.name}: {', '.join(out)} {why}"


def _kept(step: Step, line: str) -> tuple[str, ...]:
    """What is installed for a line: itself, or of a package of Azure's runtime pandas where an extra names it.

    Nothing stands in for mltable in the process of a command, which has no fanout.
    """
    name = _distribution(line)
    if name not in LEFT_OUT or (name == "mltable" and not isinstance(step, ParallelStep)):
        return (line,)
    return ("pandas",) if "pandas" in Requirement(line).extras else ()


def _bounds_of_the_runtime(pip: Sequence[str]) -> Iterator[str]:
    """The versions that scripts find on Azure where its runtime is asked for with pandas; the file's bounds win."""
    asked = [Requirement(line) for line in pip if _distribution(line) is not None]
    if any(canonicalize_name(each.name) in LEFT_OUT and "pandas" in each.extras for each in asked):
        bounded = {canonicalize_name(each.name) for each in asked if each.specifier}
        yield from (bound for name, bound in RUNTIME_BOUNDS.items() if name not in bounded)


def _distribution(line: str) -> str | None:
    """The name of the distribution that a line asks for; None of an option or a URL."""
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        return None


def _needed(step: Step) -> Iterator[str]:
    """What the step needs beside that: pandas for the rows of a table, pyarrow for rows written as parquet.

    Of any version, so that those of the other packages decide. Tables are read outside of the environment.
    """
    if not isinstance(step, ParallelStep):
        return
    if _may_be_table(step) and not step.json_records:
        yield "pandas"
    if step.task.append_row_to is not None and _writes_parquet(step, step.outputs[step.task.append_row_to]):
        yield "pyarrow"


def _writes_parquet(step: ParallelStep, output: Output) -> bool:
    name = output.uri if output.type is DataType.URI_FILE else step.append_row_file_name
    return (name or "").lower().endswith(".parquet")


def python_notice(step: Step) -> str | None:
    """Which Python the environment has where it is not quite the one that is asked for."""
    asked = step.environment.python
    recipe = recipe_of(step)
    found = interpreters.find(recipe.python)
    if asked is None or found is None or allows(asked, found.version):
        return None
    return f"{step.name}: {file_name(step.environment)} asks for Python {shown(asked)}; {found.version} is used"


def python_of(step: Step) -> Path:
    """The Python of the step's environment, which is made now unless it is there; UserError when it cannot be made."""
    recipe = recipe_of(step)
    folder = _own_cache() / recipe.name
    python = folder / "bin" / "python"
    with _locked(folder.with_suffix(".lock")):
        if not (folder / "complete").exists() or not python.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _build(step, recipe, folder, f"{step.name}: {file_name(step.environment)}")
            (folder / "complete").touch()
    return python


def is_built(step: Step) -> bool:
    """Whether the step's environment is there already."""
    return (cache_folder() / recipe_of(step).name / "complete").exists()


def cache_folder() -> Path:
    """Where environments are kept: `fanout/environments` in the user's cache folder."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser().absolute() / "fanout" / "environments"


def _own_cache() -> Path:
    """As `cache_folder`, which is there; UserError when another user may change what is run from it."""
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if why := weakness(folder):
        raise UserError(
            f"no environment is made in {folder}, because {why}, and what is in it is run; set XDG_CACHE_HOME to a "
            "folder that only you may change"
        )
    return folder


def environ_in(python: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` as it is where the environment of `python` is activated."""
    path = f"{python.parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
    kept = {name: value for name, value in environ.items() if name != "PYTHONHOME"}
    return {**kept, "PATH": path, "VIRTUAL_ENV": str(python.parent.parent)}


def importable(folder: Path) -> Path:
    """A folder, made in `folder`, from which any Python imports fanout and azureml_user and nothing else.

    Links: the folder that fanout is installed in has its libraries too, which an environment has its own of, or not.
    """
    package = Path(version.__file__).parent
    links = folder / "fanout-alone"
    links.mkdir(parents=True, exist_ok=True)
    for name, target in (("fanout", package), ("azureml_user", package / "compat" / "azureml_user")):
        if not (links / name).is_symlink():
            (links / name).symlink_to(target)
    return links


def _python_for(step: Step, what: str) -> str:
    asked = step.environment.python
    if asked is None or allows(asked, platform.python_version()):
        return f"=={_running()}.*"
    if not isinstance(step, ParallelStep):
        return asked
    oldest = dotted(OLDEST_PYTHON)
    if not allows_slots(asked):
        raise UserError(
            f"{what} asks for Python {shown(asked)}, and the script of a parallel step runs in {oldest} or newer; "
            f"{_other_python(step, asked)}"
        )
    return f"{asked},>={oldest}"


def _other_python(step: Step, asked: str) -> str:
    """Which Python comes nearest, and the command that writes it into the file."""
    oldest = OLDEST_PYTHON if isinstance(step, ParallelStep) else (3,)
    nearest = interpreters.nearest(asked, oldest)
    here = f"the nearest of this machine is {nearest.version}: " if nearest else ""
    version = dotted(nearest.release[:2]) if nearest else dotted(OLDEST_PYTHON)
    command = advised().conda_python(version, step.environment.conda_file or "conda.yml")
    return f"{here}`{command}` writes it there, or run without --env to use fanout's own Python {_running()}"


def _running() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _may_be_table(step: ParallelStep) -> bool:
    major = step.inputs.get(step.input_data)
    return isinstance(major, DataInput | StepOutput) and (major.type is DataType.MLTABLE or step.reads_rows)


def _is_local(line: str) -> bool:
    target = line.removeprefix("--editable").removeprefix("-e").lstrip(" =")
    return line.startswith(("-e", "--editable")) or target.startswith((".", "/", "~", "file:")) or " @ file:" in line


def _build(step: Step, recipe: Recipe, folder: Path, what: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{Path(sys.executable).parent}")
    found, python = interpreters.find(recipe.python), str(folder / "bin" / "python")
    if uv is not None:
        create = [uv, "venv", "--no-project", "--quiet", "--python", found.path if found else recipe.python]
        install = [uv, "pip", "install", "--quiet", "--python", python]
    else:
        create = [found.path, "-m", "venv"] if found else []
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if found is None and (uv is None or _outcome([*create, str(folder)]).returncode):
        asked = step.environment.python or recipe.python
        why = "uv cannot fetch it either" if uv else "uv would fetch it (`pip install uv`)"
        missing = f"asks for Python {shown(asked)}, which is not on this machine, and {why}"
        raise UserError(f"{what} {missing}; {_other_python(step, asked)}")
    if found is not None:
        _run([*create, str(folder)], what)
    if recipe.pip:
        requirements = folder / "requirements.txt"
        requirements.write_text("\n".join(recipe.pip) + "\n", "utf-8")
        _run([*install, "-r", str(requirements)], what)


def _run(command: list[str], what: str) -> None:
    done = _outcome(command)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-LAST_LINES:]
        words = "\n".join(f"  {line}" for line in said)
        raise UserError(redact(f"{what}: its environment cannot be made; `{' '.join(command)}` says:\n{words}"))


def _outcome(command: list[str]) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONHOME")}
    return subprocess.run(  # noqa: S603 - uv or pip, and what the conda file asks for
        command, capture_output=True, text=True, check=False, env=environ, stdin=subprocess.DEVNULL
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Held by one process at a time; given up by the kernel when that dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
