"""Runs one mini-batch in this process, as a slot would: for `fanout run-one`, with or without a debugger.

Everything comes from the store; nothing is written there.
"""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from obstore.store import ObjectStore

from fanout.advice import advised
from fanout.errors import RunError
from fanout.files.local_folder import files_below
from fanout.node.serve import fetcher_of, needed_inputs
from fanout.node.step_inputs import fetch_inputs
from fanout.node.workspace import Workspace, slot_environ, unpack_code
from fanout.pipeline.expressions import render_arguments
from fanout.planning.manifests import read_mini_batch, read_summary
from fanout.records import mini_batch
from fanout.records.mini_batch import MiniBatch
from fanout.records.step import StepRecord
from fanout.slot.child import entry_script, main
from fanout.slot.child.entry_script import MiniBatchContext
from fanout.slot.protocol import StartOrder
from fanout.storage.access import Access

PROCESS = "process000"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mini-batch that is here, with all that the script will find around it."""

    start: StartOrder
    environ: Mapping[str, str]
    place: Workspace
    planned: MiniBatch  # as it is in the plan
    batch: MiniBatch  # with local names for remote files


@dataclass(frozen=True, slots=True)
class Returned:
    """What run() has returned, the rows that the output would get of it, and how long reading and run() took."""

    value: Any
    items: int
    rows: int
    load_seconds: float
    run_seconds: float


async def prepare(
    record: StepRecord, index: int, store: ObjectStore, access: Access, scratch: Path, code: Path | None
) -> Prepared:
    """Brings the mini-batch, the inputs and the code into `scratch`; `code` is a folder in place of the snapshot.

    RunError when the plan has no such mini-batch, or is not complete.
    """
    planned = await _planned(record, index, store)
    folder = code or await unpack_code(record.code, store, scratch / "code")
    place = Workspace(scratch, scratch / "logs", folder, None, 0)
    for needed in (place.inputs, place.attempts):
        needed.mkdir()
    values = await fetch_inputs(needed_inputs(record), place.inputs, access)
    arguments = render_arguments(
        record.step.task.program_arguments, values, place.output_values(PROCESS, record.outputs)
    )
    start = replace(place.start_order(record, PROCESS, arguments), profiling_module="")
    return Prepared(
        start,
        slot_environ(record, place, start, values, {**os.environ, **access.child_environ()}),
        place,
        planned,
        await _brought(record, place, planned, access),
    )


async def _planned(record: StepRecord, index: int, store: ObjectStore) -> MiniBatch:
    at = record.at.in_round(record.planned_in)
    summary = await read_summary(store, at)
    if summary is None:
        raise RunError(
            f"step {at.step} of run {at.run} has not been planned to the end; `{advised().resume(at.run)}` does that"
        )
    if index >= summary.mini_batches:
        raise RunError(f"step {at.step} has no mini-batch {index}: it has {summary.mini_batches}, counted from 0")
    return await read_mini_batch(store, at, index)


async def _brought(record: StepRecord, place: Workspace, batch: MiniBatch, access: Access) -> MiniBatch:
    fetcher = fetcher_of(record, place, access)
    if fetcher is None:
        return batch
    line, _ = await fetcher.fetch(mini_batch.encode(batch).encode())
    return mini_batch.decode(line, "the brought mini-batch")


@dataclass(slots=True)
class Trial:
    """Runs the script on the mini-batch; `phase` says how far it is, for messages about an exception."""

    prepared: Prepared
    phase: str = "loading the script"

    def run(self) -> Returned:
        """init(), run(), shutdown(); raises whatever user code raises, EntryScriptError for what it must not return."""
        one = self.prepared
        worker = main.prepare(one.start, lambda _: None)
        self.phase = "init()"
        worker.script.init()
        self.phase, begun = "reading the mini-batch", time.perf_counter()
        data = worker.load(one.batch)
        self.phase, loaded = "run()", time.perf_counter()
        context = MiniBatchContext(one.batch.index, one.batch.partition, one.batch.first_row, 0)
        value = worker.script.run(data, context)
        ended = time.perf_counter()
        self.phase = "taking what run() returned"
        items, rows = entry_script.check_result(value), worker.encoder.encode(value).count
        self.phase = "shutdown()"
        worker.script.shutdown()
        return Returned(value, items, rows, loaded - begun, ended - loaded)


@contextlib.contextmanager
def surroundings(prepared: Prepared) -> Iterator[None]:
    """What the script expects to find in its process: current folder, environment, arguments, import path."""
    cwd, environ, argv, path = Path.cwd(), dict(os.environ), sys.argv[:], sys.path[:]
    try:
        os.environ.update(prepared.environ)
        os.chdir(prepared.place.code or prepared.place.scratch)
        main.settle_in(prepared.start)
        yield
    finally:
        sys.argv[:], sys.path[:] = argv, path
        os.environ.clear()
        os.environ.update(environ)
        os.chdir(cwd)


def written(prepared: Prepared) -> list[Path]:
    """The files that the script has left in its output folders and its own log."""
    place = prepared.place
    return [folder / name for folder in (place.scratch / "outputs", place.logs) for name in _files(folder)]


def clear(scratch: Path) -> None:
    """Removes what was brought; the folder itself, too, unless the script has left files of its own."""
    for brought in ("code", "inputs", "attempts", "mini-batches", "mlruns"):
        shutil.rmtree(scratch / brought, ignore_errors=True)
    if not _files(scratch):
        shutil.rmtree(scratch, ignore_errors=True)


def _files(folder: Path) -> list[str]:
    return sorted(files_below(folder)) if folder.is_dir() else []
