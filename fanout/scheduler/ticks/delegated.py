"""The work that a look at a run hands on to functions because it takes long: commands, and what follows from a seal.

Both are asked for by a message that names the step. Both send the supervisor a message when they are done.
"""

from collections.abc import Callable

from fanout.errors import RunError
from fanout.pipeline.model import CommandStep, ParallelStep, Step
from fanout.planning.manifests import read_summary
from fanout.records.run import RunRecord, load_record
from fanout.records.seal import step_seal
from fanout.reports.job_report import job_report
from fanout.scheduler.bindings import Binding, bind
from fanout.scheduler.command_step import CommandRun
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import Unwatched
from fanout.scheduler.parallel_stages import ParallelParts
from fanout.scheduler.reuse.taken_over import outputs_of_all
from fanout.scheduler.run_driver import in_run
from fanout.scheduler.ticks.deployment_queues import DeploymentQueues, TickMessage
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read


async def carry_out_command(at: StepRound, context: RunContext, queues: DeploymentQueues, seconds: float) -> None:
    """Carries out the command step, seals it, and moves its outputs to their places.

    The command has `seconds` to end. RunError when there is no such step.
    """
    record, step = await _step(at, context)
    if not isinstance(step, CommandStep):
        raise RunError(f"step {at.step} of run {at.run} is no command")
    here = in_run(record, context)
    await CommandRun(record, step, await _binding(record, step, here), here, Unwatched()).carry_out_apart(seconds)
    await queues.send_tick(TickMessage(at.run), record.signer)


async def conclude_step(
    at: StepRound, context: RunContext, queues: DeploymentQueues, go_on: Callable[[], bool]
) -> bool:
    """Does what follows from the step's seal; returns whether all is done. False: time was short, and it goes on later.

    It does nothing for a step that is not sealed. RunError when there is no such step.
    """
    record, step = await _step(at, context)
    if not isinstance(step, ParallelStep):
        raise RunError(f"step {at.step} of run {at.run} is no parallel step")
    here = in_run(record, context)
    parts = ParallelParts(record, step, await _binding(record, step, here), here, Unwatched())
    sealed = await step_seal(here.store, parts.at)
    done = sealed is None or await read(here.store, keys.concluded_json(parts.at)) is not None
    if sealed is not None and not done:
        summary = await read_summary(here.store, parts.planned_at)
        async with job_report(await parts.record(None, summary), here.store, here.clock) as report:
            ledger = await parts.read_sealed(sealed, report.absorb)
            done = await parts.conclude(sealed, ledger, report, go_on)
    if done:
        await queues.send_tick(TickMessage(at.run), record.signer)
    else:
        await queues.send_reduction(at, record.signer)
    return done


async def _step(at: StepRound, context: RunContext) -> tuple[RunRecord, Step]:
    record = await load_record(context.store, at.run)
    for step in record.pipeline.steps:
        if step.name == at.step:
            return record, step
    raise RunError(f"run {at.run} has no step {at.step}")


async def _binding(record: RunRecord, step: Step, context: RunContext) -> Binding:
    return bind(step, record.planned_at(step.name), context.settings, await outputs_of_all(record, context))
