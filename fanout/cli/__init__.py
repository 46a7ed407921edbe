"""The command `fanout`: verbs, each one call, and an exit code."""

from collections.abc import Sequence
from typing import NoReturn


def main() -> NoReturn:
    """The entry point: carries out the command line of this process and ends it."""
    from fanout.store.leave import leave

    leave(answer())


def answer(arguments: Sequence[str] | None = None) -> int:
    """Carries out a command line, by default that of the process; its exit code (design, "What a run shows")."""
    from fanout.cli.app import app
    from fanout.cli.exits import tell

    try:
        app(args=arguments, prog_name="fanout")
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 - the one place where errors become exit codes
        return tell(exc)
    return 0
