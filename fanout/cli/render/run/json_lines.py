"""A run as one JSON object a line, for programs (`--json`).

Every object has `event` and `time` (UTC, ISO 8601). Fields are added, never renamed or removed, while `schema` stays 1:

    run_started    schema, run, resumed, steps: [{name, kind, after}]
    notice         text
    step_started   step
    step_goes_on   step, total, done, again: [{mini_batches: [[first, last]], count, reason}]
                                                               a step that is taken up again, and why what is run again
    step_progress  step, counts, planned, seconds              at most one a second and step
    running        step, mini_batches: [{mini_batch, seconds, limit}]  those that run for ten seconds or longer
    failure        step, cause, message, traceback, mini_batch, attempt, node, process
                                                               the first of its kind, at once
    step_printed   step, text                                  a line that a command prints, while it runs
    step_ended     step, status, reason, counts, outputs: {name: URI}, logs, seconds, earlier, notes: [text],
                   taken_from: the run whose outputs these are, else null,
                   changed_values: [{column, how, count, example, place, setting}]   by the types of a table's columns
    step_skipped   step, reason
    failures       step, count, mini_batches, given_up, cause, message, traceback, first: {mini_batch, attempt, node,
                   process, items}                             after the last step; failures that are alike are one
    run_ended      run, status, reason, seconds, with_failures: Completed, although something failed for good
    interrupted    by a signal; the run can be resumed

`counts` has total (null while planning), succeeded, failed, dead_lettered, canceled, retried, items, items_succeeded,
items_failed, rows, short (of `failed`: run() returned fewer elements than items) and unanswered (of `items_succeeded`:
run() returned nothing for them). `status` is Completed, Failed or Canceled. `attempt` counts from 1.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from fanout.cli.render.output import Console
from fanout.cli.render.run.conclusion import run_has_failures
from fanout.cli.render.run.first_failures import FirstFailures
from fanout.clock import Clock
from fanout.pipeline.model import Step
from fanout.queries.failures import MiniBatches, StepFailures, failures_of, items_of
from fanout.queries.running import LongRunning
from fanout.records.value_changes import Change, lines, place
from fanout.reports.failure_groups import FailureGroup, Occurrence, StepSource
from fanout.reports.remaining import Remaining
from fanout.scheduler.observer import CONTINUES, RunReport, StepReport
from fanout.security.redaction import redact
from fanout.supervision.progress import Progress

SCHEMA = 1
PROGRESS_EVERY = 1.0


class JsonLinesView:
    """A RunView for programs."""

    def __init__(self, output: Console, clock: Clock) -> None:
        self._output, self._clock = output, clock
        self._reported: dict[str, float] = {}
        self._failures: dict[str, FirstFailures] = {}
        self._run, self._under_way = "", dict[str, None]()

    @property
    def run(self) -> str:
        return self._run

    def run_started(
        self,
        run: str,
        steps: tuple[Step, ...],
        resumed: bool,
        how: str = CONTINUES,  # noqa: ARG002 - the verdict says it
    ) -> None:
        self._run = run
        self._failures = {step.name: FirstFailures.of(run, step) for step in steps}
        named = [{"name": step.name, "kind": step.kind, "after": sorted(step.after)} for step in steps]
        self._emit("run_started", schema=SCHEMA, run=run, resumed=resumed, steps=named)

    def notice(self, text: str) -> None:
        self._emit("notice", text=redact(text))

    def step_started(self, step: Step) -> None:
        self._under_way[step.name] = None
        self._emit("step_started", step=step.name)

    def step_continues(self, step: Step, remaining: Remaining) -> None:
        again = [
            {"mini_batches": [list(span) for span in one.spans], "count": one.count, "reason": redact(one.reason)}
            for one in remaining.again
        ]
        self._emit("step_goes_on", step=step.name, total=remaining.total, done=remaining.done, again=again)

    def step_printed(self, step: Step, text: str) -> None:
        self._emit("step_printed", step=step.name, text=redact(text))

    def step_progress(self, progress: Progress) -> None:
        self._first_failures(progress)
        now = self._clock.monotonic()
        if now - self._reported.get(progress.step, -PROGRESS_EVERY) < PROGRESS_EVERY:
            return
        self._reported[progress.step] = now
        numbers = {"counts": asdict(progress.counts), "planned": progress.planned}
        self._emit("step_progress", step=progress.step, **numbers, seconds=round(progress.seconds, 3))

    def running_steps(self) -> tuple[str, tuple[str, ...]]:
        return self._run, tuple(self._under_way)

    def step_runs(self, step: str, longest: tuple[LongRunning, ...]) -> None:
        if longest:
            shown = [{"mini_batch": o.index, "seconds": round(o.seconds, 1), "limit": o.limit} for o in longest]
            self._emit("running", step=step, mini_batches=shown)

    def _first_failures(self, progress: Progress) -> None:
        failures = self._failures[progress.step]
        for occurrence in failures.new(progress):
            self._emit("failure", step=progress.step, **_failure(occurrence, failures.source))

    def step_ended(self, report: StepReport) -> None:
        seal = report.seal
        self._under_way.pop(report.step.name, None)
        self._emit(
            "step_ended",
            step=report.step.name,
            status=seal.verdict.status.value,
            reason=redact(seal.verdict.reason),
            counts=asdict(seal.counts),
            outputs=dict(report.outputs),
            logs=report.logs,
            seconds=round(seal.seconds, 3),
            earlier=report.earlier,
            notes=[redact(note) for note in report.notes],
            taken_from=report.taken_from,
            changed_values=changed_fields(seal.changes),
        )

    def step_skipped(self, step: Step, reason: str) -> None:
        self._emit("step_skipped", step=step.name, reason=redact(reason))

    def run_ended(self, report: RunReport) -> None:
        """Nothing: `conclude` says it, so that it is the last line."""

    def conclude(self, report: RunReport, batches: MiniBatches) -> None:
        for failures in failures_of(report):
            for group in failures.groups:
                self._emit("failures", **_group(failures, group, batches))
        verdict = report.verdict
        self._emit(
            "run_ended",
            run=report.run,
            status=verdict.status.value,
            reason=redact(verdict.reason),
            seconds=round(report.seconds, 3),
            with_failures=run_has_failures(report),
            report=report.page,
        )

    def interrupted(self) -> None:
        self._emit("interrupted")

    def close(self) -> None:
        """Nothing to give back."""

    def _emit(self, event: str, **fields: object) -> None:
        time = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds")
        self._output.line(json.dumps({"event": event, "time": time, **fields}))


def _failure(occurrence: Occurrence, source: StepSource) -> Mapping[str, object]:
    failure = occurrence.failure
    return {
        "cause": failure.cause.value,
        "message": redact(failure.message),
        "traceback": redact(source.restore(failure.traceback)),
        "mini_batch": occurrence.index,
        "attempt": None if occurrence.attempt is None else occurrence.attempt + 1,
        "node": occurrence.node,
        "process": occurrence.process,
    }


def changed_fields(found: Sequence[Change]) -> list[dict[str, object]]:
    """Values that the types of a table's columns have changed, for programs."""
    return [
        {
            "column": redact(change.column),
            "how": change.how.value,
            "count": change.count,
            "example": redact(change.text),
            "place": redact(place(change)),
            "setting": redact(setting),
        }
        for change, (_, setting) in zip(found, lines(found), strict=True)
    ]


def _group(failures: StepFailures, group: FailureGroup, batches: MiniBatches) -> Mapping[str, object]:
    step, first = failures.report.step.name, group.first
    batch = None if first.index is None else batches.get((step, first.index))
    return {
        "step": step,
        "count": group.count,
        "mini_batches": list(group.mini_batches),
        "given_up": group.given_up,
        "cause": first.failure.cause.value,
        "message": redact(first.failure.message),
        "traceback": redact(failures.source.restore(first.failure.traceback)),
        "first": {
            "mini_batch": first.index,
            "attempt": None if first.attempt is None else first.attempt + 1,
            "node": first.node,
            "process": first.process,
            "items": list(items_of(batch)),
        },
    }
