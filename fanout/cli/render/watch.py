"""What a watch shows: a line for each thing that happens, for people or for programs.

For programs (`--json`) one object a line; every one has `event` and `time` (UTC, ISO 8601), and fields are added, never
renamed or removed, while `schema` stays 1:

    watch_started  schema, trigger, watched, told_by, taken_up      taken_up: runs that an earlier watch has left
    objects        state (started, known, ignored, gone), run, objects: [URI], reason
    start_failed   objects (count), reason, again_in                again_in: seconds; null: a dead letter now
    refused        reason                                           a message that cannot be read: a dead letter
    trouble        text
    run_begins     run
    notice         run, text
    run_ended      run, status, reason, seconds, outputs: {step.name: URI}
    watch_stopping runs (count)
    watch_stopped
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import Console
from fanout.cli.render.run.conclusion import paint_verdict, run_has_failures
from fanout.clock import Clock
from fanout.formatting import duration, location, many, moment, printable
from fanout.pipeline.model import Trigger
from fanout.records.verdict import VerdictStatus
from fanout.scheduler.observer import RunObserver, RunReport, Unwatched
from fanout.scheduler.run_machine import run_counts
from fanout.security.redaction import redact
from fanout.triggers.start import StartResult, StartState

SCHEMA = 1
MOST_SHOWN = 3


def what_is_watched(trigger: Trigger) -> str:
    """`s3://uploads/in/*.csv`."""
    return f"{location(trigger.root)}/{printable(trigger.prefix)}*{printable(trigger.suffix)}"


def how_many(trigger: Trigger) -> str:
    """What one run gets."""
    if trigger.batch is None:
        return "one run for each object"
    return f"one run for {trigger.batch.objects} objects, or what has come in {duration(trigger.batch.seconds)}"


@dataclass(frozen=True, slots=True)
class _Notices(Unwatched):
    """Of a run that is carried out only what it has to say."""

    run: str
    observer: "PlainWatchView | JsonWatchView"

    def notice(self, text: str) -> None:
        self.observer.notice(self.run, text)


class PlainWatchView:
    """A WatchObserver for people."""

    def __init__(self, output: Console, commands: Commands, clock: Clock, file: str = "PIPELINE") -> None:
        self._output, self._commands, self._clock, self._file = output, commands, clock, file
        self._ignored = Counter[str]()

    def watching(self, trigger: Trigger, event_source: str, taken_up: int) -> None:
        self._output.line(f"watching {what_is_watched(trigger)}: {how_many(trigger)}")
        self._output.line(self._output.paint.quiet(f"events from {printable(event_source)}; Ctrl-C stops"))
        if taken_up:
            self._emit(f"{many(taken_up, 'run')} left by an earlier watch: continuing")

    def arrived(self, start: StartResult) -> None:
        match start.state:
            case StartState.STARTED:
                self._emit(f"{_objects(start)}: run {start.run}")
            case StartState.GONE:
                self._emit(self._output.paint.warning(f"{_objects(start)}: no run, {printable(start.reason)}"))
            case StartState.KNOWN:
                self._emit(self._output.paint.quiet(f"{_objects(start)}: another event, already has run {start.run}"))
            case StartState.IGNORED:
                self._ignored[start.reason] += 1
                if self._ignored[start.reason] == 1:  # a run writes many objects
                    text = f"{_objects(start)}: no run, {printable(start.reason)}; more of these are not shown"
                    self._emit(self._output.paint.quiet(text))

    def start_failed(self, objects: int, reason: str, pause: float | None) -> None:
        then = (
            f"given up: see `{self._commands.trigger('show', self._file)}`"
            if pause is None
            else f"tried again in {duration(pause)}"
        )
        text = f"no run could be started for {many(objects, 'object')}: {printable(reason)}; {then}"
        self._emit(self._output.paint.bad(text))

    def refused(self, reason: str) -> None:
        self._emit(self._output.paint.bad(f"a message was dead-lettered: {printable(reason)}"))

    def trouble(self, text: str) -> None:
        self._emit(self._output.paint.bad(printable(text)))

    def run_begins(self, run: str) -> RunObserver:
        return _Notices(run, self)

    def notice(self, run: str, text: str) -> None:
        """What a run has to say."""
        self._emit(self._output.paint.quiet(f"{run}: {printable(text)}"))

    def run_ended(self, report: RunReport) -> None:
        verdict = paint_verdict(report.verdict, self._output.paint, run_counts(report.steps))
        self._emit(f"{report.run} {verdict} in {duration(report.seconds)}: {printable(report.verdict.reason)}")
        for name, uri in outputs_of(report):
            self._output.line(f"         {name}  {location(uri)}")
        if report.verdict.status is VerdictStatus.FAILED or run_has_failures(report):
            self._output.line(f"         why  {self._commands.failures(report.run)}")

    def stopping(self, runs: int) -> None:
        self._emit(
            f"stopping: {many(runs, 'run')} to finish; press Ctrl-C again to stop at once" if runs else "stopping"
        )

    def stopped(self) -> None:
        """All is over."""
        self._output.line("stopped; what has not run yet is run by the next watch")

    def _emit(self, text: str) -> None:
        self._output.line(f"{moment(self._clock.now())[11:]} {text}")


class JsonWatchView:
    """A WatchObserver for programs."""

    def __init__(self, output: Console, clock: Clock) -> None:
        self._output, self._clock = output, clock

    def watching(self, trigger: Trigger, event_source: str, taken_up: int) -> None:
        self._emit(
            "watch_started",
            schema=SCHEMA,
            trigger=trigger.name,
            watched=f"{trigger.root}/{trigger.prefix}*{trigger.suffix}",
            event_source=event_source,
            taken_up=taken_up,
        )

    def arrived(self, start: StartResult) -> None:
        uris = [event.uri for event in start.events]
        self._emit("objects", state=start.state, run=start.run or None, objects=uris, reason=redact(start.reason))

    def start_failed(self, objects: int, reason: str, pause: float | None) -> None:
        self._emit("start_failed", objects=objects, reason=redact(reason), again_in=pause)

    def refused(self, reason: str) -> None:
        self._emit("refused", reason=redact(reason))

    def trouble(self, text: str) -> None:
        self._emit("trouble", text=redact(text))

    def run_begins(self, run: str) -> RunObserver:
        self._emit("run_begins", run=run)
        return _Notices(run, self)

    def notice(self, run: str, text: str) -> None:
        self._emit("notice", run=run, text=redact(text))

    def run_ended(self, report: RunReport) -> None:
        verdict, outputs = report.verdict, dict(outputs_of(report))
        self._emit(
            "run_ended",
            run=report.run,
            status=verdict.status,
            reason=redact(verdict.reason),
            seconds=round(report.seconds, 3),
            outputs=outputs,
        )

    def stopping(self, runs: int) -> None:
        self._emit("watch_stopping", runs=runs)

    def stopped(self) -> None:
        """All is over."""
        self._emit("watch_stopped")

    def _emit(self, event: str, **fields: object) -> None:
        time = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds")
        self._output.line(json.dumps({"event": event, "time": time, **fields}))


def outputs_of(report: RunReport) -> Iterator[tuple[str, str]]:
    """The URIs of a run's outputs, by step and name."""
    for step in report.steps:
        for name, uri in step.outputs.items():
            yield f"{step.step.name}.{name}", uri


def _objects(start: StartResult) -> str:
    shown = ", ".join(printable(event.key) for event in start.events[:MOST_SHOWN])
    more = len(start.events) - MOST_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
