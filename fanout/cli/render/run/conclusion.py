"""The end of a run for people: what failed, then the verdict, where the outputs are, and where to look."""

from collections.abc import Iterator, Sequence

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import Console, Paint
from fanout.cli.render.run.board import why
from fanout.cli.render.run.failures import failure_lines
from fanout.formatting import duration, location, many, number, printable
from fanout.pipeline.model import ParallelStep
from fanout.queries.failures import MiniBatches, failures_of
from fanout.records import value_changes
from fanout.records.function_runs import FUNCTION_SCRIPT
from fanout.records.value_changes import Change
from fanout.records.verdict import Counts, Verdict, VerdictStatus, verdict_words
from fanout.reports.failure_groups import may_be_code
from fanout.reports.job_result import UNANSWERED
from fanout.scheduler.observer import RunReport, StepReport
from fanout.scheduler.run_machine import run_counts

MOST_CHANGES = 5


def conclude(report: RunReport, batches: MiniBatches, commands: Commands, output: Console) -> None:
    """Prints the end of a run."""
    for line in conclusion(report, batches, commands, output.paint):
        output.line(line)


def conclusion(report: RunReport, batches: MiniBatches, commands: Commands, paint: Paint) -> Iterator[str]:
    """The lines to print, tracebacks first and the verdict last, where the eye is."""
    found = failures_of(report)
    if found:
        yield ""
    for failures in found:
        yield from failure_lines(failures, batches, commands, paint)
    yield from _warnings(report, paint)
    for step in report.steps:
        yield from changed_values(step.step.name, step.seal.changes, paint)
    yield _verdict_line(report, paint)
    yield from _places(report, commands)


def stopped_lines(run: str, commands: Commands) -> Iterator[str]:
    """How to go on with a run that a signal has stopped; before it exists there is nothing to go on with."""
    if not run:
        yield "stopped before the run began; nothing was started"
        return
    yield f"stopped; go on with: {commands.resume(run)}"
    yield f"  after a change of the code: {commands.resume(run, new_code=True)}"


def changed_values(step: str, found: Sequence[Change], paint: Paint) -> Iterator[str]:
    """Values that the types of a table's columns have changed: a line each, and the setting that keeps them."""
    if not found:
        return
    yield paint.warning(f"{step}: types of columns changed values, as on Azure; to keep them, in the MLTable's reader:")
    for what, setting in list(value_changes.lines(found))[:MOST_CHANGES]:
        yield printable(f"  {what}")
        yield printable(f"    infer_column_types: {{{setting}}}")
    if len(found) > MOST_CHANGES:
        yield f"  and {len(found) - MOST_CHANGES} more, which job_result.txt names"


def has_failures(report: StepReport) -> bool:
    """Whether a step is Completed although something failed for good."""
    return report.seal.verdict.completed and report.seal.counts.has_failures


def run_has_failures(report: RunReport) -> bool:
    """Whether a run is Completed although something failed for good in one of its steps."""
    return report.verdict.completed and any(map(has_failures, report.steps))


def paint_verdict(verdict: Verdict, paint: Paint, counts: Counts) -> str:
    """The verdict in its colour: green only where nothing failed; `counts` say that."""
    words = verdict_words(verdict, counts)
    match verdict.status:
        case VerdictStatus.COMPLETED:
            return paint.warning(words) if counts.has_failures else paint.good(words)
        case VerdictStatus.FAILED:
            return paint.bad(words)
        case VerdictStatus.CANCELED:
            return paint.warning(words)


def _warnings(report: RunReport, paint: Paint) -> Iterator[str]:
    for step in report.steps:
        yield from (paint.warning(f"WARNING: {step.step.name}: {printable(note)}") for note in step.notes)
        yield from (paint.quiet(f"note: {step.step.name}: {note}") for note in notes(step))
    """With several steps the last line has no room for what failed in each."""
    if len(report.steps) > 1:
        for step in filter(has_failures, report.steps):
            yield paint.warning(printable(f"{step.step.name}: Completed with failures: {step.seal.verdict.reason}"))


