"""The end of a run for people: what failed, then the verdict, where the outputs are, and where to look."""

from collections.abc import Iterator

from fanout.run.observer import RunReport, StepReport
from fanout.spec.steps import ParallelStep
from fanout.step.verdict import Verdict, VerdictStatus
from fanout.view.board import why
from fanout.view.commands import Commands
from fanout.view.failures import MiniBatches, failure_lines, failures_of
from fanout.view.output import Output, Paint
from fanout.view.text import duration, location, many, mini_batches, number, printable


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
    counts = report.seal.counts
    return report.seal.verdict.completed and (counts.lost > 0 or counts.items_failed > 0)


def paint_verdict(verdict: Verdict, paint: Paint) -> str:
    """The verdict's word in its colour."""
    match verdict.status:
        case VerdictStatus.COMPLETED:
            return paint.good(verdict.status)
        case VerdictStatus.FAILED:
            return paint.bad(verdict.status)
        case VerdictStatus.CANCELED:
            return paint.warning(verdict.status)


def _warnings(report: RunReport, paint: Paint) -> Iterator[str]:
    for step in filter(has_failures, report.steps):
        yield paint.warning(f"WARNING: {_warning(step)}")


def _warning(report: StepReport) -> str:
    counts, parts = report.seal.counts, []
    if counts.lost:
        parts.append(f"{number(counts.lost)} of {mini_batches(counts.total or counts.settled)} failed on every try")
    if counts.items_failed:
        parts.append(f"{number(counts.items_failed)} of {many(counts.items, 'item')} did not succeed")
    what = " and ".join(parts)
    return f"{report.step.name} completed with failures: {what}. {_allowed(report)}"


def _allowed(report: StepReport) -> str:
    if not isinstance(report.step, ParallelStep):
        return ""
    t = report.step.thresholds
    return (
        "Its thresholds allow that "
        f"(error_threshold {t.error_threshold}, mini_batch_error_threshold {t.mini_batch_error_threshold}, "
        f"allowed_failed_percent {t.allowed_failed_percent:g})."
    )


def _verdict_line(report: RunReport, paint: Paint) -> str:
    verdict = report.verdict
    reason = verdict.reason if len(report.steps) != 1 else _own_reason(report)
    return (
        f"{paint_verdict(verdict, paint)} {paint.strong(report.run)} in {duration(report.seconds)}: {printable(reason)}"
    )


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
        if report.verdict.status is VerdictStatus.FAILED or any(map(has_failures, report.steps)):
            rows.append(("failures", commands.failures(report.run)))
            rows.append(("try again", commands.redrive(report.run)))
        rows.append(("more", commands.status(report.run)))
    width = max(len(name) for name, _ in rows)
    yield from (f"  {name:<{width}}  {where}" for name, where in rows)
