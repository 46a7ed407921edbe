"""A run as the page, the report and programs see it: everything but the columns of attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fanout.advice import Commands
from fanout.clock import SystemClock
from fanout.config.settings import Settings
from fanout.formatting import duration, many, number
from fanout.pipeline.model import ParallelStep, Step, Thresholds
from fanout.queries.activity import read_activity
from fanout.queries.page.failure_kinds import FailureKind, FailureKinds
from fanout.queries.page.graph import critical_path, layout
from fanout.queries.page.settings_rows import SettingRow, setting_rows
from fanout.queries.page.step_data import StepData
from fanout.queries.status import RunStatus, State, StepStatus, read_status
from fanout.queues.base import QueueService
from fanout.records.node_status import SeenNode
from fanout.records.run import RunRecord
from fanout.records.verdict import Counts, verdict_words
from fanout.reports.failure_groups import StepSource
from fanout.tasks import all_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_INDEXES = 200
"""Mini-batches that a kind of failure names; all are in the columns."""
LONG_TRACEBACK = 20_000


@dataclass(frozen=True, slots=True)
class KindPage:
    """A kind of failures; `mini_batches` are the first of them, `affected` is how many there are."""

    number: int
    cause: str
    message: str
    traceback: str
    node: int
    process: str
    at: float
    index: int | None
    count: int
    given_up: int
    affected: int
    mini_batches: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RunningPage:
    """What a slot works on just now, for so many seconds."""

    node: int
    process: str
    index: int
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True)
class NodePage:
    """A node that has written a status. `left` says why it does not work any more, "" while it does."""

    node: int
    host: str
    pid: int
    started: float
    at: float
    slots: int
    starting: int
    waiting: int
    done: int
    failed: int
    alive: bool
    left: str
    fenced: str = ""


@dataclass(frozen=True, slots=True)
class StepPage:
    """One step. `status` is its verdict, else its state; times in epoch seconds, None where unknown."""

    name: str
    kind: str
    after: tuple[str, ...]
    column: int
    row: int
    status: str
    words: str
    reason: str
    over: bool
    started: float | None
    ended: float | None
    counts: Counts | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    time_limit: float = 0.0
    queue: Mapping[str, int] | None = None
    dead_letters: int | None = None
    joined: int = 0
    nodes: tuple[NodePage, ...] = ()
    running: tuple[RunningPage, ...] = ()
    kinds: tuple[KindPage, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    logs: str = ""
    taken_from: str | None = None
    attempts: int = 0
    epoch: int = 0
    settings: tuple[SettingRow, ...] = ()
    commands: Mapping[str, str] = field(default_factory=dict)
    run_one: tuple[str, str] = ("", "")  # the command in front of a mini-batch's number, and behind it


@dataclass(frozen=True, slots=True)
class RunPage:
    """A run in one round. `waits_for` says in sentences what it waits for now; `cost` is None where it is unknown."""

    run: str
    created: float
    now: float
    file: str
    round: int
    status: str
    words: str
    reason: str
    over: bool
    seconds: float
    waits_for: tuple[str, ...]
    critical: tuple[str, ...]
    steps: tuple[StepPage, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    code_changes: tuple[str, ...] = ()
    fanout: str = ""
    store: str = ""
    commands: Mapping[str, str] = field(default_factory=dict)
    cost: Mapping[str, object] | None = None
    advice: tuple[str, ...] = ()


async def read_run_page(
    store: "ObjectStore",
    record: RunRecord,
    settings: Settings,
    data: Mapping[str, StepData],
    commands: Commands,
    queues: QueueService | None = None,
) -> RunPage:
    """The run as it stands; `data` has what was read of its parallel steps."""

    async def count(step: ParallelStep) -> Counts:
        return data[step.name].counts if step.name in data else Counts(None)

    status = await read_status(store, record, settings, queues, count)
    steps = await all_of(_with_nodes(store, record, step, data, settings.store) for step in status.steps)
    status = replace(status, steps=tuple(steps))
    return run_page(record, status, data, commands, settings.store, SystemClock().now())


async def _with_nodes(
    store: "ObjectStore", record: RunRecord, step: StepStatus, data: Mapping[str, StepData], store_uri: str
) -> StepStatus:
    """Of a step that is over, too, the nodes that worked on it."""
    if step.seal is None or step.name not in data:
        return step
    return replace(step, activity=await read_activity(store, None, record.at(step.name), store_uri))


def run_page(
    record: RunRecord, status: RunStatus, data: Mapping[str, StepData], commands: Commands, store: str, now: float
) -> RunPage:
    """The page of a run from what is known of it. Pure."""
    after = {step.name: tuple(sorted(step.after)) for step in record.pipeline.steps}
    places = layout(after)
    pairs = zip(record.pipeline.steps, status.steps, strict=True)
    steps = tuple(_step(step, seen, data.get(step.name), places[step.name], record, commands) for step, seen in pairs)
    seal, words = status.seal, "Running"
    if seal is not None:
        words = (
            f"{seal.verdict.status} with failures"
            if seal.verdict.completed and status.has_failures
            else str(seal.verdict.status)
        )
    return RunPage(
        run=record.name,
        created=record.created,
        now=now,
        file=record.pipeline.file,
        round=record.round,
        status="Running" if seal is None else str(seal.verdict.status),
        words=words,
        reason="" if seal is None else seal.verdict.reason,
        over=seal is not None,
        seconds=max(0.0, now - record.created) if seal is None else seal.seconds,
        waits_for=() if seal is not None else tuple(_waits(steps)),
        critical=critical_path(after, {one.name: one.ended for one in steps if one.ended is not None}),
        steps=steps,
        tags=record.pipeline.tags,
        code=record.code,
        code_changes=tuple(
            f"{step}: {', '.join(files)}" for change in status.code_changes for step, files in change.files.items()
        ),
        fanout=record.fanout,
        store=store,
        commands=_run_commands(record, commands, over=seal is not None),
    )


def _run_commands(record: RunRecord, commands: Commands, *, over: bool) -> dict[str, str]:
    found = {"Status": commands.status(record.name), "All failures": commands.failures(record.name)}
    if over:
        return {**found, "Run again what failed": commands.redrive(record.name)}
    return {**found, "Go on after a crash": commands.resume(record.name)}


def _step(
    step: Step,
    seen: StepStatus,
    data: StepData | None,
    place: tuple[int, int],
    record: RunRecord,
    commands: Commands,
) -> StepPage:
    seal, parallel = seen.seal, isinstance(step, ParallelStep)
    words = str(seen.state) if seal is None else verdict_words(seal.verdict, seal.counts)
    started = None if seal is None or not seal.at else seal.at - seal.seconds
    if started is None and data is not None and len(data.attempts):
        started = (data.attempts.base or 0.0) + data.attempts.start[0] * 1e-4
    queue = seen.activity.queue
    return StepPage(
        name=step.name,
        kind=step.kind,
        after=tuple(sorted(step.after)),
        column=place[0],
        row=place[1],
        status=str(seen.state) if seal is None else str(seal.verdict.status),
        words=words,
        reason="" if seal is None else seal.verdict.reason,
        over=seal is not None or seen.state is State.DID_NOT_RUN,
        started=started,
        ended=None if seal is None or not seal.at else seal.at,
        counts=seen.counts,
        thresholds=step.thresholds if isinstance(step, ParallelStep) else Thresholds(),
        time_limit=step.retry_settings.timeout if isinstance(step, ParallelStep) else 0.0,
        queue=None if queue is None else {"waiting": queue.visible + queue.delayed, "with_nodes": queue.held},
        dead_letters=seen.activity.dead_letters,
        joined=seen.activity.joined,
        nodes=tuple(_nodes(seen, over=seal is not None)),
        running=() if seal is not None else tuple(_running(seen)),
        kinds=() if data is None else tuple(kind_pages(data.kinds)),
        outputs=seen.outputs,
        inputs={row.key: row.value for row in setting_rows(step) if row.section == "Inputs"},
        logs=seen.logs,
        taken_from=seen.taken_from,
        attempts=0 if data is None else len(data.attempts),
        epoch=0 if data is None else data.epoch,
        settings=setting_rows(step),
        commands={"Logs": commands.logs(record.name, step.name)},
        run_one=_around(commands.run_one(record.name, step.name, 0)) if parallel else ("", ""),
    )


def _around(line: str) -> tuple[str, str]:
    """What stands in front of a mini-batch's number in the command, and behind it."""
    before, _, behind = line.partition(" 0 --step ")
    return f"{before} ", f" --step {behind}"


