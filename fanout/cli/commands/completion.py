"""`fanout completion`: what a shell needs to complete commands, options and names of runs."""

from enum import StrEnum
from typing import Annotated

import typer

VARIABLE = "_FANOUT_COMPLETE"
"""With it in the environment, a process of fanout answers a shell, and does nothing else."""


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
