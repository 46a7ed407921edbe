"""The machine of a run: which steps may begin, which are skipped, and which verdict the run has in the end. Pure.

`decide` takes what is known of the steps and returns what to do next. Two loops drive it: `fanout.scheduler.resident`
carries a run out to its end in one process; `fanout.scheduler.ticks` takes one look and sends itself a message for the
next.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fanout.pipeline.model import Pipeline, Step
from fanout.records.cancelation import Cancelation
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.scheduler.observer import StepReport


@dataclass(frozen=True, slots=True)
class Begin:
    """The step may begin, or go on: the steps that it needs have completed."""

    step: Step


@dataclass(frozen=True, slots=True)
class SkipStep:
    """The step is skipped, for this reason."""

    step: Step
    reason: str


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Nothing can be done now; steps that others work on may have news after `after` seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class Conclude:
    """The run is over, with this verdict; `counts` holds what failed in all steps together."""

    verdict: Verdict
    counts: Counts


Action = Begin | SkipStep | LookAgain | Conclude


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of the steps of a run, by name. A step in none of the three collections was not looked at yet.

    `canceled` is set when a cancelation has ended a step or kept one from beginning.
    """

    ended: Mapping[str, StepReport] = field(default_factory=dict)
    skipped: Collection[str] = ()
    under_way: Mapping[str, float | None] = field(default_factory=dict)
    """Steps that have begun: None while this process works on one, else the seconds until its next look."""
    canceled: Cancelation | None = None


def decide(steps: Sequence[Step], facts: RunFacts) -> tuple[Action, ...]:
    """Returns what to do next; nothing while all that is left waits for steps that this process works on."""
    if actions := tuple(_openings(steps, facts)):
        return actions
    waits = facts.under_way.values()
    if not waits:
        return (Conclude(run_verdict(steps, facts.ended, facts.canceled), run_counts(facts.ended.values())),)
    if None in waits:
        return ()
    return (LookAgain(min(wait for wait in waits if wait is not None)),)


def _openings(steps: Sequence[Step], facts: RunFacts) -> Iterator[Begin | SkipStep]:
    """Yields, for each step whose predecessors are over, whether it begins or is skipped."""
    over = facts.ended.keys() | set(facts.skipped)
    for step in steps:
        if step.name not in over and step.name not in facts.under_way and step.after <= over:
            reason = blocked_by(step, facts.ended)
            yield Begin(step) if reason is None else SkipStep(step, reason)


def blocked_by(step: Step, reports: Mapping[str, StepReport]) -> str | None:
    """Returns why a step cannot run after those before it have ended or were skipped; None when it can."""
    for name in sorted(step.after):
        report = reports.get(name)
        if report is None or not report.seal.verdict.completed:
            return f"step {name} did not complete"
    return None


def fails_run(pipeline: Pipeline, report: StepReport) -> bool:
    """Returns whether a step that ended like this ends all other steps, also running ones (reference, section 1)."""
    return report.seal.verdict.status is VerdictStatus.FAILED and not pipeline.continue_on_step_failure


def run_verdict(
    steps: Sequence[Step], reports: Mapping[str, StepReport], canceled: Cancelation | None = None
) -> Verdict:
    """Returns the verdict of a run: that of its worst step. Steps that could not start fail with the ones before them.

    `canceled` is given when a cancelation ended a step or kept one from starting. A run whose steps were ended because
    one of them failed has failed.
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
    """Returns what failed in all steps together, so that the seal of a run shows whether it completed with failures."""
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
