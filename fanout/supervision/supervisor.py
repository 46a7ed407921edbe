"""The supervisor: reads what nodes have committed, and stops the step when it is over, one way or another.

It keeps nothing that the store does not hold, so it can be killed at any instant and another can take over. `tick` is
one look; `supervise` looks until there is a verdict.
"""

import os
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from fanout.clock import Clock
from fanout.queues.base import QueuePair
from fanout.records.cancelation import read_cancelation
from fanout.records.row_format import RowFormat
from fanout.records.step import StepRecord
from fanout.records.verdict import Counts, Verdict, VerdictStatus, judge
from fanout.results.codec import Cause, Event, ResultIndex
from fanout.results.failed_attempt import FailedAttempt
from fanout.results.fences import fenced_nodes
from fanout.results.ledger import Ledger
from fanout.results.reader import ResultReader
from fanout.storage import keys
from fanout.storage.objects import create
from fanout.supervision.dead_letters import DeadLetters
from fanout.supervision.fencer import Fencer
from fanout.supervision.stragglers import Stragglers, is_near_end
from fanout.supervision.time_limits import TimeLimits

if TYPE_CHECKING:
    from obstore.store import ObjectStore

QUICKEST, SLOWEST = 0.02, 0.25
"""Seconds between looks."""
UNKNOWN = 0.5
"""Seconds without news after which there may be nodes that are not known: those that are known commit more often."""
SELDOM = 2.0
"""Seconds between looks at what changes seldom: the dead-letter queue, a cancelation, lost messages."""
MOST_DRAINS = 100
"""Receives from the dead-letter queue in one look: whoever fills it faster than that does not keep the step waiting."""
TAIL = 0.5
"""Seconds between looks for stragglers, each of which asks the queue how many messages wait."""


class Workforce(Protocol):
    """The nodes of a step, as far as a supervisor needs them."""

    async def finish(self) -> None:
        """The step is settled: nodes run shutdown() and leave; returns when they have, or after a while."""
        ...

    async def stop(self) -> None:
        """Nodes leave now, whatever they are doing."""
        ...

    def trouble(self) -> str | None:
        """Why no node is left and none will come, in a sentence; None while there are nodes."""
        ...

    def news(self) -> Sequence[str]:
        """What has happened to nodes since the last call and people want to know at once, a sentence each."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a step stands, for people and for logs."""

    step: str
    counts: Counts
    planned: int
    seconds: float
    events: Sequence[tuple[int, Event]] = ()
    failures: Sequence[FailedAttempt] = ()


@dataclass(frozen=True, slots=True)
class Observers:
    """Who wants to know: `progress` at each look with news, `results` of each index (for the job report), `notice` of
    what happens to nodes, in sentences."""

    progress: Callable[[Progress], None]
    results: Callable[[int, ResultIndex], None]
    notice: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What supervising ended in; `ledger` holds everything that was read."""

    verdict: Verdict
    ledger: Ledger
    seconds: float


@dataclass(frozen=True, slots=True)
class Since:
    """Moments on a supervisor's clock: when the step began, when it made progress, since when its queue is empty."""

    begun: float
    news: float
    empty: float | None = None


Resend = Callable[[Ledger], Awaitable[None]]
"""Sends the messages of all mini-batches without an outcome anew."""
Double = Callable[[Ledger, Collection[int]], Awaitable[None]]
"""Sends copies of the messages of these mini-batches, to be tried beside the tries that are under way."""
SendAgain = Callable[[Ledger, Collection[int]], Awaitable[None]]
"""Sends the messages of these mini-batches anew, as nothing is under way for them any more."""
Follow = Callable[[], Awaitable[None]]
"""Goes over to the newest pair of queues, which nodes look at."""


