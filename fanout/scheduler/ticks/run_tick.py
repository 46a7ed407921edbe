"""Carries a run out without a process that stays: one look at every step, and a message for the next look.

Each tick reads the state of the run from the store. It does what can be done at once (plan, send, supervise, seal),
hands on what takes long (commands, outputs), and sends itself the next tick. When the run has its verdict, it sends
none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from obstore.store import ObjectStore

from fanout.errors import InputError, TimeIsOverError
from fanout.pipeline.model import CommandStep, ParallelStep, Step
from fanout.queues.base import Queue
from fanout.records.node_registration import register
from fanout.records.run import RunRecord, load_record, signer_of
from fanout.records.seal import Seal, read_seal, step_seal
from fanout.scheduler.bindings import Binding
from fanout.scheduler.command_step import CommandRun
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import StepReport, Unwatched
from fanout.scheduler.run_driver import RunDriver, UnderWay, in_run, seal_failed, seal_run
from fanout.scheduler.run_machine import LookAgain
from fanout.scheduler.ticks.deployment_queues import DeploymentQueues, TickMessage
from fanout.scheduler.ticks.parallel_tick import ParallelTick, SupervisorCache
from fanout.scheduler.ticks.tick_record import StepMemory, Ticking, read_ticking, write_ticking
from fanout.security.signature import Signer
from fanout.storage import keys
from fanout.storage.objects import put, read
from fanout.supervision.dead_letters import drain_standing

HANDED_ON = 300.0
"""Seconds until the next look when all that is under way was handed on: a message comes when it is done."""
SOON = 1.0
MOST_DRAINS = 20
"""Receives from the dead-letter queue in one look: letters that stay there keep no others from being read."""


@dataclass(frozen=True, slots=True)
class TickContext:
    """What a look needs; `go_on` says whether there is time for more."""

    context: RunContext
    queues: DeploymentQueues
    kept: SupervisorCache
    go_on: Callable[[], bool]


async def handle_tick(message: TickMessage, tick: TickContext) -> Seal | None:
    """Takes one look at the run and sends the next tick; returns the verdict instead, when the run has one.

    A tick that others have overtaken, because it was delivered twice, does nothing.
    """
    store = tick.context.store
    before = await read_ticking(store, message.run)
    if message.number is not None and message.number < before.number:
        return None
    record = await load_record(store, message.run)
    sealed, seen = await _look(record, tick, before)
    if sealed is not None:
        return sealed
    after = replace(seen, number=before.number + 1)
    # Sent first: cut in between, this turn is delivered again, and the next one is there twice.
    await tick.queues.send_tick(TickMessage(message.run, after.number), record.signer, after.delay)
    await write_ticking(store, message.run, after)
    return None


async def _look(record: RunRecord, tick: TickContext, before: Ticking) -> tuple[Seal | None, Ticking]:
    """Returns the verdict of the run, or what the next look needs."""
    store, key = tick.context.store, keys.run_verdict(record.name, record.round)
    if (sealed := await read_seal(store, key)) is not None:
        return sealed, Ticking()
    context = in_run(record, tick.context)
    await _drain_dead_letters(context, tick.queues.work.dead)
    look = _Steps(record, replace(tick, context=context), before.steps)
    driver = RunDriver(record, context, Unwatched(), look.carry, dict(before.made_from))
    end = await driver.go()
    if isinstance(end, LookAgain):
        return None, Ticking(delay=end.after, steps=look.seen, made_from=driver.made_from)
    now = context.clock.now()  # of the clock that all invocations share, as `created` is
    return await seal_run(record, context, end, max(0.0, now - record.created)), Ticking()


async def _drain_dead_letters(context: RunContext, dead: Queue) -> None:
    async def signer(run: str) -> Signer | None:
        return await signer_of(context.store, run)

    for _ in range(MOST_DRAINS):
        if not (await dead.depth()).total:
            return
        if not await drain_standing(dead, context.store, context.clock, register, signer):
            return


@dataclass(slots=True)
class _Steps:
    """Carries each step a part of the way. `seen` is what this look leaves for the next one, by step."""

    record: RunRecord
    tick: TickContext
    memories: Mapping[str, StepMemory]
    seen: dict[str, StepMemory] = field(default_factory=dict)

    async def carry(self, step: Step, binding: Binding) -> StepReport | UnderWay:
        """Returns the report of the step once it has ended and nothing is left to do; else when to look again."""
        if isinstance(step, ParallelStep):
            return await self._parallel(step, binding)
        return await self._command(step, binding)

    async def _command(self, step: CommandStep, binding: Binding) -> StepReport | UnderWay:
        at, run = self.record.at(step.name), CommandRun(self.record, step, binding, self.tick.context, Unwatched())
        if (sealed := await run.ended()) is not None:
            return run.report(sealed, earlier=True)
        if await read(self._store, keys.handed_json(at)) is None:
            await self.tick.queues.send_command(at, self.record.signer)
            await put(self._store, keys.handed_json(at), b"{}")
        elif await self._is_lost(step.name):
            await self.tick.queues.send_command(at, self.record.signer)
        return UnderWay(HANDED_ON)

    async def _parallel(self, step: ParallelStep, binding: Binding) -> StepReport | UnderWay:
        at = self.record.at(step.name)
        sealed = await step_seal(self._store, at)
        if sealed is not None and await read(self._store, keys.concluded_json(at)) is not None:
            return StepReport(step, sealed)
        if sealed is None:
            looked = await self._looked(ParallelTick(self.record, step, binding, self.tick.context, Unwatched()))
            if isinstance(looked, UnderWay):
                return looked
        if await read(self._store, keys.handed_json(at)) is None:
            await self.tick.queues.send_reduction(at, self.record.signer)
            await put(self._store, keys.handed_json(at), b"{}")
        return UnderWay(HANDED_ON)

    async def _looked(self, tick: ParallelTick) -> Seal | UnderWay:
        """Returns the seal of the step when it has one after this look; else when to look again."""
        name = tick.step.name
        try:
            looked = await tick.look(self.tick.queues.work, self.tick.kept, self.memories.get(name), self.tick.go_on)
        except TimeIsOverError:
            return UnderWay(SOON)
        except InputError as exc:
            return await step_seal(self._store, tick.at) or await seal_failed(tick.at, self.tick.context, exc)
        if looked.memory is not None:
            self.seen[name] = looked.memory
        return looked.sealed or UnderWay(looked.delay)

    async def _is_lost(self, name: str) -> bool:
        """Returns whether the command's message is not in the work queue any more, though the command has not ended."""
        main, now = self.tick.queues.work.main, self.tick.context.clock.monotonic()
        before = self.memories.get(name) or StepMemory(now, now)
        empty = None if (await main.depth()).total else before.empty or now
        lost = empty is not None and now - empty > main.depth_lag
        self.seen[name] = replace(before, empty=None if lost else empty)
        return lost

    @property
    def _store(self) -> ObjectStore:
        return self.tick.context.store
