"""Questions to a run that is in the store: its steps, its failures. What the methods of `Run` ask, as coroutines."""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from fanout.api.output import Output
from fanout.api.values import Event, FailedMiniBatch, RunEnded, RunStep, StepEnded, StepProgress, StepStarted
from fanout.config.settings import Settings
from fanout.pipeline.model import ParallelStep
from fanout.queries.failures import PlannedMiniBatches, failed_items, last_words
from fanout.queries.status import RunStatus, State, StepStatus, read_status
from fanout.records.function_runs import FUNCTION_SCRIPT
from fanout.records.mini_batch import MiniBatch
from fanout.records.run import RunRecord, load_record
from fanout.records.seal import step_seal
from fanout.reports.failed_mini_batches import FailedMiniBatch as FailedBatch
from fanout.reports.failed_mini_batches import FailuresOfStep, read_failures
from fanout.security.redaction import redact

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.storage.access import Access


async def status_of(store: "ObjectStore", name: str, settings: Settings) -> tuple[RunRecord, RunStatus]:
    """The run, in the round that counts, and where it stands."""
    record = await load_record(store, name)
    return record, await read_status(store, record, settings)


def steps_of(record: RunRecord, status: RunStatus, access: "Callable[[], Access]") -> dict[str, RunStep]:
    """The steps of the run by name, in the order of the pipeline."""
    found = {step.name: step for step in status.steps}
    return {
        step.name: RunStep(
            name=step.name,
            kind=step.kind,
            state=state_of(found[step.name]),
            verdict=None if (seal := found[step.name].seal) is None else seal.verdict,
            counts=found[step.name].counts,
            outputs={name: Output(uri, access) for name, uri in found[step.name].outputs.items()},
            nodes=len(found[step.name].activity.alive),
            seconds=0.0 if seal is None else seal.seconds,
            settings=step,
        )
        for step in record.pipeline.steps
    }


def state_of(step: StepStatus) -> str:
    """The verdict of the step, or what it is doing."""
    return str(step.state) if step.seal is None else str(step.seal.verdict.status)


def outputs_of(record: RunRecord, steps: dict[str, RunStep]) -> dict[str, Output]:
    """The outputs that there are: of the pipeline by their names in it, of steps as `step.name`."""
    of_pipeline = {
        output.pipeline_output: steps[step.name].outputs[name]
        for step in record.pipeline.steps
        for name, output in step.outputs.items()
        if output.pipeline_output and name in steps[step.name].outputs
    }
    return of_pipeline | {f"{step.name}.{name}": one for step in steps.values() for name, one in step.outputs.items()}


async def failures_in(store: "ObjectStore", record: RunRecord) -> list[FailedMiniBatch]:
    """Every mini-batch that has failed and not succeeded; a command that failed counts as one mini-batch."""
    found: list[FailedMiniBatch] = []
    for step in record.pipeline.steps:
        at = record.at(step.name)
        if isinstance(step, ParallelStep):
            failures = await read_failures(store, at)
            found += [one async for one in _of_step(store, step, failures)] if failures else []
        elif said := await last_words(store, record, step):
            sealed = await step_seal(store, at)
            reason = "" if sealed is None else sealed.verdict.reason
            found.append(FailedMiniBatch(step.name, 0, (), "failed", 1, "command", redact(reason), redact(said)))
    return found


async def _of_step(store: "ObjectStore", step: ParallelStep, found: FailuresOfStep) -> AsyncIterator[FailedMiniBatch]:
    batches = PlannedMiniBatches(store, found.planned, found.plan)
    tracebacks = {kind.number: kind.group.first.failure.traceback for kind in found.kinds}
    for failed in found.mini_batches:
        last, batch = failed.tries[-1], await batches.read(failed.index)
        calls_items = step.json_records and step.task.entry_script == FUNCTION_SCRIPT
        yield FailedMiniBatch(
            step=found.at.step,
            index=failed.index,
            items=_positions(step, failed, batch) if calls_items else failed_items(failed, batch),
            status=failed.fate.value,
            attempts=len(failed.tries),
            cause=last.cause.value,
            message=redact(last.message),
            traceback=redact(found.source.restore(tracebacks.get(last.kind, ""))),
        )


def _positions(step: ParallelStep, failed: FailedBatch, batch: MiniBatch | None) -> tuple[str, ...]:
    """What a function was called with, by its position in what the caller gave: `item 17`."""
    size = step.mini_batch_rows or 1
    count = size if batch is None or batch.items is None else batch.items
    spans = [(part.start, part.stop) for part in failed.failed_parts] or [(0, count)]
    return tuple(f"item {failed.index * size + place}" for start, stop in spans for place in range(start, stop))


async def first_traceback(store: "ObjectStore", record: RunRecord) -> str:
    """The traceback, or the message, of the first kind of failure in the run; "" when nothing of the user's failed."""
    for step in record.pipeline.steps:
        found = await read_failures(store, record.at(step.name)) if isinstance(step, ParallelStep) else None
        for kind in found.kinds if found else ():
            failure = kind.group.first.failure
            return redact(found.source.restore(failure.traceback or failure.message)) if found else ""
        if not isinstance(step, ParallelStep) and (said := await last_words(store, record, step)):
            return redact(said)
    return ""


def changes(before: RunStatus | None, now: RunStatus) -> list[Event]:
    """What has happened between two looks at a run."""
    known = {step.name: step for step in before.steps} if before else {}
    found: list[Event] = []
    for step in now.steps:
        found += _step_changes(known.get(step.name), step)
    if now.seal is not None and (before is None or before.seal is None):
        found.append(RunEnded(now.run, now.seal.verdict))
    return found


def _step_changes(before: StepStatus | None, now: StepStatus) -> list[Event]:
    found: list[Event] = []
    begun = now.seal is not None or now.state is State.UNDER_WAY
    was_begun = before is not None and (before.seal is not None or before.state is State.UNDER_WAY)
    if begun and not was_begun:
        found.append(StepStarted(now.name))
    if now.counts is not None and (before is None or before.counts != now.counts):
        found.append(StepProgress(now.name, now.counts))
    over = now.seal is not None or now.state is State.DID_NOT_RUN
    was_over = before is not None and (before.seal is not None or before.state is State.DID_NOT_RUN)
    if over and not was_over:
        found.append(StepEnded(now.name, None if now.seal is None else now.seal.verdict, now.counts))
    return found