class Supervisor:
    """Follows one step."""

    def __init__(
        self,
        record: StepRecord,
        store: "ObjectStore",
        queues: QueuePair,
        clock: Clock,
        observers: Observers,
        number: Callable[[], Awaitable[int]],
        resend: Resend,
        ledger: Ledger | None = None,
        double: Double | None = None,
        follow: Follow | None = None,
        *,
        drains: bool = True,
        fencer: Fencer | None = None,
        send_again: SendAgain | None = None,
    ) -> None:
        self._record, self._store, self._queues, self._clock = record, store, queues, clock
        self._observers, self._number, self._resend, self._double = observers, number, resend, double
        self._follow, self._drains = follow, drains  # or somebody else empties a queue that serves many steps
        self._fencer, self._send_again = fencer, send_again
        self._stragglers = Stragglers()
        self._clocks = TimeLimits.of(record.step, len(os.sched_getaffinity(0)))
        self._failed_starts = 0  # in a row, on all nodes
        self._knows_fences = False
        self._has_looked = False  # what the first look finds is from before this supervisor
        self._last_failed_start = ""
        self._reader = ResultReader(store, record.at)
        self._dead = DeadLetters(queues.dead, store, record.at, clock, record.signer)
        self._my_number: int | None = None
        now = self._last_seldom = self._last_tail = self._listed = clock.monotonic()
        self.since = Since(now, now)
        self.ledger = ledger or Ledger(checks_items=record.step.thresholds.checks_items)
        self.has_news = False
        self._untold = False  # something has changed since the observers were told
        self.planned = 0  # mini-batches published so far

    async def tick(self, workforce: Workforce) -> Verdict | None:
        """One look: takes in the news, and says how the step ends when it does."""
        self.has_news = await self._read()
        for sentence in workforce.news():
            self._observers.notice(sentence)
        now = self._clock.monotonic()
        if self.has_news:
            self.since = replace(self.since, news=now, empty=None)
        if self._untold:
            self._untold = False
            self._observers.progress(self.progress())
        verdict = self._judge()
        if self._fencer is not None and await self._fencer.fence(hinges=verdict is not None):
            await self._count_anew(self._fencer)
            verdict = self._judge()
        if verdict is None:
            await self._send_reopened()
        if verdict is None and now - self._last_seldom >= SELDOM:
            self._last_seldom = now
            verdict = await self._look_around()
        if verdict is None and self._double is not None and now - self._last_tail >= TAIL:
            self._last_tail = now
            await self._double_stragglers(self._double)
        return verdict or await self._trouble(workforce) or self._overrun()

    def recall(self, since: Since) -> None:
        """Goes by these moments, which another supervisor has left, and looks at everything the next time."""
        self.since, self._last_seldom, self._has_looked = since, 0.0, True

    def planned_so_far(self, count: int) -> None:
        """So many mini-batches have been planned."""
        self._untold = self._untold or count > self.planned
        self.planned = max(self.planned, count)

    def plan_is_complete(self, total: int) -> None:
        """There are `total` mini-batches, and each has had its message."""
        self.planned = self.ledger.plan_total = total
        self._untold = True

    async def read_the_rest(self) -> None:
        """Takes in what nodes committed while they left."""
        await self._reader.look_for_nodes()
        while await self._read():
            pass

    async def say_settled(self) -> None:
        """Tells nodes that nobody else can tell."""
        await create(self._store, keys.settled(self._record.at), b"{}")

    def judge_again(self, verdict: Verdict) -> Verdict:
        """The verdict on everything that was read: what was committed last may have changed the counts.

        A step whose nodes were stopped before it was over does not become Completed.
        """
        again = self._judge()
        if again is None or verdict.status is VerdictStatus.CANCELED or (again.completed and not verdict.completed):
            return verdict
        return again

    def progress(self) -> Progress:
        """Where the step stands now."""
        ledger, step = self.ledger, self._record.step.name
        return Progress(step, ledger.counts, self.planned, self.seconds, ledger.events, ledger.failures)

    @property
    def nodes(self) -> int:
        """How many nodes ever took part."""
        return len(self._reader.next_of)

    @property
    def seconds(self) -> float:
        """How long the step has been supervised."""
        return self._clock.monotonic() - self.since.begun

    @property
    def _appends(self) -> bool:
        return self._record.row_format is not RowFormat.NONE

    def _judge(self) -> Verdict | None:
        if self._record.chosen is not None and not self.ledger.counts.finished:
            return None  # what failed before and was not chosen cannot end the round early
        return judge(self.ledger.counts, self._record.step.thresholds, append_row=self._appends)

    async def _know_fences(self) -> None:
        """Before anything is read: what is void is not counted."""
        if not self._knows_fences:
            self._knows_fences = True
            fenced = await fenced_nodes(self._store, self._record.at)
            self.ledger.fences = replace(self.ledger.fences, nodes=fenced)

    async def _count_anew(self, fencer: Fencer) -> None:
        """Everything that was read is counted once more, with the fences as they are now."""
        self.ledger.become(await fencer.counted(self._reader.next_of))
        self.since = replace(self.since, news=self._clock.monotonic(), empty=None)
        self._untold = True

    async def _send_reopened(self) -> None:
        """What was given up on a fenced node has no message any more."""
        if self._send_again is None or self.ledger.plan_total is None or not self.ledger.reopened:
            return
        indexes = sorted(index for index in self.ledger.reopened if not self.ledger.is_settled(index))
        self.ledger.reopened.clear()
        if indexes:
            await self._send_again(self.ledger, indexes)

    async def _read(self) -> bool:
        await self._know_fences()
        settled = self.ledger.counts.settled
        now = self._clock.monotonic()
        if self.ledger.attempts == 0 or now - max(self.since.news, self._listed) >= UNKNOWN:
            self._listed = now
            await self._reader.look_for_nodes()
        async for node, seq, index in self._reader.news():
            self.ledger.absorb(node, seq, index)
            if self._fencer is not None:
                self._fencer.absorb(node, index)
            self._untold = True
            if self._double is not None:
                self._stragglers.absorb(index, self._clock.monotonic())
            self._observers.results(node, index)
            if self._has_looked:  # failures of earlier days say nothing about how long nodes have tried since
                self._count_failed_starts(index)
        if not self._has_looked:
            self.ledger.reopened.clear()  # their messages were sent, or are found missing when the queue is empty
        self._has_looked = True
        return self.ledger.counts.settled > settled

    def _count_failed_starts(self, index: ResultIndex) -> None:
        if index.entries:
            self._failed_starts = 0
        for event in index.events:
            if event.failure is not None and event.failure.cause is Cause.INIT:
                self._failed_starts += 1
                self._last_failed_start = event.failure.message

    async def _look_around(self) -> Verdict | None:
        if (verdict := await self._canceled()) is not None:
            return verdict
        if self._follow is not None:
            await self._follow()
        if self._fencer is not None and await self._fencer.others(self.ledger.fences.nodes):
            await self._count_anew(self._fencer)
        await self._drain_dead_letters()
        await self._send_lost_again()
        return None

    async def _canceled(self) -> Verdict | None:
        canceled = await read_cancelation(self._store, self._record.run, self._record.round)
        return None if canceled is None else Verdict(VerdictStatus.CANCELED, str(canceled))

    async def _drain_dead_letters(self) -> None:
        # While the plan is being made a letter may be about a mini-batch that is not counted yet: letters wait for it.
        planned = self.ledger.plan_total
        if not self._drains or planned is None or (await self._queues.dead.depth()).total == 0:
            return
        if self._my_number is None:
            self._my_number = await self._number()
            self._reader.follow(self._my_number)
        for _ in range(MOST_DRAINS):
            if not await self._dead.drain(self._my_number, planned):
                break

    async def _send_lost_again(self) -> None:
        """Messages that neither queue nor results know of were lost: after the queue has had time to count."""
        if self.ledger.plan_total is None or (await self._queues.main.depth()).total > 0:
            self.since = replace(self.since, empty=None)
            return
        now = self._clock.monotonic()
        empty = now if self.since.empty is None else self.since.empty
        self.since = replace(self.since, empty=empty)
        if now - empty >= self._queues.main.depth_lag + SELDOM:
            await self.read_the_rest()
            if not self.ledger.counts.finished:
                await self._resend(self.ledger)
            self.since = replace(self.since, empty=None)

    async def _double_stragglers(self, double: Double) -> None:
        """At the end of a step, mini-batches that take far longer than the others are tried a second time."""
        if not is_near_end(self.ledger.counts):
            return
        depth, now = await self._queues.main.depth(), self._clock.monotonic()
        exact = self._queues.main.depth_lag == 0
        self._stragglers.look(depth, now, exact=exact)
        chosen = self._stragglers.choose(self.ledger.missing(), depth, now, exact=exact)
        if chosen:
            await double(self.ledger, chosen)

    async def _trouble(self, workforce: Workforce) -> Verdict | None:
        reason = workforce.trouble()
        if reason is None:
            return None
        await self.read_the_rest()  # what the last of them committed since the look before
        if (verdict := self._judge()) is not None:
            return verdict
        if (verdict := await self._canceled()) is not None:
            return verdict  # nodes look for that themselves, and may be faster
        causes = [event.failure for _, event in self.ledger.events if event.gave_up and event.failure is not None]
        if causes:
            reason = f"the entry script cannot be started: {causes[0].message}"
        return Verdict(VerdictStatus.FAILED, reason)

    def _overrun(self) -> Verdict | None:
        now = self._clock.monotonic()
        failing = self._clocks.cannot_start(failures=self._failed_starts, since_start=now - self.since.begun)
        if failing is not None:
            return Verdict(VerdictStatus.FAILED, f"{failing}: {self._last_failed_start}")
        since = {"since_start": now - self.since.begun, "since_progress": now - self.since.news}
        reason = self._clocks.overrun(planned=self.planned, has_results=self.ledger.attempts > 0, **since)
        return None if reason is None else Verdict(VerdictStatus.FAILED, reason)


