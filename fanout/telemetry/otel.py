"""Traces and metrics by OpenTelemetry, sent over OTLP as the standard OTEL_ variables say.

Spans of a run, its steps and their attempts are made from the records when the run has ended, so no mini-batch waits
for one; counts are reported while it goes on. Without the variables nothing of this is imported.
"""

import asyncio
import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fanout.clock import Clock
from fanout.errors import FanoutError, MissingExtraError
from fanout.records.run import load_record
from fanout.results.codec import Entry
from fanout.results.reader import read_index
from fanout.scheduler.observer import CONTINUES, RunReport, StepReport, Unwatched
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.supervision.progress import Progress
from fanout.version import __version__

if TYPE_CHECKING:
    from obstore.store import ObjectStore
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    from fanout.pipeline.model import Step

ENDPOINTS = tuple(f"OTEL_EXPORTER_OTLP{signal}_ENDPOINT" for signal in ("", "_TRACES", "_METRICS"))
MOST_ATTEMPTS = 10_000
"""Attempts of a step that become spans: those that failed, then the first; the span of the step counts the others."""
_NANO = 1_000_000_000
_OUTCOMES = ("succeeded", "failed", "dead_lettered", "canceled", "retried")


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the variables say where to send to."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not disabled and any(environ.get(name) for name in ENDPOINTS)


@dataclass(slots=True)
class OtelObserver(Unwatched):
    """Follows one run; `export` sends the spans of all of it once it has ended."""

    store: "ObjectStore"
    clock: Clock
    environ: Mapping[str, str]
    _run: str = ""
    _counts: dict[str, Mapping[str, int]] = field(default_factory=dict)
    _report: RunReport | None = None
    _ended: float = 0.0
    _meters: "MeterProvider | None" = None

    def run_started(self, run: str, steps: "tuple[Step, ...]", resumed: bool, how: str = CONTINUES) -> None:  # noqa: ARG002
        self._run = run
        self._meters = meter_provider(self._samples)

    def step_progress(self, progress: Progress) -> None:
        counts = progress.counts
        self._counts[progress.step] = {name: getattr(counts, name) for name in _OUTCOMES}

    def step_ended(self, report: StepReport) -> None:
        counts = report.seal.counts
        self._counts[report.step.name] = {name: getattr(counts, name) for name in _OUTCOMES}

    def run_ended(self, report: RunReport) -> None:
        self._report, self._ended = report, self.clock.now()

    async def export(self) -> None:
        """Everything has been sent, or given up as the exporter's own limits say."""
        if self._report is not None:
            attempts = await self._attempts(self._report)
            await asyncio.to_thread(self._send, self._report, attempts)
        if self._meters is not None:
            await asyncio.to_thread(self._meters.shutdown)

    def _samples(self) -> Iterator[tuple[int, dict[str, str]]]:
        for step, counts in list(self._counts.items()):
            for outcome, count in counts.items():
                yield count, {"fanout.run": self._run, "fanout.step": step, "fanout.outcome": outcome}

    async def _attempts(self, report: RunReport) -> dict[str, "Attempts"]:
        record = await load_record(self.store, report.run)
        found = {}
        for step in report.steps:
            if step.seal.objects and not step.taken_from:
                found[step.step.name] = await attempts_of(self.store, record.at(step.step.name), step.seal.objects)
        return found

    def _send(self, report: RunReport, attempts: Mapping[str, "Attempts"]) -> None:
        provider = tracer_provider(report.run, self.environ)
        make_spans(provider, report, attempts, self._ended, self.environ)
        provider.shutdown()
        if self._meters is not None:
            _durations(self._meters, report, attempts)


@dataclass(slots=True)
class Attempts:
    """Attempts of a step, with their nodes; `dropped` counts those beyond MOST_ATTEMPTS."""

    kept: list[tuple[int, Entry]] = field(default_factory=list)
    dropped: int = 0

    def add(self, node: int, entries: Iterable[Entry]) -> None:
        """Takes in attempts of a node; those that failed first."""
        for entry in sorted(entries, key=lambda one: one.failure is None):
            if len(self.kept) < MOST_ATTEMPTS:
                self.kept.append((node, entry))
            else:
                self.dropped += 1


async def attempts_of(store: "ObjectStore", at: StepRound, objects: Mapping[int, int]) -> Attempts:
    """The attempts that a seal names, as far as they can be read."""
    found = Attempts()
    for node, count in objects.items():
        for seq in range(count):
            try:
                index = await read_index(store, keys.result(at, node, seq))
            except FanoutError:
                continue
            if index is not None:
                found.add(node, index.entries)
    return found


def make_spans(
    provider: "TracerProvider",
    report: RunReport,
    attempts: Mapping[str, Attempts],
    ended: float,
    environ: Mapping[str, str],
) -> None:
    """The spans of a run that has ended at `ended` (epoch seconds), its steps and their attempts."""
    from opentelemetry import trace

    tracer = provider.get_tracer("fanout", __version__)
    about = {"fanout.run": report.run, "fanout.status": str(report.verdict.status)}
    run = tracer.start_span("fanout.run", _parent(environ), attributes=about, start_time=_nanos(ended - report.seconds))
    _judge(run, report.verdict.completed, report.verdict.reason)
    inside = trace.set_span_in_context(run)
    for step in report.steps:
        _step_span(tracer, inside, step, attempts.get(step.step.name, Attempts()))
    run.end(_nanos(ended))