def _nodes(seen: StepStatus, *, over: bool) -> Sequence[NodePage]:
    fenced = {fence.node: fence.reason for fence in seen.activity.fences}
    return [
        NodePage(
            node=one.status.node,
            host=one.status.host,
            pid=one.status.pid,
            started=one.status.started,
            at=one.status.at,
            slots=one.status.slots,
            starting=one.status.starting,
            waiting=one.status.waiting,
            done=one.status.done,
            failed=one.status.failed,
            alive=one.alive and not over,
            left=one.status.left or _left(one, over=over),
            fenced=fenced.get(one.status.node, ""),
        )
        for one in seen.activity.seen
    ]


def _left(node: SeenNode, *, over: bool) -> str:
    """Why a node that did not say so does not work any more; "" while it does."""
    if over:
        return "the step ended"
    return "" if node.alive else f"nothing was heard of it for {duration(node.age)}"


def _running(seen: StepStatus) -> Sequence[RunningPage]:
    found = [
        RunningPage(node.status.node, one.process, one.index, one.attempt, node.seconds(one))
        for node in seen.activity.alive
        for one in node.status.running
    ]
    return sorted(found, key=lambda one: -one.seconds)


def kind_pages(kinds: FailureKinds) -> list[KindPage]:
    """The kinds of failures, those of nodes first, then by how many mini-batches were given up."""
    found = [_kind(kind, kinds.source) for kind in kinds.kinds]
    return sorted(found, key=lambda kind: (kind.index is not None, -kind.given_up, -kind.count))


