"""The command `fanout`: verbs, each one call, and an exit code."""

import os
from collections.abc import Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from io import TextIOWrapper


def main() -> NoReturn:
    """The entry point: carries out the command line of this process and ends it."""
    import sys
    from typing import cast

    from fanout.cli.interrupts import remember_interrupts
    from fanout.storage.hard_exit import hard_exit

    remember_interrupts()
    for stream in (sys.stdout, sys.stderr):
        # What user code says may not fit the terminal's encoding, and must not fail the run.
        cast("TextIOWrapper", stream).reconfigure(errors="backslashreplace")
    hard_exit(answer())


def answer(arguments: Sequence[str] | None = None) -> int:
    """Carries out a command line, by default that of the process; its exit code (design, "What a run shows").

    Context variables that the verb sets, such as the options of the commands it recommends, are its own.
    """
    return copy_context().run(_answer, arguments)


def _answer(arguments: Sequence[str] | None) -> int:
    from fanout.cli.app import app
    from fanout.cli.commands.setup import VARIABLE
    from fanout.cli.exit_codes import report_error
    from fanout.cli.waits import waits_reported

    if VARIABLE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()  # typer's forms of a shell's question
    try:
        with waits_reported():
            app(args=arguments, prog_name="fanout")
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 - the one place where errors become exit codes
        return report_error(exc)
    return 0