def _step_span(tracer: Any, inside: Any, report: StepReport, attempts: Attempts) -> None:
    from opentelemetry import trace

    seal, counts = report.seal, report.seal.counts
    about = {f"fanout.mini_batches.{name}": getattr(counts, name) for name in _OUTCOMES}
    about |= {"fanout.step": report.step.name, "fanout.attempts.dropped": attempts.dropped}
    begun = min([seal.at - seal.seconds, *(entry.started for _, entry in attempts.kept)])
    span = tracer.start_span(f"step {report.step.name}", inside, attributes=about, start_time=_nanos(begun))
    _judge(span, seal.verdict.completed, seal.verdict.reason)
    below = trace.set_span_in_context(span)
    for node, entry in attempts.kept:
        _attempt_span(tracer, below, node, entry)
    span.end(_nanos(max(seal.at, begun)))


def _attempt_span(tracer: Any, inside: Any, node: int, entry: Entry) -> None:
    about = {
        "fanout.mini_batch": entry.index,
        "fanout.attempt": entry.attempt + 1,
        "fanout.node": node,
        "fanout.process": entry.process,
        "fanout.items": entry.items,
        "fanout.outcome": str(entry.status),
        "fanout.load_seconds": entry.load_seconds,
    }
    if entry.failure is not None:
        about |= {"error.type": str(entry.failure.cause)}
    span = tracer.start_span("attempt", inside, attributes=about, start_time=_nanos(entry.started))
    _judge(span, entry.failure is None, "" if entry.failure is None else entry.failure.message)
    span.end(_nanos(entry.started + entry.load_seconds + entry.run_seconds))


def _judge(span: Any, good: bool, reason: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.OK) if good else Status(StatusCode.ERROR, reason))


def _parent(environ: Mapping[str, str]) -> Any:
    """The context that TRACEPARENT names, as a CI system sets it; else none."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {name.lower(): environ[name] for name in ("TRACEPARENT", "TRACESTATE") if environ.get(name)}
    return TraceContextTextMapPropagator().extract(carrier, Context())


def tracer_provider(run: str, environ: Mapping[str, str]) -> "TracerProvider":
    """Exports over OTLP/HTTP; all spans of a run without a parent have one trace ID, which follows from its name."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    except ImportError:
        raise MissingExtraError("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry") from None
    provider = TracerProvider(resource=_resource(environ), id_generator=_ids(run), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(_batched(OTLPSpanExporter())))
    return provider


def _batched(exporter: Any) -> Any:
    """The exporter, asked for 512 spans at once: a queue with a bound, as the SDK's own has, would drop some."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Batched(SpanExporter):
        def __init__(self) -> None:
            self._waiting: list[Any] = []

        def export(self, spans: Any) -> Any:
            self._waiting += spans
            return self._flush() if len(self._waiting) >= 512 else SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            if self._waiting:
                self._flush()
            exporter.shutdown()

        def _flush(self) -> Any:
            spans, self._waiting = self._waiting, []
            return exporter.export(spans)

    return Batched()


def _ids(run: str) -> Any:
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    trace_id = int.from_bytes(hashlib.sha256(run.encode()).digest()[:16], "big") or 1

    class Ids(IdGenerator):
        def generate_span_id(self) -> int:
            return random.getrandbits(64) or 1

        def generate_trace_id(self) -> int:
            return trace_id

    return Ids()


def meter_provider(samples: Any) -> "MeterProvider":
    """Reports `samples()` of mini-batches by outcome every OTEL_METRIC_EXPORT_INTERVAL milliseconds, and at the end."""
    import os

    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.metrics import Observation
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    except ImportError:
        raise MissingExtraError("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry") from None
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    provider = MeterProvider([reader], resource=_resource(os.environ), shutdown_on_exit=False)
    provider.get_meter("fanout", __version__).create_observable_gauge(
        "fanout.step.mini_batches",
        [lambda _: [Observation(count, about) for count, about in samples()]],
        unit="{mini_batch}",
        description="Mini-batches of a step by outcome; retried counts attempts that were tried again.",
    )
    return provider


def _durations(provider: "MeterProvider", report: RunReport, attempts: Mapping[str, Attempts]) -> None:
    """How long the run and its attempts took, as histograms."""
    meter = provider.get_meter("fanout", __version__)
    about = {"fanout.status": str(report.verdict.status)}
    meter.create_histogram("fanout.run.duration", unit="s").record(report.seconds, about)
    histogram = meter.create_histogram("fanout.attempt.duration", unit="s")
    for step, found in attempts.items():
        for _, entry in found.kept:
            outcome = {"fanout.step": step, "fanout.outcome": str(entry.status)}
            histogram.record(entry.load_seconds + entry.run_seconds, outcome)


def _resource(environ: Mapping[str, str]) -> Any:
    from opentelemetry.sdk.resources import Resource

    service = {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": "fanout"}
    return Resource.create({**service, "service.version": __version__})


def _nanos(seconds: float) -> int:
    return max(0, int(seconds * _NANO))
