"""The one place where errors and verdicts become exit codes (design, "What a run shows")."""

import sys
import traceback
from typing import TYPE_CHECKING

from fanout.errors import ExitCode, FanoutError, InfrastructureError, SpecError, StoreError, UserError

if TYPE_CHECKING:
    from fanout.step.verdict import Verdict


def exit_code(verdict: "Verdict", *, failed: bool = False) -> ExitCode:
    """What a run's verdict tells the shell; `failed`: something failed, and the run is looked at strictly."""
    from fanout.step.verdict import VerdictStatus

    return {
        VerdictStatus.COMPLETED: ExitCode.FAILED if failed else ExitCode.COMPLETED,
        VerdictStatus.FAILED: ExitCode.FAILED,
        VerdictStatus.CANCELED: ExitCode.CANCELED,
    }[verdict.status]


def tell(error: BaseException) -> ExitCode:
    """Says on stderr what is wrong, and returns the exit code that goes with it."""
    error = the_one_inside(error)
    match error:
        case KeyboardInterrupt():
            return ExitCode.CANCELED
        case SpecError():
            _tell_problems(error)
            return ExitCode.USAGE
        case UserError():
            _say(str(error))
            return ExitCode.USAGE
        case InfrastructureError():
            _say(f"{error}\n{_advice(error)}")
            return ExitCode.INTERNAL
        case FanoutError():
            _say(str(error))
            return ExitCode.INTERNAL
        case _:
            _say("".join(traceback.format_exception(error)))
            _say("This is a bug in fanout. A run that was started is in the store as it was: `fanout resume` goes on.")
            return ExitCode.INTERNAL


def the_one_inside(error: BaseException) -> BaseException:
    """The error that tasks running side by side wrapped up, when it is a single one, or the first that has words."""
    while isinstance(error, BaseExceptionGroup):
        known = [inner for inner in error.exceptions if isinstance(inner, (FanoutError, BaseExceptionGroup))]
        if not known and len(error.exceptions) > 1:
            return error
        error = (known or list(error.exceptions))[0]
    return error


def _tell_problems(error: SpecError) -> None:
    from fanout.view.output import output_to
    from fanout.view.problems import problem_lines

    output = output_to(sys.stderr)
    for line in problem_lines(error, output.paint, with_source=sys.stderr.isatty()):
        output.line(line)


def _advice(error: InfrastructureError) -> str:
    if isinstance(error, StoreError):
        return (
            "Check that the store can be reached and written to; `fanout resume` goes on with a run that has started."
        )
    return "If it was a passing trouble, `fanout resume` goes on with a run that has started."


def _say(text: str) -> None:
    from fanout.store.redact import redact

    sys.stderr.write(redact(text).rstrip() + "\n")
