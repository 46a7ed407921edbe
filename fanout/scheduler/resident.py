"""Carries a run out in one process: steps in the order of their data, independent ones at the same time, one verdict.

`start` creates a run; `resume` goes on with an existing one, on this machine or another. Both end in `carry_out`, which
does only what is not done yet of each step.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from fanout.advice import advised
from fanout.errors import InputError, RunError
from fanout.pipeline.model import CommandStep, ParallelStep, Pipeline, Step
from fanout.records.cancelation import read_cancelation
from fanout.records.run import RunRecord, create_record, load_record
from fanout.records.run_names import check_name, make_name
from fanout.records.seal import read_seal, step_seal
from fanout.scheduler.bindings import Binding
from fanout.scheduler.code_folders import notices_of, store_snapshots, take_snapshots
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import CONTINUES, RunObserver, RunReport, StepReport
from fanout.scheduler.parallel_step import ParallelRun
from fanout.scheduler.restart.earlier_sessions import seconds_since
from fanout.scheduler.restart.new_code import take_new_code
from fanout.scheduler.restart.repair import repair_store
from fanout.scheduler.run_driver import RunDriver, in_run, seal_failed, seal_run
from fanout.scheduler.run_machine import Conclude
from fanout.scheduler.step_environments import prepare_environments
from fanout.security.signature import new_key
from fanout.storage import keys


async def start(pipeline: Pipeline, context: RunContext, observer: RunObserver, name: str | None = None) -> RunReport:
    """Creates a run of the pipeline and carries it out; RunError when a run of this name exists.

    SettingsError when nodes of a step cannot be started.
    """
    await context.engine.check(pipeline.steps)
    await prepare_environments(pipeline.steps, observer)
    wanted = name or pipeline.name
    run = check_name(wanted) if wanted else make_name(random.Random())  # noqa: S311 - a name guards nothing
    taken = await take_snapshots(pipeline, context)
    code = await store_snapshots(taken, context)
    record = new_record(run, pipeline, code, context)
    await create_record(context.store, record)
    observer.run_started(run, pipeline.steps, False)
    for notice in (*pipeline.notices, *notices_of(pipeline, taken)):
        observer.notice(notice)
    return await carry_out(record, context, observer)


def new_record(name: str, pipeline: Pipeline, code: Mapping[str, str], context: RunContext) -> RunRecord:
    """Returns the record of a run that begins now; `code` holds the digests of stored snapshots, by step."""
    return RunRecord(
        name, pipeline, context.clock.now(), code, dict(context.settings.datastores), message_key=new_key()
    )


async def resume(name: str, context: RunContext, observer: RunObserver, *, new_code: bool = False) -> RunReport:
    """Carries out what is left of a run; with `new_code`, with the code folders as they are now.

    RunError when there is no run of this name, or when new code is wanted for a run that is over or canceled.
    SettingsError when nodes of a step cannot be started.
    """
    record = await load_record(context.store, name)
    mended = await repair_store(context.store, name)
    notices = [] if mended is None else [mended]
    ending = await _ending(record, context) if mended is None else None
    if ending is None:
        await context.engine.check(record.pipeline.steps)
    if new_code:
        if ending is not None:
            raise RunError(
                f"run {name} {ending}; with new code it can be redriven: {advised().redrive(name, new_code=True)}"
            )
        record, changed = await take_new_code(record, context)
        notices += changed
    observer.run_started(name, record.pipeline.steps, True, ending or CONTINUES)
    for notice in notices:
        observer.notice(notice)
    first = keys.run_json(name) if record.round == 1 else keys.redrive_json(name, record.round)
    return await carry_out(record, context, observer, await seconds_since(context.store, first, context.clock.now()))


async def _ending(record: RunRecord, context: RunContext) -> str | None:
    """Returns why the run cannot go on; None when it can."""
    sealed = await read_seal(context.store, keys.run_verdict(record.name, record.round))
    if sealed is not None:
        return f"is over ({sealed.verdict.status}); nothing is run again"
    canceled = await read_cancelation(context.store, record.name, record.round)
    if canceled is None or canceled.step:
        return None
    return f"was canceled and is being ended ({canceled})"


async def carry_out(record: RunRecord, context: RunContext, observer: RunObserver, before: float = 0.0) -> RunReport:
    """Does what is not done yet of this round of the run, and gives the round its verdict.

    `before` is how many seconds ago the round began.
    """
    begun, context = context.clock.monotonic(), in_run(record, context)
    driver = RunDriver(record, context, observer, _Steps(record, context, observer).carry_out)
    end = await driver.go()
    assert isinstance(end, Conclude)  # noqa: S101 - every step is carried out to its end
    seconds = context.clock.monotonic() - begun
    sealed = await seal_run(record, context, end, before + seconds)
    report = RunReport(record.name, sealed.verdict, driver.reports, seconds, record.pipeline.file)
    observer.run_ended(report)
    return report


@dataclass(frozen=True, slots=True)
class _Steps:
    """Carries out each step of a run to its end."""

    record: RunRecord
    context: RunContext
    observer: RunObserver

    async def carry_out(self, step: Step, binding: Binding) -> StepReport:
        try:
            if isinstance(step, ParallelStep):
                return await ParallelRun(self.record, step, binding, self.context, self.observer).carry_out()
            return await self._command(step, binding)
        except InputError as exc:
            if await step_seal(self.context.store, self.record.at(step.name)) is not None:
                raise  # the step has its end: what follows from that is what went wrong
            return StepReport(step, await seal_failed(self.record.at(step.name), self.context, exc))

    async def _command(self, step: CommandStep, binding: Binding) -> StepReport:
        from fanout.scheduler.command_step import CommandRun  # with all that it takes to run one

        return await CommandRun(self.record, step, binding, self.context, self.observer).carry_out()
