"""The supervisor of a parallel step: reads facts from store and queue, and carries out what the step machine decides.

It keeps nothing that the store does not hold, so it can be killed at any moment and another can take over. `look` is
one look; `supervise` looks until the step is over.
"""

import os
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from fanout.clock import Clock
from fanout.queues.base import QueuePair
from fanout.records.cancelation import read_cancelation
from fanout.records.row_format import RowFormat
from fanout.records.step import StepRecord
from fanout.records.verdict import Verdict
from fanout.results.codec import Cause, ResultIndex
from fanout.results.fences import fenced_nodes
from fanout.results.ledger import Ledger
from fanout.results.reader import ResultReader
from fanout.storage import keys
from fanout.storage.objects import create
from fanout.supervision.dead_letters import DeadLetters
from fanout.supervision.fencer import Fencer
from fanout.supervision.progress import Observers, Progress
from fanout.supervision.step_machine import (
    Action,
    Do,
    Facts,
    LookAgain,
    Memory,
    Pace,
    Rules,
    SealStep,
    Speculate,
    StopNodes,
    Weigh,
    begin_look,
    decide,
)
from fanout.supervision.stragglers import Stragglers
from fanout.supervision.time_limits import TimeLimits
from fanout.supervision.workforce import Workforce

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PACE = Pace(quickest=0.02, slowest=0.25, growth=1.5)
"""Of a process that stays with the step."""
UNKNOWN = 0.5
"""Seconds without news after which there may be nodes that are not known: those that are known commit more often."""
MOST_DRAINS = 100
"""Receives from the dead-letter queue in one look: a queue that is filled faster does not keep the step waiting."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict that supervising ended in; `ledger` holds everything that was read."""

    verdict: Verdict
    ledger: Ledger
    seconds: float


class Sender(Protocol):
    """Sends messages of mini-batches anew. Each method is called again when it was cut off."""

    async def resend(self, ledger: Ledger) -> None:
        """Sends the messages of all mini-batches without an outcome again, because they were lost."""
        ...

    async def send_again(self, ledger: Ledger, indexes: Collection[int]) -> None:
        """Sends messages of these mini-batches, for which nothing is under way any more."""
        ...

    async def speculate(self, ledger: Ledger, indexes: Collection[int]) -> None:
        """Sends copies of those of these mini-batches that had no copy yet, to be tried beside the first tries."""
        ...


FollowQueues = Callable[[], Awaitable[None]]
"""Goes over to the newest pair of queues, which nodes look at."""


