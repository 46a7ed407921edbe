"""`fanout redrive`: runs another round of a run that is over, for what did not succeed in it.

What is run again is decided and written down before anything runs, so that a redrive can be resumed like any run.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fanout.advice import advised
from fanout.code_snapshots.archive import Snapshot
from fanout.errors import InputError, RunError
from fanout.pipeline.model import ParallelStep, Pipeline, Step
from fanout.planning.index_ranges import ranges
from fanout.planning.manifests import PlanSummary, Tally, next_shard, read_summary
from fanout.records.run import RunRecord, StepPlace, load_record, open_round
from fanout.records.seal import read_seal, step_seal
from fanout.records.step import read_record
from fanout.results.reader import absorb_sealed, first_ledger
from fanout.scheduler.bindings import Outputs, bind
from fanout.scheduler.cancel import cancel
from fanout.scheduler.code_folders import changed_files, code_folder, is_kept_in_run, store_snapshots, take_snapshots
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import RunObserver, RunReport
from fanout.scheduler.parallel_stages import planned_input
from fanout.scheduler.resident import carry_out
from fanout.scheduler.restart.new_code import named
from fanout.scheduler.restart.redrive_rules import Choice, RedriveAction, StepEnd, check_choice, next_round
from fanout.scheduler.restart.repair import repair_store
from fanout.scheduler.reuse.taken_over import outputs_of_all
from fanout.storage import keys


@dataclass(frozen=True, slots=True)
class RedriveOrder:
    """What to run again: all that did not succeed, or a choice; with the code as it is now, or the run's own copy."""

    choice: Choice | None = None
    new_code: bool = False


async def redrive(name: str, order: RedriveOrder, context: RunContext, observer: RunObserver) -> RunReport:
    """Carries out another round of the run; when nothing is left to run again, returns the report of the last round.

    A run that was stopped before its end is ended first, wherever it still runs. RunError when there is no such run, or
    the choice makes no sense.
    """
    record = await load_record(context.store, name)
    mended = await repair_store(context.store, name)
    context = replace(context, settings=record.settings(context.settings))
    if await read_seal(context.store, keys.run_verdict(name, record.round)) is None:
        await _ended_first(record, order, context, observer)
    ends = {step.name: await _end(step, record, context) for step in record.pipeline.steps}
    if order.choice is not None:
        check_choice(record, order.choice, ends[order.choice.step])
    ways = next_round(record, ends, order.choice)
    if mended is not None:
        raise RunError(f"run {name}: {mended}; `{advised().resume(name)}` does that, then redrive it")
    again = [step for step in record.pipeline.steps if ways[step.name][0] is not RedriveAction.KEEP]
    if not again:
        observer.run_started(name, record.pipeline.steps, True)
        observer.notice("nothing is run again: every mini-batch has succeeded")
        return await carry_out(record, context, observer)
    await context.engine.check(again)
    following = replace(record, round=record.round + 1, places=_places(ways))
    now = await _code_now(again, record.pipeline, context, order)
    notices = [f"round {following.round} of the run"]
    notices += [_what(step, ways[step.name], ends[step.name]) for step in again]
    notices += [text for step in again if (text := await _code_notice(step, record, now, context, order))]
    notices += [text for step in again if (text := await _input_notice(step, following, context))]
    if order.new_code:
        following = replace(following, code={**record.code, **await store_snapshots(now, context)})
    await open_round(context.store, following)
    observer.run_started(name, record.pipeline.steps, True)
    for text in notices:
        observer.notice(text)
    return await carry_out(following, context, observer)


async def _ended_first(record: RunRecord, order: RedriveOrder, context: RunContext, observer: RunObserver) -> None:
    """Ends this round of a run that was stopped before its end; what has no result yet is run in the next round.

    RunError when mini-batches or a step were chosen, since not all failures are known.
    """
    name = record.name
    if order.choice is not None:
        raise RunError(
            f"run {name} was stopped before its end, so not all that failed is known; all that did not succeed is run "
            f"again by: {advised().redrive(name)}"
        )
    if order.new_code:  # before anything is ended: a folder that cannot be read changes nothing
        await take_snapshots(record.pipeline, context)
    observer.notice(f"run {name} was stopped before its end; it is ended first, which takes some seconds")
    await cancel(name, context)


