"""What failed, shown once: the user's own traceback first, alike ones together, and the command to look closer."""

from collections.abc import Iterator

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import Paint
from fanout.formatting import indented, middle_left_out, number, printable
from fanout.queries.failures import MOST_GROUPS, MiniBatches, StepFailures, items_of
from fanout.reports.failure_groups import FailureGroup, StepSource
from fanout.reports.job_result import headline, named, place
from fanout.results.codec import Cause
from fanout.security.redaction import redact

MOST_ITEMS = 3
MOST_LINES = 60
INDENT = "   "
_ABOUT_NODES = {Cause.INIT: "the script could not be started", Cause.SHUTDOWN: "shutdown() failed"}


def failure_lines(failures: StepFailures, batches: MiniBatches, commands: Commands, paint: Paint) -> Iterator[str]:
    """What to print about the failures of one step."""
    step, run = failures.report.step.name, failures.source.run
    if failures.report.error:
        yield from _command_lines(failures, commands, paint)
    for line in failures.report.nodes:
        yield paint.warning(f"{step}: {printable(redact(line))}")
        yield ""
    for group_ in failures.groups[:MOST_GROUPS]:
        yield paint.bad(f"{step}: {title(group_)}")
        yield printable(indented(body(group_, failures.source), INDENT))
        yield f"{INDENT}{_first(group_, step, batches)}"
        yield f"{INDENT}look closer: {paint.strong(_command(group_, run, step, commands))}"
        yield ""
    yield from _rest(failures, commands)


def _command_lines(failures: StepFailures, commands: Commands, paint: Paint) -> Iterator[str]:
    """The last words of a command step."""
    step = failures.report.step.name
    yield paint.bad(f"{step}: {printable(failures.report.seal.verdict.reason)}; its last output:")
    yield printable(indented(middle_left_out(failures.source.restore(failures.report.error), MOST_LINES), INDENT))
    yield f"{INDENT}look closer: {paint.strong(commands.logs(failures.source.run, step))}"
    yield ""


def title(group_: FailureGroup) -> str:
    """How often it happened, and to which mini-batches."""
    if group_.concerns_nodes:
        return f"{_ABOUT_NODES.get(group_.first.failure.cause, 'failed')}, {headline(group_)}"
    title = headline(group_)
    return f"{title}: mini-batches {named(group_.mini_batches)}" if len(group_.mini_batches) > 1 else title


def body(group_: FailureGroup, source: StepSource) -> str:
    """The traceback, which ends in the message; the message alone where there is none."""
    failure = group_.first.failure
    return middle_left_out(source.restore(failure.traceback or failure.message), MOST_LINES)


def _first(group_: FailureGroup, step: str, batches: MiniBatches) -> str:
    first = group_.first
    items = () if first.index is None else items_of(batches.get((step, first.index)), first.part)
    shown = "; ".join(items[:MOST_ITEMS]) + (f" and {len(items) - MOST_ITEMS} more" if len(items) > MOST_ITEMS else "")
    word = "in" if group_.count == 1 else "first in"
    return f"{word} {place(first)}" + (f": {shown}" if shown else "")


def _command(group_: FailureGroup, run: str, step: str, commands: Commands) -> str:
    first = group_.first
    if first.index is not None:
        return commands.run_one(run, step, first.index)
    return commands.logs(run, step, first.node, first.process) if first.process else commands.logs(run, step)


def _rest(failures: StepFailures, commands: Commands) -> Iterator[str]:
    if (more := len(failures.groups) - MOST_GROUPS) > 0:
        yield f"{INDENT}{more} more kinds of failures: {commands.failures(failures.source.run)}"
    if failures.unreported:
        every = commands.failures(failures.source.run)
        yield f"{INDENT}{number(failures.unreported)} more failed attempts are not in this list; all of them: {every}"
