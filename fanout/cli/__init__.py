"""The command `fanout`: verbs, each one call, and an exit code."""

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Carries out the command line and returns its exit code (design, "What a run shows")."""
    from fanout.cli.app import app
    from fanout.cli.exits import tell

    try:
        app(args=arguments, prog_name="fanout")
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 - the one place where errors become exit codes
        return tell(exc)
    finally:
        _flush()
    return 0


def _flush() -> None:
    """A reader that has gone (`fanout list | head -1`) is no error, and Python shall not report it at its exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
