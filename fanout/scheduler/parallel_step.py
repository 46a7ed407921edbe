"""Carries a parallel step out in one process: plan, publish, nodes, supervise, seal, reduce, publish files.

Each part may be interrupted anywhere and done again by `resume`: the plan is deterministic, manifests and step.json are
created once, results are counted once, and nothing can change after the seal.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from fanout.engines.base import Load
from fanout.errors import EngineError, QueueGoneError, SettingsError
from fanout.planning.manifests import PlanSummary, read_summary
from fanout.planning.publish import publish
from fanout.planning.source import PlannedInput
from fanout.queues.step_queues import StepQueues, note_filled, remove_queues, take_queues
from fanout.records.cancelation import read_cancelation
from fanout.records.node_registration import register
from fanout.records.seal import seal, step_seal
from fanout.records.step import StepRecord
from fanout.reports.job_report import JobReport, job_report
from fanout.reports.remaining import remaining
from fanout.results.fences import Fence
from fanout.scheduler.observer import StepReport
from fanout.scheduler.parallel_stages import ParallelParts, StepSender, known
from fanout.scheduler.restart.earlier_sessions import CountedWorkforce, attempts_under_way, seconds_since
from fanout.scheduler.reuse.known_results import KnownResults
from fanout.scheduler.reuse.taken_over import taken_over
from fanout.security.signature import Signer
from fanout.storage import keys
from fanout.storage.objects import read
from fanout.supervision.fencer import Fencer
from fanout.supervision.progress import Observers, Progress
from fanout.supervision.supervisor import Outcome, Supervisor, supervise
from fanout.tasks import task_group

if TYPE_CHECKING:
    from fanout.results.ledger import Ledger

MOST_QUEUES = 5
"""Queues that a step is given, one after the other, when others remove them."""


class ParallelRun(ParallelParts):
    """A parallel step that this process carries out, from its plan to its end."""

    __slots__ = ()

    async def carry_out(self) -> StepReport:
        """Carries the step out to its end, from where it stands; returns its report.

        When other processes remove its queues, it goes on with new ones, with at most MOST_QUEUES in all.
        """
        for _ in range(MOST_QUEUES - 1):
            try:
                return await self._carry_out()
            except QueueGoneError:
                self.observer.notice(
                    f"{self.step.name}: its queue was removed by another process; continuing with a new queue"
                )
        return await self._carry_out()

    async def _carry_out(self) -> StepReport:
        store, at = self.context.store, self.at
        sealed = await step_seal(store, at)
        earlier = sealed is not None
        if sealed is not None and await read(store, keys.concluded_json(at)) is not None:
            # A second supervisor may have come too late, made a queue all the same, and died.
            await remove_queues(store, self.context.queues, at, self.context.settings.store)
            return await self.report(sealed, await self.read_sealed(sealed), earlier=True)
        if sealed is None:
            self.observer.step_started(self.step)
        canceled = None if sealed else await read_cancelation(store, self.run.name, self.run.round)
        summary = await read_summary(store, self.planned_at)
        is_new = summary is None and sealed is None and canceled is None
        earlier_results = await self.known() if is_new else None
        planned = await self.plan(earlier_results) if is_new else None
        taken_up = await read(store, keys.step_json(at)) is not None
        record = await self.record(planned, summary)
        if earlier or canceled is not None:
            await self._clear_nodes()
        async with job_report(record, store, self.context.clock) as report:
            ledger: Ledger | None = None
            if sealed is None:
                outcome = (
                    await self._work(record, planned, summary, report, earlier_results, taken_up=taken_up)
                    if canceled is None
                    else await self.take_in(canceled, summary, report.absorb)
                )
                sealed = await seal(store, keys.verdict(at), self.seal_of(outcome))
                ledger = outcome.ledger
            if ledger is None or not sealed.names(ledger.sealed(), ledger.fences.nodes):  # another one was faster
                ledger = await self.read_sealed(sealed, report.absorb)
                if await taken_over(store, at) is not None:
                    return await self.report(sealed, ledger, earlier=True)  # it took the step over: nothing here counts
            await self.conclude(sealed, ledger, report)
        return await self.report(sealed, ledger, earlier=earlier, notes=report.notes)

    async def _work(
        self,
        record: StepRecord,
        planned: PlannedInput | None,
        summary: PlanSummary | None,
        report: JobReport,
        earlier_results: KnownResults | None,
        *,
        taken_up: bool,
    ) -> Outcome:
        """Sends mini-batches and takes in results until there is a verdict."""
        queues = await self._queues()

        def on_progress(progress: Progress) -> None:
            report.progress(progress)
            self.observer.step_progress(progress)

        def on_news(sentence: str) -> None:
            report.log_line(sentence)
            self.observer.notice(f"{self.step.name}: {sentence}")

        def on_fence(fence: Fence) -> None:
            report.log_line(str(fence))
            self.observer.notice(f"{self.step.name}: {fence}; what failed on it is tried again on others")

        supervisor = Supervisor(
            record,
            self.context.store,
            queues.pair,
            self.context.clock,
            Observers(on_progress, report.absorb, on_news),
            lambda: register(self.context.store, self.at),
            StepSender(self, queues.pair, record.signer, report.log_line),
            await self.first_ledger(),
            follow=queues.follow,
            fencer=Fencer(record, self.context.store, self.context.clock, self.first_ledger, on_fence),
        )
        await supervisor.catch_up()
        if taken_up:
            total = None if summary is None else summary.mini_batches
            retries = self.step.retry_settings.max_retries
            report.log_line(f"taken up again: {supervisor.ledger.counts.settled} mini-batches are done")
            self.observer.step_continues(self.step, remaining(supervisor.ledger, total, retries))
        async with (
            self.context.engine.nodes(self.at, self.step, lambda: _load(supervisor)) as workforce,
            self._publishing(planned, summary, queues, record.signer, supervisor, earlier_results),
        ):
            store, clock = self.context.store, self.context.clock
            counted = CountedWorkforce(workforce, lambda: attempts_under_way(store, self.at, clock))
            outcome = await supervise(supervisor, counted, clock)
        report.killed = counted.killed
        since = await seconds_since(store, keys.step_json(self.at), clock.now()) if taken_up else 0.0
        return replace(outcome, seconds=max(outcome.seconds, since))

    async def _clear_nodes(self) -> None:
        """Removes the nodes that a process that died has started elsewhere.

        When this machine lacks the engine for that, a notice says that they leave by themselves.
        """
        try:
            await self.context.engine.clear(self.at, self.step)
        except (EngineError, SettingsError) as exc:
            self.observer.notice(
                f"{self.step.name}: its nodes are not removed from here, and leave by themselves: {exc}"
            )

    async def _queues(self) -> StepQueues:
        settings = self.context.settings
        return await take_queues(
            self.context.store,
            self.context.queues,
            self.at,
            settings.store,
            visibility=settings.visibility,
            max_receives=settings.max_receives,
        )

    @contextlib.asynccontextmanager
    async def _publishing(
        self,
        planned: PlannedInput | None,
        summary: PlanSummary | None,
        queues: StepQueues,
        signer: Signer,
        supervisor: Supervisor,
        earlier_results: KnownResults | None,
    ) -> AsyncIterator[None]:
        """Publishes the plan while the step is supervised; an error of one ends the other."""
        if summary is not None:
            supervisor.planned_so_far(summary.mini_batches)
        if summary is not None and queues.filled:
            supervisor.plan_is_complete(summary.mini_batches)
            yield
            return
        async with task_group() as tasks:
            publishing = tasks.create_task(self._publish(planned, queues, signer, supervisor, earlier_results))
            yield
            publishing.cancel()

    async def _publish(
        self,
        planned: PlannedInput | None,
        queues: StepQueues,
        signer: Signer,
        supervisor: Supervisor,
        earlier_results: KnownResults | None,
    ) -> None:
        store = self.context.store
        outbox = self.outbox(queues.pair, signer, supervisor.ledger, supervisor.planned_so_far)
        taken = self.taken_items(supervisor.ledger, earlier_results)
        summary = await publish(lambda: known(planned), store, outbox, keeper=taken)
        if (sentence := taken.sentence) is not None:
            self.observer.notice(f"{self.step.name}: {sentence}")
        await note_filled(store, self.at, queues.name, self.context.settings.store)
        supervisor.plan_is_complete(summary.mini_batches)


def _load(supervisor: Supervisor) -> Load:
    settled = supervisor.ledger.counts.settled
    return Load(max(0, supervisor.planned - settled), settled)
