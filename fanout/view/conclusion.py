"""The end of a run for people: what failed, then the verdict, where the outputs are, and where to look."""

from collections.abc import Iterator

from fanout.run.graph import run_counts
from fanout.run.observer import RunReport, StepReport
from fanout.step.verdict import Counts, Verdict, VerdictStatus, verdict_words
from fanout.view.board import why
from fanout.view.commands import Commands
from fanout.view.failures import MiniBatches, failure_lines, failures_of
from fanout.view.output import Output, Paint
from fanout.view.text import duration, location, printable


def conclude(report: RunReport, batches: MiniBatches, commands: Commands, output: Output) -> None:
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
    yield _verdict_line(report, paint)
    yield from _places(report, commands)


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
    """With several steps the last line has no room for what failed in each."""
    if len(report.steps) > 1:
        for step in filter(has_failures, report.steps):
            yield paint.warning(printable(f"{step.step.name}: Completed with failures: {step.seal.verdict.reason}"))


def _verdict_line(report: RunReport, paint: Paint) -> str:
    verdict = report.verdict
    reason = verdict.reason if len(report.steps) != 1 else _own_reason(report)
    words = paint_verdict(verdict, paint, run_counts(report.steps))
    return f"{words} {paint.strong(report.run)} in {duration(report.seconds)}: {printable(reason)}"


def _own_reason(report: RunReport) -> str:
    """With a single step the reason is that step's own."""
    [own] = report.steps
    return why(own) if own.seal.verdict.status is report.verdict.status else report.verdict.reason


def _places(report: RunReport, commands: Commands) -> Iterator[str]:
    rows: list[tuple[str, str]] = []
    for step in report.steps:
        rows += [(f"{step.step.name}.{name}", location(uri)) for name, uri in sorted(step.outputs.items())]
    for step in report.steps:
        if step.logs and (not step.seal.verdict.completed or has_failures(step)):
            rows.append((f"{step.step.name} logs", location(step.logs)))
    if report.verdict.status is VerdictStatus.CANCELED:
        rows.append(("go on with", commands.redrive(report.run)))
    else:
        if report.verdict.status is VerdictStatus.FAILED or run_has_failures(report):
            rows.append(("failures", commands.failures(report.run)))
            rows.append(("try again", commands.redrive(report.run)))
        rows.append(("more", commands.status(report.run)))
    width = max(len(name) for name, _ in rows)
    yield from (f"  {name:<{width}}  {where}" for name, where in rows)
