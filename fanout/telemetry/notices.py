"""What is sent when a run ends, or first fails: the notice as values, as JSON and as Markdown. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from fanout.formatting import duration, mini_batches, number, printable
from fanout.records.verdict import VerdictStatus, verdict_words
from fanout.scheduler.observer import RunReport, StepReport

LONGEST = 500
"""Characters of a text in a notice: receivers cut longer ones, or refuse them."""
MOST_STEPS = 20


class NoticeEvent(StrEnum):
    """What a notice is about."""

    FIRST_FAILURE = "first_failure"  # a mini-batch has failed for good, and the run goes on
    ENDED = "run_ended"


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice. `status` is the verdict; "" while the run is under way. `text` is a sentence for people."""

    event: NoticeEvent
    run: str
    status: str
    text: str
    reason: str = ""
    seconds: float = 0.0
    steps: tuple[tuple[str, str, str], ...] = ()  # name, verdict, reason

    @property
    def is_bad(self) -> bool:
        """Whether something has failed."""
        return self.event is NoticeEvent.FIRST_FAILURE or self.status != VerdictStatus.COMPLETED

    def fields(self) -> dict[str, object]:
        """As JSON; the names of the fields stay. `text` alone is what Slack, Mattermost and Google Chat show."""
        return {
            "event": self.event.value,
            "run": self.run,
            "status": self.status or None,
            "reason": self.reason or None,
            "seconds": round(self.seconds, 3),
            "text": self.text,
            "steps": [{"step": name, "status": status, "reason": why} for name, status, why in self.steps],
        }


def first_failure(run: str, step: str, lost: int, message: str) -> Notice:
    """A step has lost its first mini-batches."""
    text = f"run {run}: {mini_batches(lost)} of {step} failed so far"
    shown = _cut(message)
    return Notice(NoticeEvent.FIRST_FAILURE, run, "", f"{text}: {shown}" if shown else text, shown)


def ended(report: RunReport) -> Notice:
    """A run has its verdict."""
    verdict = report.verdict
    some_failed = next((step.seal.counts for step in report.steps if step.seal.counts.has_failures), None)
    words = str(verdict.status) if some_failed is None else verdict_words(verdict, some_failed)
    reason = _cut(verdict.reason)
    text = f"run {report.run}: {words} in {duration(report.seconds)}: {reason}"
    steps = tuple(map(_step, report.steps[:MOST_STEPS]))
    return Notice(NoticeEvent.ENDED, report.run, str(verdict.status), text, reason, report.seconds, steps)


def _step(report: StepReport) -> tuple[str, str, str]:
    seal = report.seal
    return report.step.name, verdict_words(seal.verdict, seal.counts), _cut(seal.verdict.reason)


def summary(report: RunReport) -> str:
    """The end of a run as Markdown: the summary of a job on GitHub."""
    sign = "✅" if report.verdict.completed else "❌"
    lines = [
        f"### {sign} fanout: {_cell(report.run)} {report.verdict.status} in {duration(report.seconds)}",
        "",
        _cell(report.verdict.reason),
        "",
        "| step | verdict | mini-batches | failed | tried again | time |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for step in report.steps:
        seal, counts = step.seal, step.seal.counts
        cells = (
            _cell(step.step.name),
            verdict_words(seal.verdict, counts),
            "" if counts.total is None else number(counts.total),
            number(counts.lost),
            number(counts.retried),
            duration(seal.seconds),
        )
        lines.append(f"| {' | '.join(cells)} |")
    failures = [(step, failure) for step in report.steps for failure in step.failures[:1]]
    lines += [
        f"\n`{step.step.name}` mini-batch {failure.index}: {_cell(str(failure.failure))}" for step, failure in failures
    ]
    return "\n".join(lines) + "\n\n"


def _cut(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


_MARKUP = {ord(sign): f"\\{sign}" for sign in "\\`*_{}[]<>#|!"}


def _cell(text: str) -> str:
    """The text as Markdown shows it: nothing in it is markup, and it has one line."""
    return _cut(text).replace("\n", " ").translate(_MARKUP)
