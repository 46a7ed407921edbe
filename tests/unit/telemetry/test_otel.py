"""Traces and metrics over OTLP: a real receiver on this machine gets what the standard variables ask for."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from fanout.results.codec import Failure
from fanout.scheduler.resident import start
from fanout.telemetry import otel
from fanout.telemetry.observers import heard
from fanout.telemetry.otel import is_wanted

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def traced(world: Any, notes: Any, made: Any, environ: dict[str, str]) -> Any:
    """A run that is exported as the environment says."""
    async with heard(notes, world.context.settings, world.context, environ) as observer:
        return await start(made, world.context, observer, "r")


def spans(receiver: Any) -> list[Any]:
    """All spans that have come."""
    found = []
    for path, body in receiver.got:
        if path == "/v1/traces":
            request = ExportTraceServiceRequest.FromString(body)
            found += [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
    return found


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


@pytest.fixture
def environ(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The SDK reads the variables of the process."""
    found = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


async def test_a_span_for_the_run_each_step_and_each_attempt(
    world: Any, notes: Any, score: Any, pipeline: Any, receiver: Any, environ: Any, failure: Failure
) -> None:
    """One trace; attempts lie in their step, and those that failed say why."""

    async def fails(index: int) -> Failure | None:
        return failure if index == 3 else None

    world.engine.answer = fails
    await traced(world, notes, pipeline(score()), environ)
    found = spans(receiver)
    [run] = [span for span in found if span.name == "fanout.run"]
    [step] = [span for span in found if span.name == "step score"]
    tries = [span for span in found if span.name == "attempt"]
    assert len({span.trace_id for span in found}) == 1
    assert step.parent_span_id == run.span_id
    assert {span.parent_span_id for span in tries} == {step.span_id}
    assert {attributes(span)["fanout.mini_batch"] for span in tries} == set(range(12))
    failed = [span for span in tries if attributes(span)["fanout.mini_batch"] == 3]
    assert {span.status.message for span in failed} == {"ValueError: no"}
    assert run.start_time_unix_nano <= step.end_time_unix_nano <= run.end_time_unix_nano
    assert attributes(step)["fanout.mini_batches.succeeded"] == 11


async def test_counts_and_durations(
    world: Any, notes: Any, score: Any, pipeline: Any, receiver: Any, environ: Any
) -> None:
    """As metrics, by outcome."""
    await traced(world, notes, pipeline(score()), environ)
    bodies = [ExportMetricsServiceRequest.FromString(body) for path, body in receiver.got if path == "/v1/metrics"]
    found = {
        metric.name: metric
        for body in bodies
        for one in body.resource_metrics
        for scope in one.scope_metrics
        for metric in scope.metrics
    }
    points = found["fanout.step.mini_batches"].gauge.data_points
    assert {attributes(p)["fanout.outcome"]: p.as_int for p in points}["succeeded"] == 12
    assert found["fanout.run.duration"].histogram.data_points[0].count == 1
    assert found["fanout.attempt.duration"].histogram.data_points[0].count == 12


async def test_a_run_is_part_of_the_trace_that_started_it(
    world: Any, notes: Any, score: Any, pipeline: Any, receiver: Any, environ: Any
) -> None:
    """As a CI system hands it on."""
    await traced(world, notes, pipeline(score()), {**environ, "TRACEPARENT": PARENT})
    [run] = [span for span in spans(receiver) if span.name == "fanout.run"]
    assert (run.trace_id.hex(), run.parent_span_id.hex()) == tuple(PARENT.split("-")[1:3])


async def test_attempts_beyond_a_bound_are_counted(
    world: Any, notes: Any, score: Any, pipeline: Any, receiver: Any, environ: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace of a million spans helps nobody."""
    monkeypatch.setattr(otel, "MOST_ATTEMPTS", 5)
    await traced(world, notes, pipeline(score()), environ)
    found = spans(receiver)
    assert len([span for span in found if span.name == "attempt"]) == 5
    [step] = [span for span in found if span.name == "step score"]
    assert attributes(step)["fanout.attempts.dropped"] == 7


async def test_a_receiver_that_refuses_changes_nothing(
    world: Any, notes: Any, score: Any, pipeline: Any, receiver: Any, environ: Any
) -> None:
    """The run completes as ever."""
    receiver.answers = [400] * 20
    assert (await traced(world, notes, pipeline(score()), environ)).verdict.completed


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_when_it_is_on(environ: dict[str, str], wanted: bool) -> None:
    """The standard variables decide."""
    assert is_wanted(environ) is wanted


def test_nothing_is_imported_while_it_is_off() -> None:
    """The observers are there, the SDK is not."""
    code = "import sys, fanout.telemetry.observers; print('opentelemetry' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


async def test_without_the_extra_it_is_said(
    world: Any, notes: Any, score: Any, pipeline: Any, environ: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the run completes."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    report = await traced(world, replace(notes), pipeline(score()), environ)
    assert report.verdict.completed
    assert [line for line in notes.said if "pip install 'fanout-jobs[telemetry]'" in line]