def _places(ways: Mapping[str, tuple[RedriveAction, StepPlace]]) -> dict[str, StepPlace]:
    return {step: place for step, (_, place) in ways.items()}


async def _end(step: Step, record: RunRecord, context: RunContext) -> StepEnd:
    at = record.at(step.name)
    sealed = await step_seal(context.store, at)
    if not isinstance(step, ParallelStep) or sealed is None:
        return StepEnd(sealed)
    if await read_record(context.store, at) is None:
        return StepEnd(sealed)
    summary = await read_summary(context.store, record.planned_at(step.name))
    if summary is None:
        return StepEnd(sealed, begun=True)
    ledger = await first_ledger(context.store, at, record.place(step.name).continues, step)
    await absorb_sealed(context.store, at, sealed.objects, ledger, fenced=sealed.fenced)
    ledger.plan_total = summary.mini_batches
    return StepEnd(sealed, begun=True, total=summary.mini_batches, unsuccessful=list(ledger.unsuccessful()))


async def _code_now(
    again: Sequence[Step], pipeline: Pipeline, context: RunContext, order: RedriveOrder
) -> Mapping[str, Snapshot]:
    """Returns the code as it is now; a folder that is gone is an error only when new code is asked for."""
    found: dict[str, Snapshot] = {}
    for step in again:
        try:
            found |= await take_snapshots(pipeline, context, step.name)
        except (InputError, OSError):
            if order.new_code:
                raise
    return found


def _what(step: Step, way: tuple[RedriveAction, StepPlace], end: StepEnd) -> str:
    """Returns a sentence that says what of the step is run again."""
    if way[0] is RedriveAction.RESTART:
        why = "its input data is made again" if end.well else "it did not complete" if end.seal else "it did not run"
        return f"{step.name}: is run again from the start, since {why}"
    chosen = way[1].continues.mini_batches if way[1].continues else None
    indexes = chosen if chosen is not None else end.unsuccessful
    if indexes is None:
        return f"{step.name}: goes on where it ended; it was not planned to the end"
    return f"{step.name}: {len(indexes)} of {end.total} mini-batches are run again: {ranges(indexes)}"


async def _code_notice(
    step: Step, record: RunRecord, now: Mapping[str, Snapshot], context: RunContext, order: RedriveOrder
) -> str | None:
    """Returns a sentence when the code has changed since the run, saying which code is used; else None."""
    before, folder = record.code.get(step.name), code_folder(step)
    if before is None:
        return None
    if step.name not in now and folder is not None and is_kept_in_run(folder, record.pipeline):
        return None
    if step.name not in now:
        return f"{step.name}: {folder} is not there any more; the run's own copy of the code is used"
    changed = await changed_files(before, now[step.name], context)
    if not changed:
        return None
    names = named(changed)
    if order.new_code:
        return f"{step.name}: runs with the code as it is now; changed since the run: {names}"
    return f"{step.name}: the code has changed since ({names}); the run's own copy is used (--new-code: as it is now)"


async def _input_notice(step: Step, following: RunRecord, context: RunContext) -> str | None:
    """Returns a sentence when a step that continues would be planned differently today; else None."""
    if not isinstance(step, ParallelStep) or following.place(step.name).continues is None:
        return None
    summary = await read_summary(context.store, following.planned_at(step.name))
    if summary is None:
        return None
    try:
        found = await asyncio.to_thread(_plan_again, step, following, context, await outputs_of_all(following, context))
    except (InputError, OSError) as exc:
        return f"{step.name}: the input is not what it was: {exc}"
    if found.digest == summary.digest:
        return None
    return (
        f"{step.name}: the input has changed since it was planned: {found.mini_batches} mini-batches today, "
        f"{summary.mini_batches} then; those that were planned then are run again"
    )


def _plan_again(step: ParallelStep, record: RunRecord, context: RunContext, outputs: Outputs) -> PlanSummary:
    """Returns what planning gives today, in constant memory and without writing to the store."""
    binding = bind(step, record.planned_at(step.name), context.settings, outputs)
    planned = planned_input(step, binding, record.planned_at(step.name), context, dry=True)
    tally, number = Tally(), 0
    while (shard := next_shard(planned.batches, number)).lines:
        tally.add(shard)
        number += 1
    return tally.summary(planned.recipe_json)
