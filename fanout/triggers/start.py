"""From events to runs that exist: what `fanout watch` and a Lambda function have in common.

A run exists when its run.json does; carrying it out is another matter (`fanout.scheduler.resident.resume`, or nodes
elsewhere). The order makes it exactly one run for each object version, wherever it is cut and even if others do the
same:

1. the start is noted, with the objects it is meant for;
2. each object version is claimed for the run, by a conditional create: a claim of another run stands;
3. the run is created, for the objects that are its own.

Names follow from the objects, so doing it again does the same. Only when `start_runs` has returned may the messages be
deleted that the events came in.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fanout.files import uris
from fanout.pipeline.trigger import is_waiting
from fanout.records.run import try_create
from fanout.scheduler.code_folders import store_snapshots
from fanout.scheduler.context import RunContext
from fanout.scheduler.resident import new_record
from fanout.storage import keys
from fanout.storage.objects import put, read
from fanout.tasks import each
from fanout.triggers.compiled import CompiledTrigger
from fanout.triggers.event import ObjectEvent
from fanout.triggers.instantiate import Arrivals, instantiate, object_list, takes_folder, takes_list
from fanout.triggers.objects import copy_into, present
from fanout.triggers.records import Letter, StartRecord, TriggerRecords
from fanout.triggers.run_naming import below_watched, run_name

COPIED_AT_ONCE = 4


class StartState(StrEnum):
    """What became of events."""

    STARTED = "started"  # a run for them exists since now
    KNOWN = "known"  # it had been started before
    IGNORED = "ignored"  # they are not what the trigger is about, or the run's own output
    GONE = "gone"  # the objects were replaced or removed before a run could be started


@dataclass(frozen=True, slots=True)
class StartResult:
    """What became of some events: the run they belong to, "" when there is none, and why in words."""

    state: StartState
    events: tuple[ObjectEvent, ...]
    run: str = ""
    reason: str = ""


async def start_runs(
    events: Sequence[ObjectEvent], compiled: CompiledTrigger, context: RunContext
) -> list[StartResult]:
    """A run exists for each object version that `compiled` waits for; with `batch`, one for as many as make a batch.

    However often, and in whatever order, events of one object version come, there is one run for it. An error leaves
    nothing half done that calling it again with the same events does not finish.
    """
    records = TriggerRecords(context.store, compiled.trigger.name)
    starts, wanted = _sorted_out(events, compiled)
    claims = await records.runs_of(wanted)
    seen: set[str] = set()
    for run in dict.fromkeys(run for run in claims if run is not None):
        mine = tuple([event for event, claim in zip(wanted, claims, strict=True) if claim == run])
        starts += await _finish(run, compiled, context, seen) or await _known(run, mine, compiled, context, seen)
    fresh = [event for event, claim in zip(wanted, claims, strict=True) if claim is None]
    for group in _groups(fresh, compiled):
        record = StartRecord(run_name(compiled.trigger.name, group), group)
        await records.note_start(record)
        starts += await _finish(record.run, compiled, context, seen)
    return starts


async def _known(
    run: str, events: tuple[ObjectEvent, ...], compiled: CompiledTrigger, context: RunContext, seen: set[str]
) -> list[StartResult]:
    """Events whose objects belong to a run already; of a run that was never started, as they were gone, they try again.

    So an event that comes before its object, or out of the blue, does not keep a later one from starting the run.
    """
    records = TriggerRecords(context.store, compiled.trigger.name)
    if not await records.is_forgotten(run):
        return [StartResult(StartState.KNOWN, events, run)]
    starts = []
    for event in events:
        own = await _give_own_run(event, compiled, records)
        await records.note_start(StartRecord(own, (event,)))
        starts += await _finish(own, compiled, context, seen) or [StartResult(StartState.KNOWN, (event,), own)]
    return starts


async def _give_own_run(event: ObjectEvent, compiled: CompiledTrigger, records: TriggerRecords) -> str:
    """An object that no run was started for belongs to a run of its own from here on; its name follows from it."""
    run = run_name(compiled.trigger.name, (event,))
    await records.assign(event, run)
    return run


async def finish_start(run: str, compiled: CompiledTrigger, context: RunContext) -> list[StartResult]:
    """A start that was noted and then cut is carried through; [] when there is none of this name any more."""
    return await _finish(run, compiled, context, set())


async def give_up(
    events: Sequence[ObjectEvent], reason: str, compiled: CompiledTrigger, context: RunContext
) -> list[str]:
    """Events whose start has failed for good are dead letters; their names. A run that exists all the same stays."""
    records, now = TriggerRecords(context.store, compiled.trigger.name), context.clock.now()
    _, wanted = _sorted_out(events, compiled)
    given_up = []
    claims = await records.runs_of(wanted)
    fresh = [event for event, claim in zip(wanted, claims, strict=True) if claim is None]
    for group in _groups(fresh, compiled):
        run = run_name(compiled.trigger.name, group)
        claims += await records.claim(group, run)
        await records.note_start(StartRecord(run, group))
    for run in dict.fromkeys(run for run in claims if run is not None):
        record = await records.read_start(run)
        if record is None or await read(context.store, keys.run_json(run)) is not None:
            continue
        await records.write_letter(Letter(run, reason, now, record.events))
        await records.end_start(run)
        given_up.append(run)
    return given_up


def _sorted_out(
    events: Sequence[ObjectEvent], compiled: CompiledTrigger
) -> tuple[list[StartResult], list[ObjectEvent]]:
    """What is ignored, and the others, each object version once."""
    ignored: list[StartResult] = []
    wanted: dict[str, ObjectEvent] = {}
    for event in events:
        if reason := compiled.ignores(event):
            ignored.append(StartResult(StartState.IGNORED, (event,), reason=reason))
        else:
            wanted.setdefault(event.identity, event)
    return ignored, list(wanted.values())


def _groups(events: Sequence[ObjectEvent], compiled: CompiledTrigger) -> Iterator[tuple[ObjectEvent, ...]]:
    most = 1 if compiled.trigger.batch is None else compiled.trigger.batch.objects
    for start in range(0, len(events), most):
        yield tuple(events[start : start + most])


async def _finish(run: str, compiled: CompiledTrigger, context: RunContext, seen: set[str]) -> list[StartResult]:
    """Creates the run of a start that was noted, and the runs of all objects that others have claimed meanwhile."""
    records = TriggerRecords(context.store, compiled.trigger.name)
    if run in seen or (record := await records.read_start(run)) is None:
        return []
    seen.add(run)
    if await read(context.store, keys.run_json(run)) is not None:
        return [StartResult(StartState.KNOWN, record.events, run)]
    claims = await records.claim(record.events, run)
    mine = tuple([event for event, claim in zip(record.events, claims, strict=True) if claim == run])
    starts = [await _begin(run, mine, compiled, context)] if mine else []
    if not mine:
        await records.end_start(run)
    for other in dict.fromkeys(claims):
        theirs = tuple([event for event, claim in zip(record.events, claims, strict=True) if claim == other])
        if other != run:
            starts += await _finish(other, compiled, context, seen) or [StartResult(StartState.KNOWN, theirs, other)]
    return starts


async def _begin(
    run: str, events: tuple[ObjectEvent, ...], compiled: CompiledTrigger, context: RunContext
) -> StartResult:
    """The run exists, for those of its objects that are still there."""
    trigger = compiled.trigger.name
    copies = keys.trigger_copies(trigger, run)
    looked = await each(lambda event: present(event, copies, context), events)
    there = [(event, uri) for event, uri in zip(events, looked, strict=True) if uri is not None]
    found = [event for event, _ in there]
    gone = tuple([event for event in events if event not in found])
    if gone:
        await _report_gone(run, gone, compiled, context)
    if not there:
        await TriggerRecords(context.store, trigger).end_start(run)
        return StartResult(StartState.GONE, events, reason=GONE)
    pipeline = instantiate(compiled.pipeline, await _arrivals(run, there, compiled, context))
    await store_snapshots(compiled.snapshots, context)  # a watch may be older than what keeps its code in the store
    created = await try_create(context.store, new_record(run, pipeline, compiled.code, context))
    if created:  # by us, without those that were gone: this run does not count as theirs when they come again
        await each(lambda event: _give_own_run(event, compiled, TriggerRecords(context.store, trigger)), gone)
    return StartResult(StartState.STARTED if created else StartState.KNOWN, tuple(found), run)


GONE = (
    "replaced or removed before its run could be started, or not there yet, and the bucket keeps no such version; "
    "the next event about it is tried again"
)


async def _report_gone(run: str, gone: tuple[ObjectEvent, ...], compiled: CompiledTrigger, context: RunContext) -> None:
    letter = Letter(f"{run}-gone", GONE, context.clock.now(), gone, gone=True)
    await TriggerRecords(context.store, compiled.trigger.name).write_letter(letter)


async def _arrivals(
    run: str, there: Sequence[tuple[ObjectEvent, str]], compiled: CompiledTrigger, context: RunContext
) -> Arrivals:
    """What the run gets, written down where it is not the objects themselves."""
    trigger, store = compiled.trigger, context.settings.store.rstrip("/")
    waiting = [(step, name) for step in compiled.pipeline.steps for name in step.inputs if is_waiting(step, name)]
    keys_below = [below_watched(event.key, trigger.prefix) for event, _ in there]
    objects = tuple([uri for _, uri in there])
    table = folder = ""
    if any(takes_list(step, name) for step, name in waiting):
        body = object_list(objects, compiled.template)
        table = keys.trigger_arrivals(trigger.name, hashlib.sha256(body).hexdigest())
        await put(context.store, f"{table}/MLTable", body)
    if any(takes_folder(step, name) for step, name in waiting):
        folder = f"{keys.trigger_copies(trigger.name, run)}/folder"
        names = [uris.confined(key) for key in keys_below]
        pairs = zip(names, objects, strict=True)
        await each(lambda pair: copy_into(folder, *pair, context), pairs, COPIED_AT_ONCE)
    return Arrivals(run, objects, keys_below[0], f"{store}/{table}", f"{store}/{folder}")