def notes(report: StepReport) -> Iterator[str]:
    """Warnings of a step that completed, and notes about its output."""
    counts = report.seal.counts
    if counts.unanswered and report.seal.verdict.completed:
        gap = f"{number(counts.unanswered)} of {many(counts.items, 'item')}"
        yield f"run() returned no element for {gap}; {UNANSWERED}"


def _verdict_line(report: RunReport, paint: Paint) -> str:
    verdict = report.verdict
    reason = verdict.reason if len(report.steps) != 1 else _own_reason(report)
    words = paint_verdict(verdict, paint, run_counts(report.steps))
    return f"{words} {paint.strong(report.run)} in {duration(report.seconds)}: {printable(reason)}"


def _own_reason(report: RunReport) -> str:
    """With a single step the reason is that step's own."""
    [own] = report.steps
    return why(own) if own.seal.verdict.status is report.verdict.status else report.verdict.reason


def _repairs(report: RunReport, commands: Commands) -> Iterator[tuple[str, str]]:
    """What to do about the failures, for each thing that may have to change: code, pipeline file, data, or nothing."""
    failed = [step for step in report.steps if not step.seal.verdict.completed or has_failures(step)]
    if any(step.code and not _is_function(step) and _may_be_code(step) for step in failed):
        yield "with changed code", commands.redrive(report.run, new_code=True)
        yield "with the same code", commands.redrive(report.run)
    else:
        again = "with changed data" if any(map(_not_planned, failed)) else "try again"
        yield again, commands.redrive(report.run)
    if report.file and any(_may_be_file(step) for step in failed):
        yield "with a changed pipeline file", commands.run(report.file)


def _is_function(step: StepReport) -> bool:
    """Whether the step calls a function that was sent from Python: there is no folder to take its code from anew."""
    return isinstance(step.step, ParallelStep) and step.step.task.entry_script == FUNCTION_SCRIPT


def _may_be_code(step: StepReport) -> bool:
    """Whether something of the user's own code may have failed: what nodes or servers did is no fault of it."""
    if not isinstance(step.step, ParallelStep):
        return True
    failures = [failed.failure for failed in step.failures]
    failures += [event.failure for _, event in step.events if event.failure is not None]
    return any(may_be_code(failure.cause) for failure in failures) or step.seal.counts.items_failed > 0


def _may_be_file(step: StepReport) -> bool:
    """Whether the pipeline file may be what is wrong: redriving goes by the file as it was."""
    return _not_planned(step) or not isinstance(step.step, ParallelStep)


def _not_planned(step: StepReport) -> bool:
    """Whether the step failed before there was a mini-batch: its input, or what the file says of it, is no good."""
    begun = step.seal.counts.total or step.failures or step.events
    return isinstance(step.step, ParallelStep) and not step.seal.verdict.completed and not begun


def _places(report: RunReport, commands: Commands) -> Iterator[str]:
    rows: list[tuple[str, str]] = []
    for step in report.steps:
        rows += [(f"{step.step.name}.{name}", location(uri)) for name, uri in sorted(step.outputs.items())]
    for step in report.steps:
        if step.logs and (not step.seal.verdict.completed or has_failures(step)):
            rows.append((f"{step.step.name} logs", location(step.logs)))
    if report.page:
        rows.append(("report", location(report.page)))
    following = list(_next_commands(report, commands))
    if len(following) > 1:  # their labels are longer than those of places
        yield from _columns(rows)
        rows = []
    yield from _columns(rows + following)


def _next_commands(report: RunReport, commands: Commands) -> Iterator[tuple[str, str]]:
    """What to type next, and what for."""
    if report.verdict.status is VerdictStatus.CANCELED:
        yield "go on with", commands.redrive(report.run)
        if not any(map(_is_function, report.steps)):
            yield "with changed code", commands.redrive(report.run, new_code=True)
        return
    if report.verdict.status is VerdictStatus.FAILED or run_has_failures(report):
        yield "failures", commands.failures(report.run)
        yield from _repairs(report, commands)
    yield "more", commands.status(report.run)


def _columns(rows: list[tuple[str, str]]) -> Iterator[str]:
    width = max((len(name) for name, _ in rows), default=0)
    yield from (f"  {name:<{width}}  {where}" for name, where in rows)
