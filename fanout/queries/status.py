"""Where a run stands, read from the store: what `fanout status` shows, while it runs and ever after."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from fanout.config.settings import Settings
from fanout.errors import RunError
from fanout.pipeline.model import ParallelStep, Step
from fanout.planning.manifests import read_summary
from fanout.queries.activity import Activity, read_activity
from fanout.queues.base import QueueService
from fanout.records.code_change import CodeChange, code_changes
from fanout.records.run import RunRecord
from fanout.records.seal import Seal, read_seal, step_seal
from fanout.records.verdict import Counts, VerdictStatus
from fanout.results.reader import ResultReader, first_ledger
from fanout.scheduler.bindings import bind_outputs, result_uris
from fanout.scheduler.reuse.taken_over import taken_over
from fanout.storage import keys
from fanout.storage.objects import read
from fanout.tasks import all_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore


Counted = Callable[[ParallelStep], Awaitable[Counts]]
"""The counts of a step that is under way."""


class State(StrEnum):
    """What a step without a verdict is doing, as far as the store tells."""

    WAITING = "waiting"  # for a step before it
    STARTING = "not started"
    UNDER_WAY = "under way"
    DID_NOT_RUN = "did not run"  # and the run is over


@dataclass(frozen=True, slots=True)
class StepStatus:
    """One step: its seal, or what is known without one."""

    name: str
    state: State | None = None  # None: it has a seal
    seal: Seal | None = None
    counts: Counts | None = None  # of a parallel step that has started
    activity: Activity = field(default_factory=Activity)
    outputs: Mapping[str, str] = field(default_factory=dict)
    logs: str = ""
    taken_from: str | None = None  # the earlier run whose step it took over


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run, and each of its steps."""

    run: str
    created: float
    file: str
    seal: Seal | None
    steps: tuple[StepStatus, ...]
    round: int = 1
    code_changes: tuple[CodeChange, ...] = ()  # while the run was under way

    @property
    def has_failures(self) -> bool:
        """Whether anything has failed for good so far: the run, a step, or something within the thresholds."""
        seals = [seal for seal in (self.seal, *(step.seal for step in self.steps)) if seal is not None]
        failed = any(seal.verdict.status is VerdictStatus.FAILED or seal.counts.has_failures for seal in seals)
        return failed or any(step.counts is not None and step.counts.has_failures for step in self.steps)


async def read_status(
    store: "ObjectStore",
    record: RunRecord,
    settings: Settings,
    queues: QueueService | None = None,
    counted: "Counted | None" = None,
) -> RunStatus:
    """Where the run stands now; for a step under way all its results are counted, and its queue when it is known.

    `counted` counts the results of a step for one that keeps what it has read; by default all are read anew.
    """
    count = counted or (lambda step: live_counts(store, record, step))
    settings = record.settings(settings)
    sealed = await read_seal(store, keys.run_verdict(record.name, record.round))
    ended = {step.name: await step_seal(store, record.at(step.name)) for step in record.pipeline.steps}
    steps = await all_of(
        _step(store, record, step, ended, settings, queues, count, over=sealed is not None)
        for step in record.pipeline.steps
    )
    changes = await code_changes(store, record.name)
    return RunStatus(record.name, record.created, record.pipeline.file, sealed, tuple(steps), record.round, changes)


async def _step(
    store: "ObjectStore",
    record: RunRecord,
    step: Step,
    ended: Mapping[str, Seal | None],
    settings: Settings,
    queues: QueueService | None,
    count: "Counted",
    *,
    over: bool,
) -> StepStatus:
    logs = f"{settings.store.rstrip('/')}/{keys.logs(record.at(step.name))}"
    if (sealed := ended[step.name]) is not None:
        earlier = await taken_over(store, record.at(step.name)) if sealed.verdict.completed else None
        bound = earlier.outputs if earlier else bind_outputs(step, record.planned_at(step.name), settings)
        outputs = result_uris(step, bound) if sealed.verdict.completed else {}
        counts = sealed.counts if isinstance(step, ParallelStep) else None
        taken_from = earlier.run if earlier else None
        return StepStatus(step.name, None, sealed, counts, outputs=outputs, logs=logs, taken_from=taken_from)
    if over:
        return StepStatus(step.name, State.DID_NOT_RUN)
    if isinstance(step, ParallelStep) and await read(store, keys.step_json(record.at(step.name))) is not None:
        counts = await count(step)
        activity = await read_activity(store, queues, record.at(step.name), settings.store)
        return StepStatus(step.name, State.UNDER_WAY, counts=counts, activity=activity, logs=logs)
    before = (ended.get(name) for name in step.after)
    ready = all(sealed is not None and sealed.verdict.completed for sealed in before)
    return StepStatus(step.name, State.STARTING if ready else State.WAITING)


async def live_counts(store: "ObjectStore", record: RunRecord, step: ParallelStep) -> Counts:
    """The counts of a step as its results say now."""
    at, continues = record.at(step.name), record.place(step.name).continues
    ledger = await first_ledger(store, at, continues, step)
    summary = await read_summary(store, record.planned_at(step.name))
    ledger.plan_total = None if summary is None else summary.mini_batches
    return (await ResultReader(store, at).everything(ledger)).counts


def pick(record: RunRecord, step: str) -> Step:
    """The step of this name; RunError names those there are."""
    for found in record.pipeline.steps:
        if found.name == step:
            return found
    names = ", ".join(found.name for found in record.pipeline.steps)
    raise RunError(f"run {record.name} has no step {step}; it has {names}")


def pick_parallel(record: RunRecord, step: str | None) -> ParallelStep:
    """The parallel step of this name, or the only one there is; RunError when that is none."""
    parallel = [found for found in record.pipeline.steps if isinstance(found, ParallelStep)]
    if step is not None:
        found = pick(record, step)
        if not isinstance(found, ParallelStep):
            raise RunError(f"step {step} is a command: it has no mini-batches")
        return found
    if len(parallel) != 1:
        names = ", ".join(one.name for one in parallel)
        raise RunError(f"run {record.name} has {len(parallel)} parallel steps ({names}): name one of them")
    return parallel[0]