async def supervise(supervisor: Supervisor, workforce: Workforce, clock: Clock) -> Outcome:
    """Looks until the step is over, lets the nodes leave, and counts what they still committed."""
    pause = QUICKEST
    while (verdict := await supervisor.tick(workforce)) is None:
        pause = next_pause(supervisor.ledger.counts, supervisor.seconds, pause, news=supervisor.has_news)
        await clock.sleep(pause)
    if verdict.completed:
        await supervisor.say_settled()
        await workforce.finish()
    else:
        await workforce.stop()
    await supervisor.read_the_rest()
    return Outcome(supervisor.judge_again(verdict), supervisor.ledger, supervisor.seconds)


def next_pause(counts: Counts, seconds: float, last: float, *, news: bool) -> float:
    """Seconds until the next look: half of what the step still takes at its pace, longer while nothing happens.

    Every look costs about a millisecond of the processors that user code could use; the last one should come early.
    """
    if not news:
        return min(SLOWEST, 1.5 * last)
    if counts.total is None:
        return SLOWEST / 2
    left = (counts.total - counts.settled) * seconds / max(1, counts.settled)
    return min(SLOWEST, max(QUICKEST, left / 2))


def with_canceled(counts: Counts) -> Counts:
    """At the end of a step what is not settled is canceled, so that the counts add up (promise I1)."""
    total = counts.total if counts.total is not None else counts.settled
    return replace(counts, total=total, canceled=total - counts.settled + counts.canceled)
