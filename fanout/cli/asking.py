"""What commands ask before they change something that cannot be brought back."""

import sys

import typer

from fanout.errors import ExitCode, SettingsError


def agreed(question: str) -> bool:
    """Whether the user at the terminal says yes; False without a terminal."""
    return sys.stdin.isatty() and typer.confirm(question)


def left_undone(verb: str, *, yes: bool, dry_run: bool) -> ExitCode:
    """Nothing was changed: the user said no, or asked for a dry run. SettingsError when there was no terminal to ask
    at."""
    if not (yes or dry_run or sys.stdin.isatty()):
        raise SettingsError(
            f"{verb} asks before it changes anything, and there is no terminal to ask at: add --yes, or --dry-run to "
            "see only what would change"
        )
    return ExitCode.COMPLETED
