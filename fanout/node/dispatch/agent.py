"""A node: feeds its slots, holds the leases, commits what the slots finish, and leaves in order.

It assigns what its `intake` has received to its slots (`feed`), and reacts to events of the slots (the `slot_…`
methods). It decides nothing itself: retries are in `retry_policy`, durability in `committer`, the renewal of leases in
`renewal`.
"""

import asyncio
import contextlib
import itertools
import logging
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from obstore.store import ObjectStore

from fanout.clock import Clock
from fanout.node.dispatch.attempt import as_failed, entry_of, items_to_split, without_rows
from fanout.node.dispatch.committer import Committer, Finished
from fanout.node.dispatch.end_check import StepEnding, check_for_end
from fanout.node.dispatch.fetcher import Fetcher
from fanout.node.dispatch.intake import Intake, IntakeEvents
from fanout.node.dispatch.plan_check import plan_check
from fanout.node.dispatch.prefetch import assign, receive_timeout, wanted
from fanout.node.dispatch.renewal import renew_leases
from fanout.node.dispatch.retry_policy import SUCCEEDED, Decision, retry_decision
from fanout.node.dispatch.retry_preference import Preference
from fanout.queues.base import QueuePair
from fanout.records.step import StepRecord
from fanout.results.codec import Event, Failure, Status
from fanout.results.fences import Fence
from fanout.slot.lease import Lease, LeaseTable
from fanout.slot.out_of_memory import OomKills
from fanout.slot.protocol import Done, Stopped
from fanout.slot.slot import EXIT_LIMIT, SHUTDOWN_LIMIT, ProcessFactory, Slot
from fanout.tasks import all_of, every, task_group

log = logging.getLogger(__name__)

END_CHECK_EVERY = 3.0
"""Seconds between two checks of the store for the end of the step."""
POLL_SLOTS_EVERY = 0.2
"""Seconds between two polls of the slots without a wake-up: answers are read, time limits checked, and slots fed. The
fewer polls, the more CPU for user code."""
SOONEST_POLL = 0.02
WAITS_HERE = 1.0
"""Seconds, at the least, that mini-batches wait here for a slot before they are given to other nodes."""
LAST_COMMIT_LIMIT = 2.0
"""Seconds in which a node whose run is canceled commits what has finished; `fanout cancel` waits for it."""


class Leaving(StrEnum):
    """Why a node leaves."""

    FINISHED = "finished"  # the step is settled: shutdown() runs
    CANCELED = "canceled"  # the run is canceled: running attempts are killed, committed results stay
    DRAINED = "drained"  # asked to: what runs is finished, the rest given back
    GAVE_UP = "gave up"  # the script cannot be started here
    FENCED = "fenced"  # everything fails here and succeeds on other nodes
    FAILED = "failed"  # an error of fanout, the store or the queue


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """Options of a node. `grace`: seconds that a drain waits; `returns_idle`: requeue what waits long for a slot."""

    number: int
    slots: int
    visibility: float
    grace: float = 25.0
    returns_idle: bool = True


