"""A node process, as `fanout node` runs it: registers, sets up its folders, works, and leaves when asked to.

The first SIGTERM or SIGINT drains it, the second kills it. An engine on the same machine holds the other end of
standard input: the line `finish` means that the step is settled, `stop` that it is over, and the end of the input that
the engine is gone.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from obstore.store import ObjectStore

from fanout.clock import Clock
from fanout.errors import RunError
from fanout.files.transfer import upload_file
from fanout.node import step_inputs
from fanout.node.dispatch.agent import Leaving, Node, NodeOptions
from fanout.node.dispatch.committer import Committer, Stage, Write
from fanout.node.dispatch.fetcher import Fetcher, needs_fetching
from fanout.node.gpus import VISIBLE, Gpus, gpus_of, slots_of
from fanout.node.log_upload import LogKeeper, LogMasker, kept_now_and_then
from fanout.node.status_reports import LEFT, Reporter, status_written
from fanout.node.telemetry import Usage, usage_written
from fanout.node.unsupervised import drained_when_alone
from fanout.node.workspace import Workspace, own_logs, slot_environ, workspace
from fanout.pipeline.expressions import render_arguments
from fanout.pipeline.model import DataType
from fanout.queues.base import QueuePair, QueueService
from fanout.queues.step_queues import open_queues
from fanout.records import step as step_record
from fanout.records.code_change import with_code_of_now
from fanout.records.node_registration import register
from fanout.records.node_status import NodeStatus
from fanout.records.step import StepRecord
from fanout.results.codec import staged_folder
from fanout.security.masking import GrowingFiles
from fanout.security.redaction import secrets_of
from fanout.slot.child.preimports import goes_unnoticed
from fanout.slot.fork_server import ForkServer
from fanout.slot.process import SlotProcess
from fanout.slot.protocol import Answer
from fanout.storage import atomic, keys
from fanout.storage.access import Access
from fanout.storage.folder import is_durable
from fanout.storage.keys import StepRound
from fanout.storage.objects import create

log = logging.getLogger(__name__)

GRACE_WHEN_ORPHANED = 5.0


@dataclass(frozen=True, slots=True)
class NodeServices:
    """Store, queues, clock and fork server of a node."""

    store: ObjectStore
    queues: QueueService
    access: Access
    clock: Clock
    store_uri: str
    forks: ForkServer | None = None  # forks slots; None: each slot starts an interpreter of its own


@dataclass(frozen=True, slots=True)
class Assembled:
    """A node that is ready to run, the uploader of its logs, and the meter of the machine's load."""

    node: Node
    number: int
    logs: LogKeeper | LogMasker | None
    usage: Usage


async def serve(
    at: StepRound,
    services: NodeServices,
    *,
    slots: int | None = None,
    with_parent: bool = False,
    alone: float | None = None,
    on_status: Callable[[NodeStatus], None] = lambda _: None,
) -> Leaving:
    """Works on one step until it is over. Raises RunError when there is no such step or its queue is gone.

    `on_status` gets the node's status as soon as it has joined, and every few seconds from then on. `alone`: seconds
    without a sign of a supervisor after which it leaves.
    """
    record = await load_step(services.store, at)
    pair = await open_queues(services.store, services.queues, at, services.store_uri)
    if pair is None:
        raise RunError(f"step {at.step} of run {at.run} has no queue (any more): it has ended, or was never started")
    async with assembled(record, pair, services, slots=slots) as made:
        reporter = Reporter(made.node, made.number, at, services.store, services.clock, on_status)
        with _signals(made.node), _parent(made.node, with_parent):
            async with (
                kept_now_and_then(made.logs, services.clock),
                usage_written(made.usage, record.step.resource_monitor_interval, services.clock),
                status_written(reporter, services.clock),
                drained_when_alone(made.node, services.store, at, services.clock, alone),
            ):
                why = await made.node.run()
                reporter.left = LEFT.get(why)
                return why


@contextlib.asynccontextmanager
async def assembled(
    record: StepRecord,
    pair: QueuePair,
    services: NodeServices,
    *,
    slots: int | None = None,
    returns_idle: bool = True,
) -> AsyncIterator[Assembled]:
    """A node with a number of its own, its folders, and the step's code and inputs in them, while the context lasts."""
    number = await register(services.store, record.at)
    async with workspace(record, services.store, number) as place:
        options = NodeOptions(number, slots or slots_of(record), record.visibility, returns_idle=returns_idle)
        make_process = await _process_factory(record, place, services)
        node = Node(
            record,
            options,
            services.store,
            pair,
            make_process,
            lambda node: Committer(
                _writer(services.store, record, number),
                _stager(services.store, record, place),
                pair,
                node.leases,
                services.clock,
                lambda: node.idle,
                number,
                record.signer,
            ),
            fetcher_of(record, place, services.access),
            services.clock,
        )
        with _log_to(place):
            yield Assembled(node, number, _log_keeper(record, place, services.store), _usage(place))


async def load_step(store: ObjectStore, at: StepRound) -> StepRecord:
    """The step's record, with the code that its run has by now; RunError when there is none."""
    record = await step_record.read_record(store, at)
    if record is None:
        raise RunError(f"there is no step {at.step} of a run {at.run} in this store, or it has not started yet")
    return await with_code_of_now(store, record)


