"""The story of a parallel step: plan, publish, nodes, supervise, seal, reduce, publish files.

Each part may be cut anywhere and done again by `resume`: the plan is deterministic, manifests and step.json are created
once, results are counted once, and the seal is the one point after which nothing can change.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, replace
from itertools import chain

from fanout.errors import QueueGoneError
from fanout.node.registration import register
from fanout.plan.manifests import PlanSummary, read_summary
from fanout.plan.publish import Outbox, publish, send_some
from fanout.plan.source import PlannedInput, plan_mini_batches
from fanout.queue.port import QueuePair
from fanout.run.bind import Binding, append_row_uri, result_uris
from fanout.run.observer import RunObserver, StepReport
from fanout.run.outside import Outside
from fanout.run.record import RunRecord
from fanout.run.reuse import taken_over
from fanout.spec.steps import ParallelStep
from fanout.step import record as step_record
from fanout.step.cancelation import Cancelation, read_cancelation
from fanout.step.job_report import JobReport, job_report
from fanout.step.ledger import Ledger
from fanout.step.output_files import publish_files
from fanout.step.queues import StepQueues, note_filled, remove_queues, take_queues
from fanout.step.reading import ResultReader, absorb_sealed, first_ledger
from fanout.step.record import StepRecord
from fanout.step.reduce import Source, reduce
from fanout.step.remaining import remaining
from fanout.step.results import ResultIndex
from fanout.step.row_format import row_format
from fanout.step.seal import Seal, seal, step_seal
from fanout.step.supervise import Observers, Outcome, Progress, Supervisor, supervise, with_canceled
from fanout.step.verdict import Verdict, VerdictStatus
from fanout.store import keys
from fanout.store.keys import StepRound
from fanout.store.objects import create, put, read
from fanout.task_group import task_group

MOST_QUEUES = 5
"""Queues that a step is given, one after the other, when somebody removes them."""


@dataclass(frozen=True, slots=True)
class ParallelRun:
    """One parallel step of one run, and what it needs to be carried out."""

    run: RunRecord
    step: ParallelStep
    binding: Binding
    outside: Outside
    observer: RunObserver

    async def carry_out(self) -> StepReport:
        """The step ends here, whatever was done of it before, and whoever removes its queues meanwhile."""
        for _ in range(MOST_QUEUES - 1):
            try:
                return await self._carry_out()
            except QueueGoneError:
                self.observer.notice(f"{self.step.name}: its queue was removed by somebody else; going on without it")
        return await self._carry_out()

    async def _carry_out(self) -> StepReport:
        store, at = self.outside.store, self._at
        sealed = await step_seal(store, at)
        earlier = sealed is not None
        if sealed is not None and await read(store, keys.concluded_json(at)) is not None:
            # A second supervisor may have come too late, made a queue all the same, and died.
            await remove_queues(store, self.outside.queues, at)
            return self._report(sealed, await self._read_sealed(sealed), earlier=True)
        if sealed is None:
            self.observer.step_started(self.step)
        canceled = None if sealed else await read_cancelation(store, self.run.name, self.run.round)
        summary = await read_summary(store, self._planned_at)
        planned = await self._plan() if summary is None and sealed is None and canceled is None else None
        taken_up = await read(store, keys.step_json(at)) is not None
        record = await self._record(planned, summary)
        async with job_report(record, store, self.outside.clock) as report:
            ledger: Ledger | None = None
            if sealed is None:
                outcome = (
                    await self._work(record, planned, summary, report, taken_up=taken_up)
                    if canceled is None
                    else await self._take_in(canceled, summary, report)
                )
                sealed = await seal(store, keys.verdict(at), self._seal_of(outcome))
                ledger = outcome.ledger
            if ledger is None or sealed.objects != ledger.sealed():  # another supervisor was faster
                ledger = await self._read_sealed(sealed, report.absorb)
                if await taken_over(store, at) is not None:
                    return self._report(sealed, ledger, earlier=True)  # it took the step over: nothing here counts
            await self._conclude(sealed, ledger, report)
        return self._report(sealed, ledger, earlier=earlier)

    async def _read_sealed(self, sealed: Seal, also: Callable[[int, ResultIndex], None] | None = None) -> Ledger:
        return await absorb_sealed(self.outside.store, self._at, sealed.objects, await self._first_ledger(), also)

    async def _first_ledger(self) -> Ledger:
        """What the rounds before have left: nothing, unless this one goes on from one of them."""
        continues, checks_items = self.run.place(self.step.name).continues, self.step.thresholds.checks_items
        return await first_ledger(self.outside.store, self._at, continues, checks_items=checks_items)

    @property
    def _at(self) -> StepRound:
        return self.run.at(self.step.name)

    @property
    def _planned_at(self) -> StepRound:
        return self.run.planned_at(self.step.name)

    async def _work(
        self,
        record: StepRecord,
        planned: PlannedInput | None,
        summary: PlanSummary | None,
        report: JobReport,
        *,
        taken_up: bool,
    ) -> Outcome:
        """Mini-batches out, results in, until there is a verdict."""
        queues = await self._queues()

        def on_progress(progress: Progress) -> None:
            report.progress(progress)
            self.observer.step_progress(progress)

        supervisor = Supervisor(
            record,
            self.outside.store,
            queues.pair,
            self.outside.clock,
            Observers(on_progress, report.absorb),
            lambda: register(self.outside.store, self._at),
            lambda ledger: self._send_missing(queues.pair, ledger, report),
            await self._first_ledger(),
            (lambda ledger, indexes: self._double(queues.pair, ledger, indexes, report))
            if self.step.speculate
            else None,
            queues.follow,
        )
        await supervisor.read_the_rest()  # what earlier supervisors of this step have seen
        if taken_up:
            total = None if summary is None else summary.mini_batches
            retries = self.step.retry_settings.max_retries
            report.say(f"taken up again: {supervisor.ledger.counts.settled} mini-batches are done")
            self.observer.step_goes_on(self.step, remaining(supervisor.ledger, total, retries))
        async with (
            self.outside.engine.nodes(self._at, self.step.instance_count) as workforce,
            self._publishing(planned, summary, queues, supervisor),
        ):
            return await supervise(supervisor, workforce, self.outside.clock)

    async def _take_in(self, canceled: Cancelation, summary: PlanSummary | None, report: JobReport) -> Outcome:
        """The step was canceled while nobody supervised it: what was committed counts, and no node is started."""
        begun, ledger = self.outside.clock.monotonic(), await self._first_ledger()
        ledger.plan_total = None if summary is None else summary.mini_batches
        reader = ResultReader(self.outside.store, self._at)
        await reader.look_for_nodes()
        async for node, seq, index in reader.news():
            ledger.absorb(node, seq, index)
            report.absorb(node, index)
        seconds = self.outside.clock.monotonic() - begun
        return Outcome(Verdict(VerdictStatus.CANCELED, str(canceled)), ledger, seconds)

    async def _plan(self) -> PlannedInput:
        """The input has been looked at and holds at least one mini-batch, if it can."""
        major = self.binding.inputs[self.step.input_data]
        assert major.uri is not None  # noqa: S101 - the spec refuses literals as input_data
        uri = major.uri

        def look() -> PlannedInput:
            planned = plan_mini_batches(self.step, uri, major.type, major.mode, self.outside.access)
            first = next(planned.batches, None)
            return planned if first is None else replace(planned, batches=chain([first], planned.batches))

        return await asyncio.to_thread(look)

    async def _record(self, planned: PlannedInput | None, summary: PlanSummary | None) -> StepRecord:
        """step.json, created now or by an earlier supervisor."""
        store, key, place = self.outside.store, keys.step_json(self._at), self.run.place(self.step.name)
        recipe = planned.recipe_json if planned else summary.recipe if summary else None
        ready = planned is not None or (summary is not None and place.continues is not None)
        mine = StepRecord(
            run=self.run.name,
            step=self.step,
            inputs=self.binding.inputs,
            outputs=self.binding.outputs,
            row_format=row_format(append_row_uri(self.step, self.binding.outputs)),
            visibility=self.outside.settings.visibility,
            code=self.run.code.get(self.step.name),
            code_from=self.step.task.code,
            recipe=recipe,
            round=place.round,
            planned_in=place.planned_in,
            continues=place.continues,
        )
        if ready and await create(store, key, step_record.dump(mine)):
            return mine
        return await step_record.read_record(store, self._at) or mine

    async def _queues(self) -> StepQueues:
        settings = self.outside.settings
        return await take_queues(
            self.outside.store,
            self.outside.queues,
            self._at,
            settings.store,
            visibility=settings.visibility,
            max_receives=settings.max_receives,
        )

    @contextlib.asynccontextmanager
    async def _publishing(
        self, planned: PlannedInput | None, summary: PlanSummary | None, queues: StepQueues, supervisor: Supervisor
    ) -> AsyncIterator[None]:
        """Publishes beside the supervising; an error of the one ends the other."""
        if summary is not None:
            supervisor.planned_so_far(summary.mini_batches)
        if summary is not None and queues.filled:
            supervisor.plan_is_complete(summary.mini_batches)
            yield
            return
        async with task_group() as tasks:
            publishing = tasks.create_task(self._publish(planned, queues, supervisor))
            yield
            publishing.cancel()

    async def _publish(self, planned: PlannedInput | None, queues: StepQueues, supervisor: Supervisor) -> None:
        store = self.outside.store
        outbox = self._outbox(queues.pair, supervisor.ledger, supervisor.planned_so_far)
        summary = await publish(lambda: _known(planned), store, outbox)
        await note_filled(store, self._at, queues.name)
        supervisor.plan_is_complete(summary.mini_batches)

    async def _send_missing(self, queues: QueuePair, ledger: Ledger, report: JobReport) -> None:
        report.say("messages were lost; their mini-batches are sent again")
        self.observer.notice(f"{self.step.name}: messages were lost; their mini-batches are sent again")
        await publish(lambda: _known(None), self.outside.store, self._outbox(queues, ledger, lambda _: None))

    async def _double(self, queues: QueuePair, ledger: Ledger, indexes: Collection[int], report: JobReport) -> None:
        some = "a mini-batch takes" if len(indexes) == 1 else f"{len(indexes)} mini-batches take"
        report.say(f"{some} far longer than the others; tried a second time beside it")
        self.observer.notice(f"{self.step.name}: {some} far longer than the others; tried a second time beside it")
        outbox = replace(self._outbox(queues, ledger, lambda _: None), copies=True)
        await send_some(self.outside.store, outbox, indexes)

    def _outbox(self, queues: QueuePair, ledger: Ledger, on_shard: Callable[[int], None]) -> Outbox:
        most = self.step.retry_settings.max_retries  # reached by an attempt that failed when it was held no more
        return Outbox(
            queues.main,
            self._at,
            self._planned_at,
            skip=ledger.settled_indexes,
            attempts={index: min(attempt, most) for index, attempt in ledger.next_attempts.items()},
            parts={
                index: [(part, min(attempt, most)) for part, attempt in parts]
                for index, parts in ledger.open_parts.items()
            },
            on_shard=on_shard,
        )

    def _seal_of(self, outcome: Outcome) -> Seal:
        return Seal(
            outcome.verdict,
            with_canceled(outcome.ledger.counts),
            outcome.ledger.sealed(),
            self.outside.clock.now(),
            outcome.seconds,
        )

    async def _conclude(self, sealed: Seal, ledger: Ledger, report: JobReport) -> None:
        """Everything that follows from the seal: outputs, logs, no queues left. All of it can be done again."""
        store, at = self.outside.store, self._at
        if sealed.verdict.completed:
            uri = append_row_uri(self.step, self.binding.outputs)
            if uri is not None:
                await reduce(Source(store, at, ledger), row_format(uri), uri, self.outside.access)
            await publish_files(store, at, ledger.staged(), self.binding.outputs, self.outside.access)
        await report.publish(sealed, ledger)
        await remove_queues(store, self.outside.queues, at)
        await put(store, keys.concluded_json(at), b"{}")

    def _report(self, sealed: Seal, ledger: Ledger, *, earlier: bool) -> StepReport:
        outputs = result_uris(self.step, self.binding.outputs)
        return StepReport(
            step=self.step,
            seal=sealed,
            outputs=outputs if sealed.verdict.completed else {},
            failures=tuple(ledger.failures),
            events=tuple(ledger.events),
            logs=f"{self.outside.settings.store.rstrip('/')}/{keys.logs(self._at)}",
            code=self.step.task.code,
            planned=self._planned_at,
            earlier=earlier,
        )


def _known(planned: PlannedInput | None) -> PlannedInput:
    assert planned is not None  # noqa: S101 - `publish` asks only while there is no plan.json
    return planned
