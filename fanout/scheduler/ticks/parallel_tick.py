"""One look at a parallel step that nobody stays with: planned and sent, then supervised a tick at a time, then sealed.

Its mini-batches are tried by functions that a standing queue starts. Everything is read from the store; supervisors are
kept from one look to the next only to spare reading the same results again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from fanout.planning.manifests import PlanSummary, read_summary
from fanout.planning.publish import publish, sent_once
from fanout.planning.source import PlannedInput
from fanout.queues.base import QueuePair
from fanout.records.cancelation import read_cancelation
from fanout.records.node_registration import register
from fanout.records.seal import Seal, seal
from fanout.records.step import StepRecord, read_record
from fanout.records.verdict import Counts
from fanout.results.ledger import Ledger
from fanout.scheduler.parallel_stages import ParallelParts
from fanout.scheduler.ticks.tick_record import StepMemory
from fanout.security.signature import Signer
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put, read
from fanout.supervision.supervisor import Observers, Outcome, Since, Supervisor

MOST_KEPT = 4
"""Steps whose supervisors are kept: a ledger of a million mini-batches takes 40 MB."""
QUICKEST, SLOWEST = 1.0, 30.0
"""Seconds between two looks at a step under way."""
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
        """Nobody sees them end."""
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
        store, now = self.context.store, self.context.clock.monotonic()
        summary = await read_summary(store, self.planned_at)
        canceled = await read_cancelation(store, self.run.name, self.run.round)
        if canceled is not None:
            return TickResult(await self._seal(await self.take_in(canceled, summary), kept))
        if await read(store, keys.published_json(self.at)) is None:
            summary = await self._publish(queues, summary, go_on)
        record = await read_record(store, self.at)
        assert record is not None and summary is not None  # noqa: S101 - both were written before published.json
        before = before or StepMemory(now, now)
        supervisor = kept.get(self.at) or await self._supervisor(record, queues)
        kept.keep(self.at, supervisor)
        supervisor.plan_is_complete(summary.mini_batches)
        supervisor.recall(Since(before.begun, before.news, before.empty))
        await supervisor.read_the_rest()
        if (await queues.main.depth()).visible or supervisor.ledger.counts.settled > before.settled:
            # What waits behind other runs, for a worker to be free, is no standstill.
            supervisor.recall(Since(before.begun, now, before.empty))
        verdict = await supervisor.tick(Functions(supervisor))
        if verdict is None:
            counts, since = supervisor.ledger.counts, supervisor.since
            delay = next_look(counts, supervisor.seconds, news=counts.settled > before.settled)
            return TickResult(None, StepMemory(since.begun, since.news, since.empty, counts.settled), delay)
        if verdict.completed:
            await supervisor.say_settled()
        await supervisor.read_the_rest()
        outcome = Outcome(supervisor.judge_again(verdict), supervisor.ledger, supervisor.seconds)
        return TickResult(await self._seal(outcome, kept))

    async def _seal(self, outcome: Outcome, kept: SupervisorCache) -> Seal:
        kept.drop(self.at)
        return await seal(self.context.store, keys.verdict(self.at), self.seal_of(outcome))

    async def _publish(self, queues: QueuePair, summary: PlanSummary | None, go_on: Callable[[], bool]) -> PlanSummary:
        """Every mini-batch has had its message; whoever did that before and died has not done it in vain."""
        store = self.context.store
        planned = await self.plan() if summary is None else None
        record = await self.record(planned, summary)
        outbox = self.outbox(queues, record.signer, await self.first_ledger())
        summary = await publish(lambda: _known(planned), store, outbox, sent_once(store, self.at, go_on))
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
            lambda ledger: self._send_missing(queues, record.signer, ledger),
            await self.first_ledger(),
            drains=False,
        )

    async def _send_missing(self, queues: QueuePair, signer: Signer, ledger: Ledger) -> None:
        self.observer.notice(f"{self.step.name}: messages were lost; their mini-batches are sent again")
        await publish(lambda: _known(None), self.context.store, self.outbox(queues, signer, ledger))


def next_look(counts: Counts, seconds: float, *, news: bool) -> float:
    """Seconds until the next look: half of what the step still takes at its pace, so that the last one comes early."""
    if not news or not counts.settled or counts.total is None:
        return min(SLOWEST, max(QUICKEST, 0.1 * seconds))
    return min(SLOWEST, max(QUICKEST, (counts.total - counts.settled) * seconds / counts.settled / 2))


def _known(planned: PlannedInput | None) -> PlannedInput:
    assert planned is not None  # noqa: S101 - `publish` asks only while there is no plan.json
    return planned