async def _process_factory(
    record: StepRecord, place: Workspace, services: NodeServices
) -> Callable[[str, Callable[[Answer], None], Callable[[int], None]], SlotProcess]:
    values = await step_inputs.fetch_inputs(needed_inputs(record), place.inputs, services.access)
    inherited = {**os.environ, **services.access.child_environ()}
    gpus = Gpus(() if VISIBLE in record.step.environment_variables else gpus_of(os.environ))
    forks = _forks_for(record, place, services.forks)

    def make(name: str, on_answer: Callable[[Answer], None], on_end: Callable[[int], None]) -> SlotProcess:
        outputs = place.output_values(name, record.outputs)
        arguments = render_arguments(record.step.task.program_arguments, values, outputs)
        order = place.start_order(record, name, arguments)
        mine = {**slot_environ(record, place, order, values, inherited), **gpus.take(name)}

        def ended(returncode: int) -> None:
            gpus.release(name)
            on_end(returncode)

        return SlotProcess(order, place.placement(name, mine), on_answer, ended, forks)

    return make


def _forks_for(record: StepRecord, place: Workspace, forks: ForkServer | None) -> ForkServer | None:
    """Where slots of the step come from; those that read tables, of a server that has imported what that takes."""
    if forks is None or record.recipe is None or record.step.json_records:
        return forks
    if place.python is not None or not goes_unnoticed(place.code, record.step.task.entry_script):
        return None
    with contextlib.suppress(OSError):  # tried again when the first slot is wanted
        forks.load_tables()
    return forks


def _log_keeper(record: StepRecord, place: Workspace, store: ObjectStore) -> LogKeeper | LogMasker | None:
    """What takes logs to a store that is elsewhere, or masks them in their place, if there is anything to mask."""
    secrets = secrets_of({**os.environ, **record.step.environment_variables})
    if place.store_folder is not None:
        return LogMasker(GrowingFiles(own_logs(place.logs, place.node), secrets)) if secrets else None
    return LogKeeper(place.logs, place.scratch / "log-copies", store, keys.logs(record.at), secrets)


def _usage(place: Workspace) -> Usage:
    return Usage(place.logs / "sys" / "perf" / str(place.node), [place.scratch])


def needed_inputs(record: StepRecord) -> dict[str, step_record.BoundInput]:
    """The inputs to bring here: all but the major one, whose mini-batches come one by one."""
    major, arguments = record.step.input_data, record.step.task.program_arguments
    named = f"inputs.{major}" in arguments
    return {name: bound for name, bound in record.inputs.items() if name != major or named}


def fetcher_of(record: StepRecord, place: Workspace, access: Access) -> Fetcher | None:
    """What brings mini-batches here; None when they are here, or when slots read them themselves."""
    if record.major is None or record.major.uri is None or not needs_fetching(record):
        return None
    is_table = record.major.type is DataType.MLTABLE
    return Fetcher(record.major.uri, place.scratch / "mini-batches", access, table=is_table)


def _writer(store: ObjectStore, record: StepRecord, number: int) -> Write:
    async def write(seq: int, body: bytes) -> None:
        # The key is this node's alone: an object that is there already is an earlier try of this very write.
        await create(store, keys.result(record.at, number, seq), body)

    return write


def _stager(store: ObjectStore, record: StepRecord, place: Workspace) -> Stage:
    """Moves an attempt's files into the store: by renaming when it is on this machine, else by uploading."""
    prefix = keys.staged(record.at)

    async def stage(name: str, seq: int, files: Sequence[str]) -> None:
        folder, target = place.attempts / name, f"{prefix}{staged_folder(name, place.node, seq)}"
        if not folder.exists():
            return  # a second delivery of the same message was faster, with the same files
        if place.store_folder is None:
            for file in files:
                await upload_file(folder / file, store, f"{target}/{file}")
        else:
            await asyncio.to_thread(_move, folder, place.store_folder / target, durable=is_durable(store, target))
        shutil.rmtree(folder, ignore_errors=True)

    return stage


def _move(folder: Path, target: Path, *, durable: bool) -> None:
    """What is there already stays: it belongs to an earlier entry of the same object, which is the one that counts."""
    if not target.exists():
        atomic.move(folder, target, durable=durable)


@contextlib.contextmanager
def _log_to(place: Workspace) -> Iterator[None]:
    """What this node has to say goes to its own files in the step's logs (reference, section 11)."""
    handlers = [
        _handler(place, "node", lambda _: True),
        _handler(place, "warning", lambda level: level == logging.WARNING),
        _handler(place, "error", lambda level: level >= logging.ERROR),
    ]
    root = logging.getLogger("fanout")
    root.setLevel(logging.INFO)
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


def _handler(place: Workspace, kind: str, takes: Callable[[int], bool]) -> logging.Handler:
    """Writes what has a level that it takes to sys/<kind>/<node>/_main.txt, which is there when something was said."""
    path = place.logs / "sys" / kind / str(place.node) / "_main.txt"
    handler = _LazyFile(path)
    handler.setFormatter(logging.Formatter("%(asctime)s|%(levelname)s|%(process)d|%(thread)d|%(message)s"))
    handler.addFilter(lambda record: takes(record.levelno))
    return handler


class _LazyFile(logging.FileHandler):
    """Makes its folder, too, when the first line is written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", delay=True)

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()


@contextlib.contextmanager
def _signals(node: Node) -> Iterator[None]:
    """First signal: drain. Second: leave now. The old handlers come back at the end."""
    loop = asyncio.get_running_loop()
    seen = 0

    def on_signal() -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            node.kill_slots()
            os._exit(128 + signal.SIGTERM)
        node.drain()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _parent(node: Node, with_parent: bool) -> Iterator[None]:
    """Listens to the engine at the other end of standard input, when there is one."""
    if not with_parent:
        yield
        return
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def on_input() -> None:
        said = os.read(descriptor, 4096)
        if b"stop" in said:
            node.kill_slots()
            node.drain(0.0)
        elif b"finish" in said:
            node.finish()
        if not said:
            loop.remove_reader(descriptor)
            node.drain(GRACE_WHEN_ORPHANED)

    loop.add_reader(descriptor, on_input)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
