"""The stages of a parallel step: each can be interrupted anywhere and done again.

`fanout.scheduler.parallel_step` carries a step out from its plan to its end in one process;
`fanout.scheduler.ticks.parallel_tick` does a part of the work each time it is called.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.files import uris
from fanout.output.merge import reduce
from fanout.output.merge_multipart import in_parts, reduce_in_parts
from fanout.output.output_files import publish_files
from fanout.output.output_notes import overwritten, stale
from fanout.output.row_windows import RowSource
from fanout.pipeline.model import ParallelStep
from fanout.planning.known_items import KnownBatches
from fanout.planning.manifests import PlanSummary
from fanout.planning.publish import Outbox, publish, send_some
from fanout.planning.source import PlannedInput, plan_mini_batches, plan_ranks
from fanout.planning.stop_request import in_thread
from fanout.planning.tables.shuffle_store import ShuffleStore
from fanout.queues.base import QueuePair
from fanout.queues.step_queues import remove_queues
from fanout.records import step as step_record
from fanout.records.cancelation import Cancelation
from fanout.records.row_format import row_format
from fanout.records.run import RunRecord
from fanout.records.seal import Seal
from fanout.records.step import StepRecord
from fanout.records.value_changes import located
from fanout.records.verdict import Verdict, VerdictStatus
from fanout.reports.failing_nodes import failing_nodes
from fanout.reports.job_report import JobReport
from fanout.results.codec import ResultIndex
from fanout.results.fences import fenced_nodes
from fanout.results.ledger import Ledger
from fanout.results.reader import ResultReader, absorb_sealed, first_ledger
from fanout.scheduler.bindings import Binding, append_row_uri, result_uris
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import RunObserver, StepReport
from fanout.scheduler.reuse.known_results import KnownResults, TakenItems, load_known
from fanout.scheduler.reuse.made_from import notes_items
from fanout.security.signature import Signer, new_key
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, put
from fanout.supervision.step_machine import with_canceled
from fanout.supervision.supervisor import Outcome
from fanout.tasks import each

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def planned_input(
    step: ParallelStep,
    binding: Binding,
    at: StepRound,
    context: RunContext,
    *,
    dry: bool = False,
    known: KnownBatches | None = None,
) -> PlannedInput:
    """Plans the mini-batches of the step's major input, or those without data; InputError as for `plan_mini_batches`.

    They are planned in the round `at`. With `dry`, planning writes nothing into the store.
    """
    if step.rank_mini_batch_count:
        return plan_ranks(step)
    major = binding.inputs[step.input_data]
    assert major.uri is not None  # noqa: S101 - the spec refuses literals as input_data
    spilled = uris.join(uris.absolute(context.settings.store, str(Path.cwd())), keys.spilled(at))
    spill = ShuffleStore(spilled, None if dry else context.access)
    return plan_mini_batches(step, major.uri, major.type, major.mode, context.access, spill, known)


@dataclass(frozen=True, slots=True)
class ParallelParts:
    """One parallel step of one run, with all that is needed to carry it out."""

    run: RunRecord
    step: ParallelStep
    binding: Binding
    context: RunContext
    observer: RunObserver

    @property
    def at(self) -> StepRound:
        """The step and round under which the store keeps everything of the step."""
        return self.run.at(self.step.name)

    @property
    def planned_at(self) -> StepRound:
        """The step and round under which the store keeps its manifests."""
        return self.run.planned_at(self.step.name)

    async def first_ledger(self) -> Ledger:
        """Returns the ledger that this round begins with: empty, unless the round continues an earlier one."""
        return await first_ledger(self.context.store, self.at, self.run.place(self.step.name).continues, self.step)

    async def plan(self, known: KnownResults | None = None) -> PlannedInput:
        """Plans the input, and makes its first mini-batch at once, if there is one, so that errors show up now.

        `known`: the results of an earlier run, which may stand in for some of the mini-batches.
        """
        batches = None
        if known is not None or await notes_items(self.run, self.step, self.context.store):
            batches = KnownBatches() if known is None else await known.batches()

        def look() -> PlannedInput:
            planned = planned_input(self.step, self.binding, self.planned_at, self.context, known=batches)
            first = next(planned.batches, None)
            return planned if first is None else replace(planned, batches=chain([first], planned.batches))

        return await in_thread(look)

    async def known(self) -> KnownResults | None:
        """Returns the results of an earlier run that are taken over one by one; None when there are none."""
        return await load_known(self.context.store, self.at)

    def taken_items(self, ledger: Ledger, known: KnownResults | None) -> TakenItems:
        """Returns the keeper that takes over `known` while the plan is published.

        `ledger` holds what was taken over before.
        """
        return TakenItems(self.context.store, self.at, self.planned_at, ledger, known)

    async def record(self, planned: PlannedInput | None, summary: PlanSummary | None) -> StepRecord:
        """Returns the step's record, step.json: creates it, or reads the one that an earlier supervisor created."""
        store, key, place = self.context.store, keys.step_json(self.at), self.run.place(self.step.name)
        recipe = planned.recipe_json if planned else summary.recipe if summary else None
        ready = planned is not None or summary is not None
        mine = StepRecord(
            run=self.run.name,
            step=self.step,
            inputs=self.binding.inputs,
            outputs=self.binding.outputs,
            row_format=row_format(append_row_uri(self.step, self.binding.outputs)),
            visibility=self.context.settings.visibility,
            code=self.run.code.get(self.step.name),
            code_from=self.step.task.code,
            recipe=recipe,
            round=place.round,
            planned_in=place.planned_in,
            code_changes=self.run.code_changes,
            continues=place.continues,
            message_key=new_key(),
        )
        if ready and await create(store, key, step_record.dump(mine)):
            return mine
        return await step_record.read_record(store, self.at) or mine

    def outbox(
        self, queues: QueuePair, signer: Signer, ledger: Ledger, on_shard: Callable[[int], None] = lambda _: None
    ) -> Outbox:
        """Returns the outbox that sends each mini-batch without an outcome, with the number of its next attempt."""
        most = self.step.retry_settings.max_retries  # reached by an attempt that failed when it was held no more
        return Outbox(
            queues.main,
            self.at,
            self.planned_at,
            skip=ledger.settled_indexes,
            attempts={index: min(attempt, most) for index, attempt in ledger.next_attempts.items()},
            parts={
                index: [(part, min(attempt, most)) for part, attempt in parts]
                for index, parts in ledger.open_parts.items()
            },
            on_shard=on_shard,
            signer=signer,
        )

    async def take_in(
        self, canceled: Cancelation, summary: PlanSummary | None, also: Callable[[int, ResultIndex], None] | None = None
    ) -> Outcome:
        """Takes in what was committed of a step that was canceled while no process supervised it; starts no node."""
        begun, ledger = self.context.clock.monotonic(), await self.first_ledger()
        ledger.plan_total = None if summary is None else summary.mini_batches
        ledger.fences = replace(ledger.fences, nodes=await fenced_nodes(self.context.store, self.at))
        reader = ResultReader(self.context.store, self.at)
        await reader.look_for_nodes()
        async for node, seq, index in reader.news():
            ledger.absorb(node, seq, index)
            if also is not None:
                also(node, index)
        seconds = self.context.clock.monotonic() - begun
        return Outcome(Verdict(VerdictStatus.CANCELED, str(canceled)), ledger, seconds)

    def seal_of(self, outcome: Outcome) -> Seal:
        """Returns the seal that follows from an outcome."""
        return Seal(
            outcome.verdict,
            with_canceled(outcome.ledger.counts),
            outcome.ledger.sealed(),
            self.context.clock.now(),
            outcome.seconds,
            tuple(sorted(outcome.ledger.fences.nodes)),
            tuple(map(located, outcome.ledger.changes.all())),
        )

    async def read_sealed(self, sealed: Seal, also: Callable[[int, ResultIndex], None] | None = None) -> Ledger:
        """Returns the ledger of the results that the seal names; calls `also` with each index."""
        ledger = await self.first_ledger()
        return await absorb_sealed(self.context.store, self.at, sealed.objects, ledger, also, fenced=sealed.fenced)

    async def conclude(
        self, sealed: Seal, ledger: Ledger, report: JobReport, go_on: Callable[[], bool] | None = None
    ) -> bool:
        """Does everything that follows from the seal: writes outputs and logs, removes the queues.

        It may be called again. Returns whether all is done. It may return False when `go_on` says that time is short;
        then it has to be called again.
        """
        store, at = self.context.store, self.at
        if sealed.verdict.completed:
            uri = append_row_uri(self.step, self.binding.outputs)
            if uri is not None and not await self._reduced(RowSource(store, at, ledger), uri, go_on):
                return False
            outputs, access = self.binding.outputs, self.context.access
            await publish_files(store, at, ledger.staged(), outputs, access)
            report.notes = [
                *overwritten(ledger.staged(), outputs),
                *await stale(ledger.staged(), outputs, access, uri),
            ]
        await report.publish(sealed, ledger)
        await remove_queues(store, self.context.queues, at, self.context.settings.store)
        await put(store, keys.concluded_json(at), b"{}")
        return True

    async def _reduced(self, source: RowSource, uri: str, go_on: Callable[[], bool] | None) -> bool:
        if go_on is not None and in_parts(source, row_format(uri), uri):
            return await reduce_in_parts(source, row_format(uri), uri, self.context.access, go_on)
        await reduce(source, row_format(uri), uri, self.context.access)
        return True

    async def report(self, sealed: Seal, ledger: Ledger, *, earlier: bool, notes: Sequence[str] = ()) -> StepReport:
        """Returns the report of the step's end."""
        nodes = await failing_nodes(self.context.store, self.at, ledger.failed_on, len(sealed.objects))
        outputs = result_uris(self.step, self.binding.outputs)
        return StepReport(
            step=self.step,
            seal=sealed,
            outputs=outputs if sealed.verdict.completed else {},
            failures=tuple(ledger.failures),
            events=tuple(ledger.events),
            logs=f"{self.context.settings.store.rstrip('/')}/{keys.logs(self.at)}",
            code=self.step.task.code,
            planned=self.planned_at,
            earlier=earlier,
            nodes=tuple(nodes.lines()),
            notes=tuple(notes),
        )


