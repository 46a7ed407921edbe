"""Drives the machine of a run: carries out what it decides, and reports to it how each step ended.

How a step is carried out is a parameter (`Carry`): to its end, or a part of the way. Everything here may be interrupted
anywhere and done again, because the state of each step is read from the store.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from fanout.errors import InputError
from fanout.pipeline.model import ParallelStep, Step
from fanout.records.cancelation import Cancelation, canceled_before, end_others, read_cancelation
from fanout.records.run import RunRecord
from fanout.records.seal import Seal, seal, step_seal
from fanout.records.step import BoundOutput
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.scheduler.bindings import Binding, bind, result_uris
from fanout.scheduler.code_folders import code_folder
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import RunObserver, StepReport
from fanout.scheduler.reuse.step_reuse import StepReuse
from fanout.scheduler.reuse.taken_over import Earlier
from fanout.scheduler.run_machine import Action, Begin, Conclude, LookAgain, RunFacts, SkipStep, decide, fails_run
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put, read
from fanout.tasks import task_group


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The step is not over: others work on it, and it is to be looked at again after `after` seconds."""

    after: float


Carry = Callable[[Step, Binding], Awaitable[StepReport | UnderWay]]
"""Carries out a step, as far as it goes now."""


@dataclass(slots=True)
class RunDriver:
    """One pass over the steps of a run.

    `made_from` holds, by step name, the digests of what steps are made from that have not ended. The look before passes
    them to this one, and this one passes them to the next.
    """

    record: RunRecord
    context: RunContext
    observer: RunObserver
    carry: Carry
    made_from: dict[str, str] = field(default_factory=dict)
    _reports: dict[str, StepReport] = field(default_factory=dict)
    _skipped: set[str] = field(default_factory=set)
    _under_way: dict[str, float | None] = field(default_factory=dict)
    _canceled: Cancelation | None = None
    _outputs: dict[str, dict[str, BoundOutput]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _took_over: bool = False

    @property
    def reports(self) -> tuple[StepReport, ...]:
        """The reports of the steps that have ended, in the order of the pipeline."""
        names = (step.name for step in self.record.pipeline.steps)
        return tuple(self._reports[name] for name in names if name in self._reports)

    async def go(self) -> LookAgain | Conclude:
        """Does everything that can be done now; returns how the run goes on."""
        async with task_group() as tasks:
            while True:
                for action in (actions := self._decide()):
                    match action:
                        case Begin(step):
                            self._under_way[step.name] = None
                            tasks.create_task(self._step(step))
                        case SkipStep(step, reason):
                            self._skip(step, reason)
                        case _:
                            return action
                if not any(isinstance(action, SkipStep) for action in actions):
                    await self._news.wait()
                    self._news.clear()

    def _decide(self) -> tuple[Action, ...]:
        facts = RunFacts(self._reports, self._skipped, self._under_way, self._canceled)
        return decide(self.record.pipeline.steps, facts)

    async def _step(self, step: Step) -> None:
        if (canceled := await self._canceled_before(step)) is not None:
            self._canceled = canceled
            self._skip(step, str(canceled))
        else:
            end = await self._carry_out(step)
            if isinstance(end, UnderWay):
                self._under_way[step.name] = end.after
            else:
                await self._ended(end)
        self._news.set()

    def _skip(self, step: Step, reason: str) -> None:
        self._under_way.pop(step.name, None)
        self._skipped.add(step.name)
        self.observer.step_skipped(step, reason)

    async def _ended(self, report: StepReport) -> None:
        store, run, name = self.context.store, self.record, report.step.name
        # What stays as an earlier round has left it says nothing about this one.
        stays = run.place(name).round != run.round
        if fails_run(run.pipeline, report) and not stays:
            await end_others(store, run.name, run.round, name, self.context.clock)
        if report.seal.verdict.status is VerdictStatus.CANCELED:
            self._canceled = await read_cancelation(store, run.name, run.round)
        del self._under_way[name]
        self._reports[name] = report
        self.observer.step_ended(report)

    async def _canceled_before(self, step: Step) -> Cancelation | None:
        """Returns who canceled the run before the step began; None when it was not, or a worker has the command."""
        store, run, at = self.context.store, self.record, self.record.at(step.name)
        canceled = await canceled_before(store, run.name, run.round, at)
        if canceled is not None and await read(store, keys.handed_json(at)) is not None:
            return None  # a worker has the command, and ends it
        return canceled

    async def _carry_out(self, step: Step) -> StepReport | UnderWay:
        binding = bind(step, self.record.planned_at(step.name), self.context.settings, self._outputs)
        reuse = StepReuse(self.record, step, binding, self.context)
        if (earlier := await reuse.find()) is not None:
            self._outputs[step.name] = earlier.outputs
            return await self._take_over(step, earlier)
        self._outputs[step.name] = binding.outputs
        if reuse.is_wanted and reuse.reason is not None:
            self.observer.notice(f"{step.name}: nothing is reused: {reuse.reason}")
        end = await self.carry(step, binding)
        under_way = self.made_from.pop(step.name, None)
        if isinstance(end, UnderWay):
            if (digest := reuse.made_from.digest if reuse.made_from else under_way) is not None:
                self.made_from[step.name] = digest
        elif under_way is not None or not end.earlier:
            await reuse.remember(end)
        return end

    async def _take_over(self, step: Step, earlier: Earlier) -> StepReport:
        """Ends the step with what a step of an earlier run made."""
        store, at = self.context.store, self.record.at(step.name)
        reason = f"taken over from run {earlier.run}, which had the same code, inputs and settings"
        mine = Seal(Verdict(VerdictStatus.COMPLETED, reason), earlier.counts, at=self.context.clock.now())
        already = await step_seal(store, at)
        if already is None and not self._took_over:
            self._took_over = True
            self.observer.notice(
                "steps that are taken over from an earlier run are run again with --rerun, or reuse=False in Python"
            )
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


def in_run(record: RunRecord, context: RunContext) -> RunContext:
    """Returns the context with the datastores that the run began with."""
    settings = record.settings(context.settings)
    return replace(context, settings=settings, access=replace(context.access, datastores=settings.roots))


async def seal_run(record: RunRecord, context: RunContext, end: Conclude, seconds: float) -> Seal:
    """Seals this round of the run with `end`; returns this seal, or the one that another process has written before."""
    mine = Seal(end.verdict, end.counts, at=context.clock.now(), seconds=seconds)
    return await seal(context.store, keys.run_verdict(record.name, record.round), mine)


async def seal_failed(at: StepRound, context: RunContext, why: InputError) -> Seal:
    """Seals a step that failed before it had results; returns this seal, or one that another process wrote before."""
    mine = Seal(Verdict(VerdictStatus.FAILED, str(why)), Counts(total=None), at=context.clock.now())
    return await seal(context.store, keys.verdict(at), mine)
