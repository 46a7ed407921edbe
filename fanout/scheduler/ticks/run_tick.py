"""One tick of a run: looks at every step that is under way, and does what follows from it.

`fanout.scheduler.resident` stays with a run to its end; no process does here. Each tick reads from the store where the
run stands, does what can be done at once (plan, send, supervise, seal), hands on what takes its time (commands,
outputs), and sends itself the next tick. When the run has its verdict it does not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from obstore.store import ObjectStore

from fanout.errors import InputError, TimeIsOverError
from fanout.pipeline.model import CommandStep, ParallelStep, Step
from fanout.records.cancelation import Cancelation, canceled_before, end_others, read_cancelation
from fanout.records.node_registration import register
from fanout.records.run import RunRecord, load_record, signer_of
from fanout.records.seal import Seal, read_seal, seal, step_seal
from fanout.records.step import BoundOutput
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.scheduler.bindings import Binding, bind
from fanout.scheduler.command_step import CommandRun
from fanout.scheduler.context import Outside
from fanout.scheduler.observer import StepReport, Unwatched
from fanout.scheduler.reuse import taken_over
from fanout.scheduler.run_graph import ends_others, hindrance, in_order, run_counts, run_verdict
from fanout.scheduler.ticks.deployment_queues import Standing, Turn
from fanout.scheduler.ticks.parallel_tick import Kept, ParallelTick
from fanout.scheduler.ticks.tick_record import StepMemory, Ticking, read_ticking, write_ticking
from fanout.security.signature import Signer
from fanout.storage import keys
from fanout.storage.objects import put, read
from fanout.supervision.dead_letters import drain_standing

HANDED_ON = 300.0
"""Seconds until the next look when all that is under way was handed on: whoever has it tells when it is done."""
AT_ONCE = 1.0
MOST_DRAINS = 20
"""Receives from the dead-letter queue in one look: letters that stay there keep no others from being read."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a look is done with; `go_on` says whether there is time for more."""

    outside: Outside
    standing: Standing
    kept: Kept
    go_on: Callable[[], bool]


async def take_turn(turn: Turn, tools: Tools) -> Seal | None:
    """One look at the run, and the next one on its way; the verdict instead, when the run has one.

    A turn that others have overtaken, because it was delivered twice, does nothing.
    """
    store = tools.outside.store
    before = await read_ticking(store, turn.run)
    if turn.number is not None and turn.number < before.number:
        return None
    record = await load_record(store, turn.run)
    sealed, seen = await _look(record, tools, before.steps)
    if sealed is not None:
        return sealed
    after = replace(seen, number=before.number + 1)
    # Sent first: cut in between, this turn is delivered again, and the next one is there twice.
    await tools.standing.look(Turn(turn.run, after.number), record.signer, after.delay)
    await write_ticking(store, turn.run, after)
    return None


async def _look(record: RunRecord, tools: Tools, memories: Mapping[str, StepMemory]) -> tuple[Seal | None, Ticking]:
    """The verdict of the run, or what the next look goes by."""
    store, key = tools.outside.store, keys.run_verdict(record.name, record.round)
    if (sealed := await read_seal(store, key)) is not None:
        return sealed, Ticking()
    settings = record.settings(tools.outside.settings)
    access = replace(tools.outside.access, datastores=settings.roots)
    outside = replace(tools.outside, settings=settings, access=access)
    look = _Look(record, replace(tools, outside=outside), memories)
    await look.at_all()
    if look.under_way:
        return None, Ticking(delay=min(look.under_way.values()), steps=look.seen)
    now = outside.clock.now()
    verdict = run_verdict(record.pipeline.steps, look.reports, look.canceled)
    mine = Seal(verdict, run_counts(look.reports.values()), at=now, seconds=max(0.0, now - record.created))
    return await seal(store, key, mine), Ticking()