def _kind(kind: FailureKind, source: StepSource) -> KindPage:
    indexes = sorted(set(kind.indexes))
    return KindPage(
        number=kind.number,
        cause=kind.first.cause.value,
        message=source.restore(kind.first.message),
        traceback=source.restore(kind.first.traceback)[-LONG_TRACEBACK:],
        node=kind.node,
        process=kind.process,
        at=kind.at,
        index=kind.index,
        count=kind.count,
        given_up=kind.given_up,
        affected=len(indexes),
        mini_batches=tuple(indexes[:MOST_INDEXES]),
    )


def _waits(steps: Sequence[StepPage]) -> list[str]:
    """What a run waits for now, in sentences."""
    found = []
    for step in steps:
        if step.status == State.STARTING:
            found.append(f"{step.name} has not started: its nodes or its plan are not ready yet.")
        elif step.status == State.UNDER_WAY and step.counts is not None:
            found.append(_waits_for_step(step, step.counts))
    waiting = [step.name for step in steps if step.status == State.WAITING]
    if waiting:
        found.append(f"{', '.join(waiting)} wait{'s' if len(waiting) == 1 else ''} for the steps before.")
    return found


def _waits_for_step(step: StepPage, counts: Counts) -> str:
    alive = [node for node in step.nodes if node.alive]
    if counts.total is None:
        return f"{step.name} is being planned; {number(counts.settled)} mini-batches are done already."
    left = counts.total - counts.settled
    if not alive:
        joined = "no node has joined yet" if not step.joined else "no node is alive"
        return f"{step.name}: {joined}, and {many(left, 'mini-batch', 'mini-batches')} are left."
    longest = (
        f"; mini-batch {step.running[0].index} runs for {duration(step.running[0].seconds)}" if step.running else ""
    )
    slots = sum(node.slots for node in alive)
    return f"{step.name}: {many(left, 'mini-batch', 'mini-batches')} left for {many(slots, 'slot')}{longest}."
