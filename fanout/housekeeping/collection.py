"""What a store holds that is not needed any more: old runs, code, notes for reuse, queues, uploads, scratch.

`find_garbage` looks and changes nothing; `collect` removes what was found. Runs that begin, are redriven or take
something over meanwhile lose nothing: each removal is guarded by notes of its own (`removal`, `code_snapshots.uses`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.code_snapshots.uses import codes_of_deployments, codes_of_runs, remove_unused, was_used
from fanout.errors import DamagedRecordError, RunError
from fanout.files.scratch import sweep
from fanout.files.uris import is_local, to_path
from fanout.housekeeping.removal import RunContent, content_of, remove_run, taken_from
from fanout.housekeeping.retention import Kept, RunAge, expired
from fanout.queues.sqs_batches import sqs_name
from fanout.queues.step_queues import noted_queues, queue_prefix
from fanout.records import fields as checked
from fanout.records.run import RunRecord, load_record
from fanout.records.seal import read_seal
from fanout.scheduler.context import RunContext
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.multipart import OpenUpload, PartedObject, open_uploads
from fanout.storage.objects import delete, last_change, list_changed, list_names, read
from fanout.tasks import each

if TYPE_CHECKING:
    from obstore.store import ObjectStore

A_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Garbage:
    """What is not needed any more: runs, rests of runs without a record, digests of code and more; `kept`: old runs."""

    runs: tuple[RunContent, ...] = ()
    left: tuple[RunContent, ...] = ()
    code: tuple[str, ...] = ()
    reuse: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    uploads: tuple[OpenUpload, ...] = ()
    kept: tuple[Kept, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.runs or self.left or self.code or self.reuse or self.queues or self.uploads)


async def find_garbage(context: RunContext, older_than: float, keep: int) -> Garbage:
    """What can be removed: runs that ended more than `older_than` seconds ago but for the newest `keep`, and the rest.

    RunError when a record cannot be read that might need something.
    """
    store = context.store
    queues = await _queues(context)  # before runs are listed: who makes a queue has noted it before
    names = await list_names(store, keys.RUNS)
    now, ages, records = context.clock.now(), list[RunAge](), dict[str, RunRecord]()
    bare: list[RunAge] = []
    for age, record in await each(lambda name: _age(name, store), names):
        (bare if record is None else ages).append(age)
        if record is not None:
            records[record.name] = record
    going, kept = expired(ages, now, older_than, keep)
    cut = {key.rpartition("/")[2]: at for key, at in (await list_changed(store, keys.REMOVALS)).items()}
    bare += [RunAge(run, at, over=False) for run, at in cut.items() if run not in names]
    left = [age.run for age in bare if now - age.changed > max(older_than, A_DAY)]
    staying = [name for name in names if name not in {*going, *left}]
    return Garbage(
        tuple(await each(lambda run: content_of(run, context), going)),
        tuple(await each(lambda run: content_of(run, context), left)),
        tuple(await _unused_code(store, staying, now)),
        tuple(await _stale_reuse(store, {*staying})),
        tuple(sorted(set(queues) - await _needed_queues(records, staying, context))),
        tuple(await _old_uploads(context, now - max(older_than, A_DAY))),
        kept,
    )


async def collect(garbage: Garbage, context: RunContext, report: Callable[[str], None]) -> None:
    """Removes it; `report` gets a sentence about each thing that is needed by now, and stays."""
    for content in (*garbage.runs, *garbage.left):
        try:
            await remove_run(content, context)
        except RunError as exc:
            report(str(exc))
    await delete(context.store, *(keys.reusable(fingerprint) for fingerprint in garbage.reuse))
    for digest in garbage.code:
        if not await remove_unused(context.store, digest, context.clock):
            report(f"code {digest[:12]} stays: a run has begun to use it")
    for queue in garbage.queues:
        await context.queues.remove(queue)
    for upload in garbage.uploads:
        await PartedObject(_bucket(context), upload.key, context.access).abort(upload.upload)
    if is_local(context.settings.store):
        sweep(Path(to_path(context.settings.store), "scratch"))


async def _age(run: str, store: "ObjectStore") -> tuple[RunAge, RunRecord | None]:
    """When the run last changed, what it needs, and its record; None where there is none, or it cannot be read."""
    try:
        record = await load_record(store, run)
    except (RunError, DamagedRecordError):
        if await read(store, keys.run_json(run)) is not None:
            return RunAge(run, math.inf, over=False), None  # a record that cannot be read: it stays
        return RunAge(run, await last_change(store, f"{keys.RUNS}{run}/"), over=False), None
    changed = max((await list_changed(store, f"{keys.RUNS}{run}/")).values(), default=math.inf)
    over = await read_seal(store, keys.run_verdict(run, record.round)) is not None
    return RunAge(run, changed, over, record.created, frozenset(await taken_from(store, record))), record


async def _unused_code(store: "ObjectStore", runs: Sequence[str], now: float) -> list[str]:
    """Code that no record names, and no run has begun to use for a day."""
    there = {name.removesuffix(".zip") for name in await list_names(store, keys.CODE)}
    if not there:
        return []
    needed = await codes_of_runs(store, runs)
    needed |= await codes_of_deployments(store, await list_names(store, keys.DEPLOYMENTS))
    unused = sorted(there - needed)
    in_use = await each(lambda digest: was_used(store, digest, now), unused)
    return [digest for digest, used in zip(unused, in_use, strict=True) if not used]


async def _stale_reuse(store: "ObjectStore", runs: set[str]) -> list[str]:
    """The fingerprints under which there is nothing to take over any more."""

    async def is_stale(name: str) -> bool:
        body = await read(store, f"{keys.REUSE}{name}")
        try:
            return body is None or checked.parse(body)["run"] not in runs
        except (ValueError, KeyError, TypeError, RecursionError):
            return True  # it is written anew when the step has run

    names = await list_names(store, keys.REUSE)
    stale = await each(is_stale, names)
    return [name.removesuffix(".json") for name, found in zip(names, stale, strict=True) if found]


async def _queues(context: RunContext) -> list[str]:
    return await context.queues.names(queue_prefix(context.settings.store))


async def _needed_queues(records: dict[str, RunRecord], runs: Sequence[str], context: RunContext) -> set[str]:
    """The names of all queues that runs which stay have noted: those of one that is over are gone, or go with it."""

    async def noted(at: StepRound) -> list[str]:
        return await noted_queues(context.store, at, context.settings.store)

    found = [records[name] for name in runs if name in records]
    rounds = [
        StepRound(record.name, step.name, number)
        for record in found
        for step in record.pipeline.steps
        for number in range(1, record.round + 1)
    ]
    names = [name for several in await each(noted, rounds) for name in several]
    return {*names, *map(sqs_name, names)}


async def _old_uploads(context: RunContext, before: float) -> list[OpenUpload]:
    """Uploads in parts below the store that began before that: no process works for so long on one."""
    if not context.settings.store.startswith(("s3:", "s3a:")):
        return []
    prefix = context.settings.store.partition("://")[2].partition("/")[2].strip("/")
    found = await open_uploads(_bucket(context), f"{prefix}/" if prefix else "", context.access)
    return [upload for upload in found if upload.begun < before]


def _bucket(context: RunContext) -> str:
    return context.settings.store.partition("://")[2].partition("/")[0]