@dataclass(slots=True)
class _Look:
    """One look at all steps."""

    record: RunRecord
    tools: Tools
    memories: Mapping[str, StepMemory]
    reports: dict[str, StepReport] = field(default_factory=dict)
    under_way: dict[str, float] = field(default_factory=dict)  # steps, and after how long to look again
    seen: dict[str, StepMemory] = field(default_factory=dict)
    canceled: Cancelation | None = None
    _skipped: set[str] = field(default_factory=set)
    _outputs: dict[str, dict[str, BoundOutput]] = field(default_factory=dict)

    async def at_all(self) -> None:
        """Every step that can be is a bit further."""
        await self._drain_dead_letters()
        for step in in_order(self.record.pipeline.steps):
            if all(name in self.reports or name in self._skipped for name in step.after):
                await self._at(step)

    async def _drain_dead_letters(self) -> None:
        outside, dead = self.tools.outside, self.tools.standing.work.dead

        async def signer(run: str) -> Signer | None:
            return await signer_of(outside.store, run)

        for _ in range(MOST_DRAINS):
            if not (await dead.depth()).total:
                return
            if not await drain_standing(dead, outside.store, outside.clock, register, signer):
                return

    async def _at(self, step: Step) -> None:
        if hindrance(step, self.reports) or await self._canceled_before(step):
            self._skipped.add(step.name)
            return
        binding = bind(step, self.record.planned_at(step.name), self.tools.outside.settings, self._outputs)
        self._outputs[step.name] = binding.outputs
        report = await (
            self._parallel(step, binding) if isinstance(step, ParallelStep) else self._command(step, binding)
        )
        if report is None:
            return
        self.reports[step.name] = report
        if report.seal.verdict.completed and not report.seal.objects:
            # `fanout resume` may have taken it over.
            earlier = await taken_over(self._store, self.record.at(step.name))
            self._outputs[step.name] = earlier.outputs if earlier else binding.outputs
        stays = self.record.place(step.name).round != self.record.round
        if ends_others(self.record.pipeline, report) and not stays:
            run = self.record
            await end_others(self._store, run.name, run.round, step.name, self.tools.outside.clock)
        if report.seal.verdict.status is VerdictStatus.CANCELED:
            self.canceled = await read_cancelation(self._store, self.record.name, self.record.round)

    async def _canceled_before(self, step: Step) -> bool:
        at = self.record.at(step.name)
        if await read(self._store, keys.handed_json(at)) is not None:
            return False  # a worker has the command, and ends it
        canceled = await canceled_before(self._store, self.record.name, self.record.round, at)
        self.canceled = self.canceled or canceled
        return canceled is not None

    async def _command(self, step: CommandStep, binding: Binding) -> StepReport | None:
        run, at = CommandRun(self.record, step, binding, self.tools.outside, Unwatched()), self.record.at(step.name)
        if (sealed := await run.ended()) is not None:
            return run.report(sealed, earlier=True)
        self.under_way[step.name] = HANDED_ON
        if await read(self._store, keys.handed_json(at)) is None:
            await self.tools.standing.hand_out_command(at, self.record.signer)
            await put(self._store, keys.handed_json(at), b"{}")
        elif await self._is_lost(step.name):
            await self.tools.standing.hand_out_command(at, self.record.signer)
        return None

    async def _parallel(self, step: ParallelStep, binding: Binding) -> StepReport | None:
        at = self.record.at(step.name)
        sealed = await step_seal(self._store, at)
        if sealed is not None and await read(self._store, keys.concluded_json(at)) is not None:
            return StepReport(step, sealed)
        if sealed is None:
            sealed = await self._supervised(ParallelTick(self.record, step, binding, self.tools.outside, Unwatched()))
        if sealed is None:
            return None
        self.under_way[step.name] = HANDED_ON
        if await read(self._store, keys.handed_json(at)) is None:
            await self.tools.standing.hand_to_reducer(at, self.record.signer)
            await put(self._store, keys.handed_json(at), b"{}")
        return None

    async def _supervised(self, tick: ParallelTick) -> Seal | None:
        """The seal of the step when it has one after this look."""
        name = tick.step.name
        try:
            looked = await tick.look(
                self.tools.standing.work, self.tools.kept, self.memories.get(name), self.tools.go_on
            )
        except TimeIsOverError:
            self.under_way[name] = AT_ONCE
            return None
        except InputError as exc:
            if (sealed := await step_seal(self._store, tick.at)) is not None:
                return sealed
            mine = Seal(Verdict(VerdictStatus.FAILED, str(exc)), Counts(total=None), at=self.tools.outside.clock.now())
            return await seal(self._store, keys.verdict(tick.at), mine)
        if looked.sealed is None:
            self.under_way[name] = looked.delay
        if looked.memory is not None:
            self.seen[name] = looked.memory
        return looked.sealed

    async def _is_lost(self, name: str) -> bool:
        """Whether the message about a command is in the work queue no more, though nobody tells what became of it."""
        main, now = self.tools.standing.work.main, self.tools.outside.clock.monotonic()
        before = self.memories.get(name) or StepMemory(now, now)
        empty = None if (await main.depth()).total else before.empty or now
        lost = empty is not None and now - empty > main.depth_lag
        self.seen[name] = replace(before, empty=None if lost else empty)
        return lost

    @property
    def _store(self) -> ObjectStore:
        return self.tools.outside.store
