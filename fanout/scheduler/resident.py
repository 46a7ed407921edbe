"""The story of a run: steps in the order of their data, independent ones at the same time, then one verdict.

`start` makes the run exist; `resume` goes on with one that does, on this machine or another. Both end in `carry_out`,
which asks of each step only what is not done yet.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fanout.advice import advised
from fanout.errors import InputError, RunError
from fanout.pipeline.model import CommandStep, ParallelStep, Pipeline, Step
from fanout.records.cancelation import Cancelation, canceled_before, end_others, read_cancelation
from fanout.records.run import RunRecord, create_record, load_record
from fanout.records.run_names import check_name, make_name
from fanout.records.seal import Seal, read_seal, seal, step_seal
from fanout.records.step import BoundOutput
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.scheduler.bindings import Binding, bind, result_uris
from fanout.scheduler.code_folders import code_folder, notices_of, store_snapshots, take_snapshots
from fanout.scheduler.context import Outside
from fanout.scheduler.observer import GOES_ON, RunObserver, RunReport, StepReport
from fanout.scheduler.parallel_step import ParallelRun
from fanout.scheduler.restart.earlier_sessions import seconds_since
from fanout.scheduler.restart.new_code import take_new_code
from fanout.scheduler.restart.repair import mend
from fanout.scheduler.reuse import Earlier, StepReuse
from fanout.scheduler.run_graph import ends_others, hindrance, run_counts, run_verdict
from fanout.scheduler.step_environments import prepare_environments
from fanout.security.signature import new_key
from fanout.storage import keys
from fanout.storage.objects import put
from fanout.tasks import task_group


async def start(pipeline: Pipeline, outside: Outside, observer: RunObserver, name: str | None = None) -> RunReport:
    """Makes a run of the pipeline and carries it out; RunError when one of this name exists."""
    await prepare_environments(pipeline.steps, observer)
    wanted = name or pipeline.name
    run = check_name(wanted) if wanted else make_name(random.Random())  # noqa: S311 - a name guards nothing
    taken = await take_snapshots(pipeline, outside)
    code = await store_snapshots(taken, outside)
    record = new_record(run, pipeline, code, outside)
    await create_record(outside.store, record)
    observer.run_started(run, pipeline.steps, False)
    for notice in (*pipeline.notices, *notices_of(pipeline, taken)):
        observer.notice(notice)
    return await carry_out(record, outside, observer)


def new_record(name: str, pipeline: Pipeline, code: Mapping[str, str], outside: Outside) -> RunRecord:
    """The record of a run that begins now; `code` are the digests of stored snapshots, by step."""
    return RunRecord(
        name, pipeline, outside.clock.now(), code, dict(outside.settings.datastores), message_key=new_key()
    )


async def resume(name: str, outside: Outside, observer: RunObserver, *, new_code: bool = False) -> RunReport:
    """Carries out what is left of a run, with `new_code` by the code folders as they are now.

    RunError when there is none of this name, or new code is wanted for one that is over or canceled.
    """
    record = await load_record(outside.store, name)
    mended = await mend(outside.store, name)
    notices = [] if mended is None else [mended]
    ending = await _ending(record, outside) if mended is None else None
    if new_code:
        if ending is not None:
            raise RunError(
                f"run {name} {ending}; with new code it can be redriven: {advised().redrive(name, new_code=True)}"
            )
        record, changed = await take_new_code(record, outside)
        notices += changed
    observer.run_started(name, record.pipeline.steps, True, ending or GOES_ON)
    for notice in notices:
        observer.notice(notice)
    first = keys.run_json(name) if record.round == 1 else keys.redrive_json(name, record.round)
    return await carry_out(record, outside, observer, await seconds_since(outside.store, first, outside.clock.now()))


async def _ending(record: RunRecord, outside: Outside) -> str | None:
    """What keeps the run from going on; None when nothing does."""
    sealed = await read_seal(outside.store, keys.run_verdict(record.name, record.round))
    if sealed is not None:
        return f"is over ({sealed.verdict.status}); nothing is run again"
    canceled = await read_cancelation(outside.store, record.name, record.round)
    if canceled is None or canceled.step:
        return None
    return f"was canceled and is brought to its end ({canceled})"


async def carry_out(record: RunRecord, outside: Outside, observer: RunObserver, before: float = 0.0) -> RunReport:
    """What is not done yet of this round of the run is done, and the round has its verdict.

    `before`: for how many seconds the round has been there already.
    """
    begun = outside.clock.monotonic()
    settings = record.settings(outside.settings)
    access = replace(outside.access, datastores=settings.roots)
    story = _Story(record, replace(outside, settings=settings, access=access), observer)
    reports = await story.tell()
    verdict = run_verdict(record.pipeline.steps, {report.step.name: report for report in reports}, story.canceled)
    sealed = await seal(
        outside.store,
        keys.run_verdict(record.name, record.round),
        Seal(verdict, run_counts(reports), at=outside.clock.now(), seconds=before + outside.clock.monotonic() - begun),
    )
    seconds = outside.clock.monotonic() - begun
    report = RunReport(record.name, sealed.verdict, tuple(reports), seconds, record.pipeline.file)
    observer.run_ended(report)
    return report


@dataclass(slots=True)
class _Story:
    """One pass over the graph."""

    record: RunRecord
    outside: Outside
    observer: RunObserver
    canceled: Cancelation | None = None  # it ended a step, or kept one from starting
    _ended: dict[str, asyncio.Event] = field(default_factory=dict)
    _reports: dict[str, StepReport] = field(default_factory=dict)
    _outputs: dict[str, dict[str, BoundOutput]] = field(default_factory=dict)
    _took_over: bool = False

    async def tell(self) -> list[StepReport]:
        """Every step that can run has run; their reports, in the order of the pipeline."""
        steps = self.record.pipeline.steps
        self._ended = {step.name: asyncio.Event() for step in steps}
        async with task_group() as tasks:
            for step in steps:
                tasks.create_task(self._step(step))
        return [self._reports[step.name] for step in steps if step.name in self._reports]

    async def _step(self, step: Step) -> None:
        try:
            for name in sorted(step.after):
                await self._ended[name].wait()
            reason = hindrance(step, self._reports) or await self._canceled_before(step)
            if reason is not None:
                self.observer.step_skipped(step, reason)
                return
            report = await self._carry_out(step)
            self._reports[step.name] = report
            # What stays as an earlier round has left it says nothing about this one.
            stays = self.record.place(step.name).round != self.record.round
            if ends_others(self.record.pipeline, report) and not stays:
                run = self.record
                await end_others(self.outside.store, run.name, run.round, step.name, self.outside.clock)
            if report.seal.verdict.status is VerdictStatus.CANCELED:
                self.canceled = await read_cancelation(self.outside.store, self.record.name, self.record.round)
            self.observer.step_ended(report)
        finally:
            self._ended[step.name].set()

    async def _canceled_before(self, step: Step) -> str | None:
        """Who canceled the run, when the step has not begun."""
        run = self.record
        canceled = await canceled_before(self.outside.store, run.name, run.round, run.at(step.name))
        if canceled is None:
            return None
        self.canceled = canceled
        return str(canceled)

    async def _carry_out(self, step: Step) -> StepReport:
        binding = bind(step, self.record.planned_at(step.name), self.outside.settings, self._outputs)
        reuse = StepReuse(self.record, step, binding, self.outside)
        if (earlier := await reuse.find()) is not None:
            self._outputs[step.name] = earlier.outputs
            return await self._taken_over(step, earlier)
        self._outputs[step.name] = binding.outputs
        report = await self._run(step, binding)
        await reuse.remember(report)
        return report

    async def _run(self, step: Step, binding: Binding) -> StepReport:
        try:
            if isinstance(step, ParallelStep):
                return await ParallelRun(self.record, step, binding, self.outside, self.observer).carry_out()
            return await self._command(step, binding)
        except InputError as exc:
            if await step_seal(self.outside.store, self.record.at(step.name)) is not None:
                raise  # the step has its end: what follows from that is what went wrong
            return await self._sealed(step, Verdict(VerdictStatus.FAILED, str(exc)))

    async def _command(self, step: CommandStep, binding: Binding) -> StepReport:
        from fanout.scheduler.command_step import CommandRun  # with all that it takes to run one

        return await CommandRun(self.record, step, binding, self.outside, self.observer).carry_out()

    async def _taken_over(self, step: Step, earlier: Earlier) -> StepReport:
        """The step ends with what an earlier one made."""
        store, at = self.outside.store, self.record.at(step.name)
        reason = f"taken over from run {earlier.run}, which had the same code, inputs and settings"
        mine = Seal(Verdict(VerdictStatus.COMPLETED, reason), earlier.counts, at=self.outside.clock.now())
        already = await step_seal(store, at)
        if already is None and not self._took_over:
            self._took_over = True
            self.observer.notice("steps that are taken over from an earlier run are run again with --rerun")
        sealed = already or await seal(store, keys.verdict(at), mine)
        if isinstance(step, ParallelStep):
            await put(store, keys.concluded_json(at), b"{}")  # nothing follows from this seal
        return StepReport(
            step,
            sealed,
            result_uris(step, earlier.outputs),
            code=code_folder(step),
            earlier=already is not None,
            taken_from=earlier.run,
        )

    async def _sealed(self, step: Step, verdict: Verdict) -> StepReport:
        mine = Seal(verdict, Counts(total=None), at=self.outside.clock.now())
        sealed = await seal(self.outside.store, keys.verdict(self.record.at(step.name)), mine)
        return StepReport(step, sealed)


async def verdict_of(outside: Outside, run: str) -> Seal | None:
    """The verdict of a run; None while it is not over."""
    return await read_seal(outside.store, keys.run_verdict(run))
