"""The graph of a run: which step comes after which, why one cannot run, and what the ends of all amount to. Pure.

Whoever carries out a run asks here what is next, whether it stays with the run to its end or looks in now and then.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fanout.pipeline.model import Pipeline, Step
from fanout.records.cancelation import Cancelation
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.scheduler.observer import StepReport


def in_order(steps: Sequence[Step]) -> Iterator[Step]:
    """Each step after those it needs; the specification has no circles."""
    left = {step.name: step for step in steps}
    while left:
        ready = [step for step in left.values() if not step.after & left.keys()]
        for step in ready:
            yield left.pop(step.name)


def hindrance(step: Step, reports: Mapping[str, StepReport]) -> str | None:
    """Why a step cannot run, now that those before it have ended or were skipped; None when it can."""
    for name in sorted(step.after):
        report = reports.get(name)
        if report is None or not report.seal.verdict.completed:
            return f"step {name} did not complete"
    return None


def ends_others(pipeline: Pipeline, report: StepReport) -> bool:
    """Whether a step that ended so ends all others, those that run among them (reference, section 1)."""
    return report.seal.verdict.status is VerdictStatus.FAILED and not pipeline.continue_on_step_failure


def run_verdict(
    steps: Sequence[Step], reports: Mapping[str, StepReport], canceled: Cancelation | None = None
) -> Verdict:
    """The verdict of a run: that of its worst step; steps that could not start fail with the ones before them.

    `canceled` is given when that ended a step or kept one from starting. A run whose steps were ended because one of
    them failed has failed.
    """
    if canceled is not None and not canceled.step:
        return Verdict(VerdictStatus.CANCELED, str(canceled))
    worst = (VerdictStatus.CANCELED, VerdictStatus.FAILED)
    for status in worst if canceled is None else reversed(worst):
        for step in steps:
            report = reports.get(step.name)
            if report is not None and report.seal.verdict.status is status:
                return Verdict(status, f"step {step.name}: {report.seal.verdict.reason}")
    skipped = [step.name for step in steps if step.name not in reports]
    if skipped:
        return Verdict(VerdictStatus.FAILED, f"step {skipped[0]} did not run")
    return Verdict(VerdictStatus.COMPLETED, _completed(steps, reports))


def run_counts(reports: Iterable[StepReport]) -> Counts:
    """What failed in all steps together: a run that completed with failures is told from one without by its seal."""
    counts = [report.seal.counts for report in reports]
    return Counts(
        total=None,
        failed=sum(each.failed for each in counts),
        dead_lettered=sum(each.dead_lettered for each in counts),
        items_failed=sum(each.items_failed for each in counts),
    )


def _completed(steps: Sequence[Step], reports: Mapping[str, StepReport]) -> str:
    with_failures = [step.name for step in steps if reports[step.name].seal.counts.has_failures]
    if not with_failures:
        return f"all {len(steps)} steps completed" if len(steps) > 1 else "completed"
    first = with_failures[0]
    others = f" (and {', '.join(with_failures[1:])})" if with_failures[1:] else ""
    return f"step {first}: {reports[first].seal.verdict.reason}{others}"
