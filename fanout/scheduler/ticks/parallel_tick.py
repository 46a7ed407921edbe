"""One look at a parallel step that no process stays with: planned, sent, supervised a tick at a time, sealed.

Functions that a standing queue starts try its mini-batches. Everything is read from the store. Supervisors are kept
from one look to the next only so that the same results need not be read again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from fanout.planning.manifests import PlanSummary, read_summary
from fanout.planning.publish import publish, sent_once
from fanout.queues.base import QueuePair
from fanout.records.cancelation import read_cancelation
from fanout.records.node_registration import register
from fanout.records.seal import Seal, seal
from fanout.records.step import StepRecord, read_record
from fanout.scheduler.parallel_stages import ParallelParts, StepSender, known
from fanout.scheduler.ticks.tick_record import StepMemory
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put, read
from fanout.supervision.progress import Observers
from fanout.supervision.step_machine import LookAgain, Memory, Pace
from fanout.supervision.supervisor import Outcome, Supervisor

MOST_KEPT = 4
"""Steps whose supervisors are kept: a ledger of a million mini-batches takes 40 MB."""
PACE = Pace(quickest=1.0, slowest=30.0, share=0.1)
"""Of looks at a step under way."""
SEVERAL = 3
PUBLISHED = b"a standing queue"


@dataclass(slots=True)
class SupervisorCache:
    """The supervisors that a process keeps between one look and the next."""

    _supervisors: dict[StepRound, Supervisor] = field(default_factory=dict)

    def get(self, at: StepRound) -> Supervisor | None:
        """Returns the supervisor that looked at the step before; None when it is not kept any more."""
        return self._supervisors.get(at)

    def keep(self, at: StepRound, supervisor: Supervisor) -> None:
        """Keeps the supervisor for the next look; removes the oldest ones when there are more than MOST_KEPT."""
        self._supervisors.pop(at, None)
        while len(self._supervisors) >= MOST_KEPT:
            del self._supervisors[next(iter(self._supervisors))]
        self._supervisors[at] = supervisor

    def drop(self, at: StepRound) -> None:
        """Removes the supervisor of a step that is over."""
        self._supervisors.pop(at, None)


@dataclass(frozen=True, slots=True)
class Functions:
    """The workforce of a step whose mini-batches start functions; it has nodes as long as one function is of use."""

    supervisor: Supervisor

    async def finish(self) -> None:
        """Does nothing: functions leave when they find the seal."""

    async def stop(self) -> None:
        """Does nothing: functions leave when they find the seal."""

    def news(self) -> list[str]:
        """Returns nothing, because the end of a function is not seen."""
        return []

    def trouble(self) -> str | None:
        """Returns a sentence when no function is of use any more, since they gave up on the script; else None."""
        ledger = self.supervisor.ledger
        return trouble(self.supervisor.nodes, sum(event.gave_up for _, event in ledger.events), ledger.attempts)


def trouble(nodes: int, gave_up: int, attempts: int) -> str | None:
    """Returns a sentence when no worker is of use any more, else None. Pure.

    That is so when as many workers have given up as ever took part, or when several have given up and none has tried a
    mini-batch.
    """
    if gave_up and (gave_up >= nodes or (gave_up >= SEVERAL and not attempts)):
        return f"no worker is left: {gave_up} of {nodes} have given up"
    return None


@dataclass(frozen=True, slots=True)
class TickResult:
    """What a look has found: the seal, once the step has one; else the memory for the next look, and its delay."""

    sealed: Seal | None
    memory: StepMemory | None = None
    delay: float = 0.0


class ParallelTick(ParallelParts):
    """A parallel step that is looked at now and then."""

    __slots__ = ()

    async def look(
        self, queues: QueuePair, kept: SupervisorCache, before: StepMemory | None, go_on: Callable[[], bool]
    ) -> TickResult:
        """Takes in the news and does what follows from it; TimeIsOverError when planning has to wait (`go_on`)."""
        store = self.context.store
        summary = await read_summary(store, self.planned_at)
        canceled = await read_cancelation(store, self.run.name, self.run.round)
        if canceled is not None:
            return TickResult(await self._seal(await self.take_in(canceled, summary), kept))
        if await read(store, keys.published_json(self.at)) is None:
            summary = await self._publish(queues, summary, go_on)
        record = await read_record(store, self.at)
        assert record is not None and summary is not None  # noqa: S101 - both were written before published.json
        supervisor = kept.get(self.at) or await self._supervisor(record, queues)
        kept.keep(self.at, supervisor)
        supervisor.plan_is_complete(summary.mini_batches)
        await self._recall(supervisor, before)
        action = await supervisor.look(Functions(supervisor))
        if isinstance(action, LookAgain):
            return TickResult(None, _left(supervisor), action.after)
        outcome = Outcome(action.verdict, supervisor.ledger, supervisor.seconds)
        return TickResult(await self._seal(outcome, kept))

    async def _recall(self, supervisor: Supervisor, before: StepMemory | None) -> None:
        """Gives the supervisor the memory of the look before, and makes it read everything."""
        now = self.context.clock.monotonic()
        before = before or StepMemory(now, now)
        supervisor.stragglers.empty_since = before.idle
        await supervisor.read_the_rest()
        supervisor.memory = Memory(
            before.begun,
            before.news,
            before.empty,
            settled=before.settled,
            fenced=len(supervisor.ledger.fences.nodes),
        )

    async def _seal(self, outcome: Outcome, kept: SupervisorCache) -> Seal:
        kept.drop(self.at)
        return await seal(self.context.store, keys.verdict(self.at), self.seal_of(outcome))

    async def _publish(self, queues: QueuePair, summary: PlanSummary | None, go_on: Callable[[], bool]) -> PlanSummary:
        """Sends the message of every mini-batch unless it was sent before; returns the summary of the plan."""
        store = self.context.store
        taken = await self.known() if summary is None else None
        planned = await self.plan(taken) if summary is None else None
        record, ledger = await self.record(planned, summary), await self.first_ledger()
        outbox, gate = self.outbox(queues, record.signer, ledger), sent_once(store, self.at, go_on)
        summary = await publish(lambda: known(planned), store, outbox, gate, self.taken_items(ledger, taken))
        await put(store, keys.published_json(self.at), PUBLISHED)
        return summary

    async def _supervisor(self, record: StepRecord, queues: QueuePair) -> Supervisor:
        return Supervisor(
            record,
            self.context.store,
            queues,
            self.context.clock,
            Observers(lambda _: None, lambda _node, _index: None),
            lambda: register(self.context.store, self.at),
            StepSender(self, queues, record.signer),
            await self.first_ledger(),
            pace=PACE,
            shares_queue=True,
        )


def _left(supervisor: Supervisor) -> StepMemory:
    """Returns the memory that this look leaves for the next one."""
    memory = supervisor.memory
    return StepMemory(memory.begun, memory.news, memory.empty, memory.settled, supervisor.stragglers.empty_since)
