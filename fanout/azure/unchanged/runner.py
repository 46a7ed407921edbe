"""Runs a notebook or script as it is, then waits for the runs that it has submitted."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fanout.api.pipeline_calls import open_run
from fanout.api.run import Run
from fanout.azure.submissions_file import VARIABLE, submissions
from fanout.errors import InputError


@dataclass(frozen=True, slots=True)
class Done:
    """Whether the file ran to its end, and the runs that it has submitted."""

    completed: bool
    runs: tuple[Run, ...]


def run_unchanged(file: Path, arguments: Sequence[str], executed: Path | None) -> Done:
    """Runs a notebook (.ipynb) or a script (.py) with Azure's client replaced by ours.

    InputError for any other file. A run that is under way when the file ends goes on.
    """
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    if file.suffix not in (".ipynb", ".py"):
        raise InputError(f"{file} is neither a notebook (.ipynb) nor a script (.py)")
    if executed is not None and file.suffix == ".py":
        raise InputError("--output takes the executed notebook, and a script is none")
    with tempfile.TemporaryDirectory(prefix="fanout-azure-") as folder:
        noted = Path(folder) / "submissions"
        environ = {**os.environ, VARIABLE: str(noted)}
        if file.suffix == ".py":
            completed = _run_script(file, arguments, environ)
        else:
            from fanout.azure.unchanged.notebook import run_notebook

            completed = run_notebook(file, environ, executed)
        return Done(completed, tuple(open_run(run, store=store) for run, store in submissions(noted)))


def _run_script(file: Path, arguments: Sequence[str], environ: dict[str, str]) -> bool:
    from fanout.azure.sdk import library

    library("azure.identity")  # refused here when the extra is missing
    words = [sys.executable, "-P", "-m", "fanout.azure.unchanged.script", str(file), *arguments]
    return subprocess.run(words, env=environ, check=False).returncode == 0  # noqa: S603 - this interpreter
