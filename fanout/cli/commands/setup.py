"""`fanout init` and `fanout completion`: what one needs once, before the first run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fanout.errors import InputError

VARIABLE = "_FANOUT_COMPLETE"
"""With it in the environment, a process of fanout answers a shell, and does nothing else."""
Folder = Annotated[
    Path, typer.Argument(metavar="[FOLDER]", help="Where; by default the current folder.", show_default=False)
]
Script = Annotated[
    Path | None,
    typer.Option("--from", metavar="SCRIPT", help="An entry script that exists already.", show_default=False),
]
Data = Annotated[
    Path | None,
    typer.Option("--over", metavar="DATA", help="The data, a folder or a file; default: a sample.", show_default=False),
]


def init(folder: Folder = Path(), script: Script = None, data: Data = None) -> None:
    """Make a new project: pipeline, script, data, test, CI workflow.

    What it makes runs at once. Files that exist are never overwritten.
    """
    from fanout.api.new_project import Project, existing, project_files

    for path in filter(None, (script, data)):
        if not path.exists():
            raise InputError(f"{path}: there is no such file")
    text = None if script is None else script.read_text("utf-8", errors="replace")
    files = project_files(Project(folder, script, data), text)
    if there := existing(folder, files):
        raise InputError(f"{folder / there[0]}: exists already, and nothing is overwritten; choose another folder")
    for name, content in files.items():
        _write(folder / name, content)
        typer.echo(f"{folder / name}")
    _next(folder)


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _next(folder: Path) -> None:
    from fanout.advice import advised

    typer.echo(f"run it:  {advised().run(str(folder / 'pipeline.yml'))}")
    typer.echo(f"test it: {advised().test(str(folder / 'tests'))}")


class Shell(StrEnum):
    """The shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


ShellName = Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", show_default=False)]


def completion(shell: ShellName) -> None:
    """Print what makes bash, zsh or fish complete fanout's commands.

    bash: eval "$(fanout completion bash)" in ~/.bashrc. zsh: the same with zsh in ~/.zshrc, behind compinit.
    fish: fanout completion fish > ~/.config/fish/completions/fanout.fish
    """
    from typer._completion_shared import get_completion_script  # behind --show-completion, which apps of one verb have

    typer.echo(get_completion_script(prog_name="fanout", complete_var=VARIABLE, shell=shell.value))