@dataclass(frozen=True, slots=True)
class StepSender:
    """Sends messages of a step's mini-batches again, and notes so in the run's notices and in the report (`say`)."""

    parts: ParallelParts
    queues: QueuePair
    signer: Signer
    say: Callable[[str], None] = lambda _: None

    async def resend(self, ledger: Ledger) -> None:
        """Sends the messages of all mini-batches without an outcome again, because they were lost."""
        self._report("messages were lost; their mini-batches are sent again")
        await publish(lambda: known(None), self._store, self._outbox(ledger))

    async def send_again(self, ledger: Ledger, indexes: Collection[int]) -> None:
        """Sends messages of these mini-batches, for which nothing is under way any more."""
        await send_some(self._store, self._outbox(ledger), indexes)

    async def speculate(self, ledger: Ledger, indexes: Collection[int]) -> None:
        """Sends copies of those of these mini-batches that had no copy yet, from any process.

        Each copy is noted before it is sent. When the process ends in between, the mini-batch gets no second try.
        """
        at, store = self.parts.at, self._store
        are_first = await each(lambda index: create(store, keys.speculated(at, index), b"{}"), indexes)
        chosen = [index for index, is_first in zip(indexes, are_first, strict=True) if is_first]
        if not chosen:
            return
        some = "a mini-batch takes" if len(chosen) == 1 else f"{len(chosen)} mini-batches take"
        self._report(f"{some} far longer than the others; tried a second time beside it")
        await send_some(self._store, replace(self._outbox(ledger), copies=True), chosen)

    @property
    def _store(self) -> "ObjectStore":
        return self.parts.context.store

    def _outbox(self, ledger: Ledger) -> Outbox:
        return self.parts.outbox(self.queues, self.signer, ledger)

    def _report(self, sentence: str) -> None:
        self.say(sentence)
        self.parts.observer.notice(f"{self.parts.step.name}: {sentence}")


def known(planned: PlannedInput | None) -> PlannedInput:
    """Returns the plan. `publish` asks for it only while there is no plan.json, so it was made."""
    assert planned is not None  # noqa: S101 - then it was made
    return planned
