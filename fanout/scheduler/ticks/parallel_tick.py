"""One look at a parallel step that no process stays with: planned, sent, supervised a tick at a time, sealed.

Its mini-batches are tried by functions that a standing queue starts. Everything is read from the store; supervisors are
kept from one look to the next only to spare reading the same results again.
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
    """The supervisors of a process that is asked for one look after the other."""

    _supervisors: dict[StepRound, Supervisor] = field(default_factory=dict)

    def get(self, at: StepRound) -> Supervisor | None:
        """The one that looked at the step before, if it is still here."""
        return self._supervisors.get(at)

    def keep(self, at: StepRound, supervisor: Supervisor) -> None:
        """It will be here for the next look, unless others take its place."""
        self._supervisors.pop(at, None)
        while len(self._supervisors) >= MOST_KEPT:
            del self._supervisors[next(iter(self._supervisors))]
        self._supervisors[at] = supervisor

    def drop(self, at: StepRound) -> None:
        """The step is over."""
        self._supervisors.pop(at, None)


@dataclass(frozen=True, slots=True)
class Functions:
    """The workforce of a step whose mini-batches start functions: there are some as long as one is of use."""

    supervisor: Supervisor

    async def finish(self) -> None:
        """They find the seal."""

    async def stop(self) -> None:
        """They find the seal."""

    def news(self) -> list[str]:
        """They end unseen."""
        return []

    def trouble(self) -> str | None:
        """A sentence when every function that took part has given up on starting the script."""
        ledger = self.supervisor.ledger
        return trouble(self.supervisor.nodes, sum(event.gave_up for _, event in ledger.events), ledger.attempts)


def trouble(nodes: int, gave_up: int, attempts: int) -> str | None:
    """Why no worker is of use: as many as ever took part have given up, or several have and none has tried. Pure."""
    if gave_up and (gave_up >= nodes or (gave_up >= SEVERAL and not attempts)):
        return f"no worker is left: {gave_up} of {nodes} have given up"
    return None


@dataclass(frozen=True, slots=True)
class TickResult:
    """What a look has found: the seal, once the step has one; else what the next look goes by, and its pace."""

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
        """The supervisor goes by what the look before has left, and has read everything."""
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
        """Every mini-batch has had its message; what was sent before counts."""
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
    """What this look leaves for the next one."""
    memory = supervisor.memory
    return StepMemory(memory.begun, memory.news, memory.empty, memory.settled, supervisor.stragglers.empty_since)