class Node:
    """One instance. `run` returns when it has left; `finish` and `drain` ask it to."""

    def __init__(
        self,
        record: StepRecord,
        options: NodeOptions,
        store: ObjectStore,
        queues: QueuePair,
        make_process: ProcessFactory,
        committer: Callable[["Node"], Committer],
        fetcher: Fetcher | None,
        clock: Clock,
    ) -> None:
        self._record, self._options, self._store, self._queues = record, options, store, queues
        self._fetcher, self._clock = fetcher, clock
        self.leases = LeaseTable()
        self._committer = committer(self)
        self._intake = Intake(
            record.at,
            queues.main,
            store,
            fetcher,
            options.visibility,
            self._committer,
            self.leases,
            clock,
            IntakeEvents(
                self._wanted,
                self.feed,
                self._fetch_failed,
                lambda: receive_timeout(queues.main, self._slots),
                Preference(options.number, record.at, store, clock).deferral,
            ),
            plan_check(record, store),
        )
        self.done = self.failed = 0  # attempts that have ended here
        self._useless_starts, self._checks_items = 0, record.step.thresholds.checks_items
        self._polled, self._will_poll = clock.monotonic(), False
        self._starts_until, self._grace = math.inf, 0.0
        self._leaving: asyncio.Future[Leaving] = asyncio.get_running_loop().create_future()
        self._idle_slots = asyncio.Event()
        self._starts: set[asyncio.Task[None]] = set()
        numbers, kills = itertools.count(), OomKills()
        self._slots = [
            Slot(
                make_process,
                lambda: f"process{next(numbers):03d}",
                self,
                clock,
                run_limit=record.step.retry_settings.timeout,
                load_limit=record.step.limits.task_overhead_timeout,
                init_limit=record.step.init_limit,
                reads=record.recipe is not None,
                kills=kills,
            )
            for _ in range(options.slots)
        ]

    # The life of a node.

    async def run(self) -> Leaving:
        """Works until it is asked to leave or the step is over; returns the reason."""
        try:
            return await self._work()
        finally:
            for task in self._starts:
                task.cancel()
            self.kill_slots()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EXIT_LIMIT):
                    await all_of(slot.ended() for slot in self._slots)

    async def _work(self) -> Leaving:
        async with task_group() as tasks:
            committing = tasks.create_task(self._committer.run())
            renewal = renew_leases(self._queues.main, self.leases, self._options.visibility, self._clock)
            renewing = tasks.create_task(renewal)
            receiving = tasks.create_task(self._intake.run())
            watching = [
                tasks.create_task(self._poll_regularly()),
                tasks.create_task(every(END_CHECK_EVERY, self._look_for_end, self._clock)),
            ]
            for slot in self._slots:
                self._start(slot)
            why = await self._leaving
            log.info("leaving: %s", why)
            await self._leave(why, receiving)
            self._committer.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_COMMIT_LIMIT if why is Leaving.CANCELED else None):
                    await committing
            for task in (renewing, *watching):
                task.cancel()
        return why

    def finish(self) -> None:
        """The step is settled: runs shutdown() in each slot and leaves."""
        self._leave_because(Leaving.FINISHED)

    def drain(self, grace: float | None = None) -> None:
        """Takes no more work, finishes what runs within `grace` seconds, requeues the rest, leaves."""
        self._grace = self._options.grace if grace is None else grace
        self._leave_because(Leaving.DRAINED)

    def cancel(self) -> None:
        """The run is canceled: kills what runs, commits what has finished, leaves."""
        self._leave_because(Leaving.CANCELED)
        self.kill_slots()

    def start_until(self, moment: float) -> None:
        """Assigns nothing to a slot after this moment of the monotonic clock."""
        self._starts_until = moment
        self.feed()

    async def requeue_unstarted(self) -> None:
        """Requeues what waits here for a slot."""
        await self._intake.requeue()

    def kill_slots(self) -> None:
        """Kills all processes of user code, now."""
        for slot in self._slots:
            slot.kill()

    @property
    def slots(self) -> Sequence[Slot]:
        return self._slots

    @property
    def waiting(self) -> int:
        """How many mini-batches wait here for a slot."""
        return self._intake.waiting

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing is about to."""
        return self._intake.empty and not any(slot.busy for slot in self._slots)

    def _is_fenced(self, fence: Fence) -> None:
        """Leaves without finishing what runs, since it would fail, too; it is requeued."""
        log.error("%s", fence)
        self._leave_because(Leaving.FENCED)
        self.kill_slots()

    def _leave_because(self, why: Leaving) -> None:
        if not self._leaving.done():
            self._leaving.set_result(why)
            self._intake.close()

    async def _leave(self, why: Leaving, receiving: asyncio.Task[None]) -> None:
        # 1. No more work. When the step is over nothing that is on its way to us matters, so a receive may be cut off;
        #    else it is let finish, because a message that it takes with it would stay hidden for a while.
        if why in (Leaving.FINISHED, Leaving.CANCELED):
            receiving.cancel()
        await asyncio.wait([receiving])
        # 2. What has not started goes back at once, for others: not when the run is canceled.
        for task in self._starts:
            task.cancel()
        if why is not Leaving.CANCELED:
            await self._intake.requeue()
        # 3. What runs may finish, for a while. What does not is given back when its slot is ended.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                await self._until_no_slot_is_busy()
        # 4. shutdown() in each slot, then the end of whatever is still there.
        for slot in self._slots:
            slot.kill() if slot.busy else slot.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_LIMIT + 2 * EXIT_LIMIT):
                await all_of(slot.ended() for slot in self._slots)
        self.kill_slots()
        await all_of(slot.ended() for slot in self._slots)
        # 5. What they gave back while they ended.
        if why is not Leaving.CANCELED:
            await self._intake.requeue()

    async def _until_no_slot_is_busy(self) -> None:
        while any(slot.busy for slot in self._slots):
            self._idle_slots.clear()
            await self._idle_slots.wait()

    async def _poll_regularly(self) -> None:
        """Polls the slots for what sends no wake-up: time limits, and commits, which make room."""
        while True:
            due = self._polled + POLL_SLOTS_EVERY - self._clock.monotonic()
            await self._clock.sleep(max(SOONEST_POLL, due))
            if self._clock.monotonic() - self._polled >= POLL_SLOTS_EVERY:
                self._poll_slots()
            if self._options.returns_idle:
                self._return_idle()

    def _poll_slots(self) -> None:
        """Reads the answers of all slots, so that they are fed together and evenly, and kills what takes too long."""
        for slot in self._slots:
            slot.read_answers()
        for slot in self._slots:
            slot.check_time()
            self._intake.put_back(slot.revoke())
        self._polled, self._will_poll = self._clock.monotonic(), False
        self.feed()

    async def _look_for_end(self) -> None:
        """Checks the store for the end of the step. Needed by nodes without a supervisor on their machine."""
        match await check_for_end(self._store, self._record.at, self._options.number):
            case StepEnding.SETTLED:
                self.finish()
            case StepEnding.CANCELED:
                self.cancel()
            case Fence() as fence:
                self._is_fenced(fence)

    # Work comes in.

    def _wanted(self) -> int:
        """How many mini-batches should wait for the slots; where files are fetched, enough to do so meanwhile."""
        most = wanted(self._slots)
        return most if self._fetcher is None else max(most, 2 * len(self._slots))

    def feed(self) -> None:
        """Assigns mini-batches to slots that have room."""
        if not (self._leaving.done() or self._is_late):
            assign(self._slots, self._intake)
            self._intake.ask()

    def _poll_soon(self) -> None:
        """Schedules one poll for all answers that have arrived together."""
        if not self._will_poll:
            self._will_poll = True
            asyncio.get_running_loop().call_soon(self._poll_slots)

    @property
    def _is_late(self) -> bool:
        """Whether nothing is started any more. Only nodes in functions have a deadline."""
        return self._starts_until < math.inf and self._clock.monotonic() > self._starts_until

    def _return_idle(self) -> None:
        """Requeues what waits here for long, so that at the end of a step slots of other nodes do not idle."""
        longest = max((slot.average or 0.0 for slot in self._slots), default=0.0)
        if not any(slot.room(1) for slot in self._slots):
            self._intake.return_idle(max(WAITS_HERE, 2 * longest))

    def _fetch_failed(self, lease: Lease, failure: Failure) -> None:
        self._finished(lease, Done(0, 0, 0.0, 0.0, failure=failure), self._clock.now(), "fetch")

    # What happens in the slots.

    def _start(self, slot: Slot, delay: float = 0.0) -> None:
        if self._leaving.done():
            return

        async def start() -> None:
            await self._clock.sleep(delay)
            await slot.start()

        task = asyncio.create_task(start())
        self._starts.add(task)
        task.add_done_callback(self._started)

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starts.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.error("a slot's process could not be started: %s", exc)
            self._leave_because(Leaving.FAILED)

    def slot_ready(self, slot: Slot) -> None:
        log.info("%s is ready", slot.process_name)
        self._useless_starts = 0  # the script can be started: what ends its process while it idles is no failed start
        self.feed()

    def slot_needs_work(self, slot: Slot) -> None:  # noqa: ARG002 - one signature for all events
        self._poll_soon()

    def slot_done(self, slot: Slot, lease: Lease, done: Done, started: float) -> None:
        self._finished(lease, done, started, slot.process_name)
        self._idle_slots.set()
        self._poll_soon()
        if not slot.busy and self.idle:
            self._committer.hurry()

    def slot_unstarted(self, slot: Slot, lease: Sequence[Lease]) -> None:  # noqa: ARG002 - one signature for all events
        self._intake.put_back(lease)

    def slot_crashed(self, slot: Slot) -> None:
        self._start(slot)

    def slot_start_failed(self, slot: Slot, failure: Failure) -> None:
        """After three useless starts for each slot in a row this node gives up; at once when none can be of use."""
        if self._leaving.done():
            return  # the slot was stopped before it was used
        self._useless_starts += 1
        gave_up = slot.never_starts or self._useless_starts >= 3 * len(self._slots)
        log.error("%s: %s", slot.process_name, failure.message)
        self._committer.note(Event(slot.process_name, self._clock.now(), failure, gave_up))
        if gave_up:
            self._leave_because(Leaving.GAVE_UP)
        else:
            self._start(slot, delay=min(30.0, 0.05 * 2.0**slot.useless_starts))

    def slot_stopped(self, slot: Slot, stopped: Stopped) -> None:
        if stopped.failure is not None or stopped.files:
            self._committer.note(Event(slot.process_name, self._clock.now(), stopped.failure, files=stopped.files))
        self._idle_slots.set()

    def _finished(self, lease: Lease, done: Done, started: float, process: str) -> None:
        self.done += 1
        if done.failure is not None or (done.succeeded < done.items and self._checks_items):
            self.failed, done = self.failed + 1, as_failed(lease, done)
        decision = self._decide(lease, done)
        if done.failure is not None and not decision.status.is_final:
            done = without_rows(done)
        if self._fetcher is not None:
            self._fetcher.release(lease.fetched)
        entry = entry_of(lease, done, decision, process, started)
        self._committer.add(Finished(lease, entry, done.rows, decision.retry_after))

    def _decide(self, lease: Lease, done: Done) -> Decision:
        failure, step = done.failure, self._record.step
        if failure is None:
            return SUCCEEDED
        if lease.message.copy or not lease.startable(self._clock.monotonic()):
            return Decision(Status.RETRIED)  # the lease has ended: another node has it, or may have
        draw = random.random()  # noqa: S311 - spreads retries, guards nothing
        items = items_to_split(lease, done, failure) if step.isolate_failures else None
        return retry_decision(failure, lease.message.attempt, step.retry_settings.max_retries, draw, items)
