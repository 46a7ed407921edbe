"""The one place where errors and verdicts become exit codes (design, "What a run shows")."""

import re
import sys
import traceback
from typing import TYPE_CHECKING

from fanout.errors import (
    DiskFullError,
    ExitCode,
    FanoutError,
    InfrastructureError,
    QueueFullError,
    SpecError,
    StoreError,
    UserError,
)

if TYPE_CHECKING:
    from fanout.records.verdict import Verdict

# Objects of a run have keys; data has its whole address.
_DATA = re.compile(r"^(?:cannot [a-z ]+ )?((?:https?|s3a?|gs|az|azure|adl|abfss?|wasbs?)://\S+?)(?:: |$)")


ROOM = "Make room there first."


def exit_code(verdict: "Verdict", *, failed: bool = False) -> ExitCode:
    """What a run's verdict tells the shell; `failed`: something failed, and the run is looked at strictly."""
    from fanout.records.verdict import VerdictStatus

    return {
        VerdictStatus.COMPLETED: ExitCode.FAILED if failed else ExitCode.COMPLETED,
        VerdictStatus.FAILED: ExitCode.FAILED,
        VerdictStatus.CANCELED: ExitCode.CANCELED,
    }[verdict.status]


def report_error(error: BaseException) -> ExitCode:
    """Says on stderr what is wrong, and returns the exit code that goes with it."""
    from fanout.storage.disk_space import full, is_full

    error = the_one_inside(error)
    notes: list[str] = getattr(error, "__notes__", [])
    match error:
        case KeyboardInterrupt():
            return ExitCode.CANCELED
        case SpecError():
            _report_problems(error)
            return ExitCode.USAGE
        case UserError():
            _print(str(error))
            return ExitCode.USAGE
        case OSError() if is_full(error):
            _print("\n".join([full(error.filename), ROOM, *notes]))
            return ExitCode.INTERNAL
        case InfrastructureError():
            _print("\n".join([str(error), *_advice(error), *notes]))
            return ExitCode.INTERNAL
        case FanoutError():
            _print(str(error))
            return ExitCode.INTERNAL
        case _:
            error.__notes__ = []  # said below
            _print("".join(traceback.format_exception(error)))
            _print("\n".join(["This is a bug in fanout. What was committed to the store is there as it was.", *notes]))
            return ExitCode.INTERNAL


def the_one_inside(error: BaseException) -> BaseException:
    """The error that tasks running side by side wrapped up, when it is a single one, or the first that has words."""
    while isinstance(error, BaseExceptionGroup):
        known = [inner for inner in error.exceptions if isinstance(inner, (FanoutError, OSError, BaseExceptionGroup))]
        if not known and len(error.exceptions) > 1:
            return error
        error = (known or list(error.exceptions))[0]
    return error


def _report_problems(error: SpecError) -> None:
    from fanout.cli.render.output import output_to
    from fanout.cli.render.problems import problem_lines

    output = output_to(sys.stderr)
    for line in problem_lines(error, output.paint, with_source=sys.stderr.isatty()):
        output.line(line)


def _advice(error: InfrastructureError) -> list[str]:
    """What to look at; the command that goes on with a run is a note of the error."""
    if isinstance(error, (DiskFullError, QueueFullError)):
        return [ROOM]
    if not isinstance(error, StoreError):
        return []
    if (data := _DATA.search(str(error))) is not None:
        return [f"Check that the data at {data[1]} can be reached."]
    return ["Check that the store can be reached, and that --store, --profile or fanout.toml name it and its endpoint."]


def _print(text: str) -> None:
    from fanout.security.redaction import redact

    sys.stderr.write(redact(text).rstrip() + "\n")