class Supervisor:
    """Drives the machine of one step: reads the facts and carries the actions out.

    With `shares_queue`, the queues serve many steps, and each look may be taken by another supervisor; `memory` is what
    they pass on.
    """

    def __init__(
        self,
        record: StepRecord,
        store: "ObjectStore",
        queues: QueuePair,
        clock: Clock,
        observers: Observers,
        number: Callable[[], Awaitable[int]],
        sender: Sender,
        ledger: Ledger | None = None,
        *,
        follow: FollowQueues | None = None,
        fencer: Fencer | None = None,
        pace: Pace = PACE,
        shares_queue: bool = False,
    ) -> None:
        self._record, self._store, self._queues, self._clock = record, store, queues, clock
        self._observers, self._number, self._sender = observers, number, sender
        self._follow, self._fencer = follow, fencer
        self.rules = Rules(
            record.step.thresholds,
            TimeLimits.of(record.step, len(os.sched_getaffinity(0))),
            pace,
            append_row=record.row_format is not RowFormat.NONE,
            only_chosen=record.chosen is not None,
            speculates=record.step.speculate,
            fences=fencer is not None,
            shares_queue=shares_queue,
            depth_lag=queues.main.depth_lag,
        )
        self.stragglers = Stragglers()
        self._failed_starts = 0  # in a row, on all nodes
        self._knows_fences = False
        self._has_looked = shares_queue  # what the first look finds is from before this supervisor
        self._last_failed_start = ""
        self._reader = ResultReader(store, record.at)
        self._dead = DeadLetters(queues.dead, store, record.at, clock, record.signer)
        self._my_number: int | None = None
        now = self._listed = self._began = clock.monotonic()
        self.memory = Memory(now, now, seldom=now, tail=now, pause=pace.quickest)
        self.ledger = ledger or Ledger(checks_items=record.step.thresholds.checks_items)
        self._changed = False  # something has changed since observers were called
        self.planned = 0  # mini-batches published so far

    async def look(self, workforce: Workforce) -> LookAgain | SealStep:
        """Takes in the news and does what follows from it; returns how the step goes on."""
        await self._read()
        for sentence in workforce.news():
            self._observers.notice(sentence)
        self._began, self.memory = self._clock.monotonic(), begin_look(self.memory)
        if self._changed:
            self._changed = False
            self._observers.progress(self.progress())
        found = dict[str, Any]()
        while True:
            action, self.memory = decide(self.rules, self._facts(found), self.memory, self._clock.monotonic())
            if isinstance(action, LookAgain | SealStep):
                return action
            found |= await self._carry_out(action, workforce)

    async def catch_up(self) -> None:
        """Takes in what was committed before this supervisor started, without counting it as news."""
        await self.read_the_rest()
        settled, fenced = self.ledger.counts.settled, len(self.ledger.fences.nodes)
        self.memory = replace(self.memory, settled=settled, fenced=fenced)

    def planned_so_far(self, count: int) -> None:
        """Notes that `count` mini-batches have been planned."""
        self._changed = self._changed or count > self.planned
        self.planned = max(self.planned, count)

    def plan_is_complete(self, total: int) -> None:
        """Notes that there are `total` mini-batches, and that the message of each was sent."""
        self.planned = self.ledger.plan_total = total
        self._changed = True

    async def read_the_rest(self) -> None:
        """Takes in everything that is committed by now."""
        await self._reader.look_for_nodes()
        while await self._read():
            pass

    def progress(self) -> Progress:
        """Returns where the step stands now."""
        ledger, step = self.ledger, self._record.step.name
        return Progress(step, ledger.counts, self.planned, self.seconds, ledger.events, ledger.failures)

    @property
    def nodes(self) -> int:
        """How many nodes ever took part."""
        return len(self._reader.next_of)

    @property
    def seconds(self) -> float:
        """How many seconds the step has been supervised."""
        return self._clock.monotonic() - self.memory.begun

    def _facts(self, found: Mapping[str, Any]) -> Facts:
        """Returns what is known now; `found` holds what actions of this look have found out."""
        ledger = self.ledger
        return Facts(
            self._began,
            ledger.counts,
            ledger.attempts,
            self.planned,
            len(ledger.fences.nodes),
            self._fencer is not None and self._fencer.suspects_any,
            bool(ledger.reopened),
            self._failed_starts,
            self._last_failed_start,
            **found,
        )

    async def _carry_out(self, action: Action, workforce: Workforce) -> Mapping[str, Any]:
        """Carries the action out; returns what it has found out, as fields of the facts."""
        match action:
            case Weigh(hinges):
                if self._fencer is not None and await self._fencer.fence(hinges=hinges):
                    await self._count_anew(self._fencer)
                return {"weighed": hinges}
            case Do.ASK_NODES:
                return {"asked_nodes": True, "trouble": workforce.trouble()}
            case Do.CONFIRM_TROUBLE:
                await self.read_the_rest()  # what the last of them committed since the look before
                return {"confirmed": True, "cause": self._cause(), "canceled": await self._canceled()}
            case Speculate(indexes):
                await self._sender.speculate(self.ledger, indexes)
                return {"stragglers": ()}
            case StopNodes(graceful):
                await self._stop(workforce, graceful=graceful)
                return {"left": True}
        return await self._look_around(action)

    async def _look_around(self, action: Action) -> Mapping[str, Any]:
        match action:
            case Do.SEND_REOPENED:
                await self._send_reopened()
                return {}
            case Do.READ_CANCELATION:
                return {"asked": True, "canceled": await self._canceled()}
            case Do.FOLLOW:
                await self._follow_others()
                return {"followed": True}
            case Do.DRAIN_DEAD:
                await self._drain_dead_letters()
                return {"drained": True}
            case Do.COUNT_MESSAGES:
                return {"depth": await self._queues.main.depth()}
            case Do.READ_ALL:
                await self.read_the_rest()
                return {"read_all": True}
            case Do.RESEND:
                await self._sender.resend(self.ledger)
                return {"resent": True}
            case Do.FIND_STRAGGLERS:
                return {"stragglers": await self._find_stragglers()}
        raise AssertionError(action)

    async def _stop(self, workforce: Workforce, *, graceful: bool) -> None:
        """Makes the nodes leave, and takes in what they committed before."""
        if graceful:
            await create(self._store, keys.settled(self._record.at), b"{}")  # for nodes that this process cannot reach
            await workforce.finish()
        else:
            await workforce.stop()
        await self.read_the_rest()

    async def _know_fences(self) -> None:
        """Reads the fences once, before any result, so that results of fenced nodes are not counted."""
        if not self._knows_fences:
            self._knows_fences = True
            fenced = await fenced_nodes(self._store, self._record.at)
            self.ledger.fences = replace(self.ledger.fences, nodes=fenced)

    async def _count_anew(self, fencer: Fencer) -> None:
        """Counts everything that was read once more, with the fences as they are now."""
        self.ledger.become(await fencer.counted(self._reader.next_of))
        self._changed = True

    async def _send_reopened(self) -> None:
        """Sends new messages for mini-batches that were given up on a fenced node: they have no message any more."""
        indexes = sorted(index for index in self.ledger.reopened if not self.ledger.is_settled(index))
        self.ledger.reopened.clear()
        if indexes:
            await self._sender.send_again(self.ledger, indexes)

    async def _read(self) -> bool:
        """Takes in what known nodes have committed; returns whether mini-batches came to an end."""
        await self._know_fences()
        settled = self.ledger.counts.settled
        now = self._clock.monotonic()
        if self.ledger.attempts == 0 or now - max(self.memory.news, self._listed) >= UNKNOWN:
            self._listed = now
            await self._reader.look_for_nodes()
        async for node, seq, index in self._reader.news():
            self._absorb(node, seq, index)
        if not self._has_looked:
            self.ledger.reopened.clear()  # their messages were sent, or are found missing when the queue is empty
        self._has_looked = True
        return self.ledger.counts.settled > settled

    def _absorb(self, node: int, seq: int, index: ResultIndex) -> None:
        self.ledger.absorb(node, seq, index)
        if self._fencer is not None:
            self._fencer.absorb(node, index)
        self._changed = True
        if self.rules.speculates:
            self.stragglers.absorb(index, self._clock.monotonic())
        self._observers.results(node, index)
        if self._has_looked:  # failures of earlier days say nothing about how long nodes have tried since
            self._count_failed_starts(index)

    def _count_failed_starts(self, index: ResultIndex) -> None:
        if index.entries:
            self._failed_starts = 0
        for event in index.events:
            if event.failure is not None and event.failure.cause is Cause.INIT:
                self._failed_starts += 1
                self._last_failed_start = event.failure.message

    async def _follow_others(self) -> None:
        """Switches to the newest queues, and counts with the fences of other supervisors."""
        if self._follow is not None:
            await self._follow()
        if self._fencer is not None and await self._fencer.others(self.ledger.fences.nodes):
            await self._count_anew(self._fencer)

    async def _canceled(self) -> str | None:
        canceled = await read_cancelation(self._store, self._record.run, self._record.round)
        return None if canceled is None else str(canceled)

    async def _drain_dead_letters(self) -> None:
        planned = self.ledger.plan_total
        if planned is None or (await self._queues.dead.depth()).total == 0:
            return
        if self._my_number is None:
            self._my_number = await self._number()
            self._reader.follow(self._my_number)
        for _ in range(MOST_DRAINS):
            if not await self._dead.drain(self._my_number, planned):
                break

    async def _find_stragglers(self) -> tuple[int, ...]:
        depth, now = await self._queues.main.depth(), self._clock.monotonic()
        exact = self._queues.main.depth_lag == 0
        self.stragglers.look(depth, now, exact=exact)
        return tuple(self.stragglers.choose(self.ledger.missing(), depth, now, exact=exact))

    def _cause(self) -> str | None:
        """Returns why nodes gave up starting the script; None when none did."""
        causes = (event.failure for _, event in self.ledger.events if event.gave_up and event.failure is not None)
        return next((cause.message for cause in causes), None)


async def supervise(supervisor: Supervisor, workforce: Workforce, clock: Clock) -> Outcome:
    """Looks until the step is over, its nodes have left, and what they committed last is counted."""
    while isinstance(action := await supervisor.look(workforce), LookAgain):
        await clock.sleep(action.after)
    return Outcome(action.verdict, supervisor.ledger, supervisor.seconds)
