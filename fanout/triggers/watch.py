"""The watch: turns messages into runs and carries runs out to their verdicts, until it is asked to stop.

A message is held (and kept from others) until its objects have their run in the store, and deleted only then. So what
is in memory may be lost at any moment: undeleted messages come again, and runs that are not over are noted in the store
(`triggers/<trigger>/starts/`), where the next watch finds them.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from fanout.backoff import STARTS
from fanout.errors import EventError, FanoutError
from fanout.queues.base import Delivery
from fanout.queues.renewal import renew, renew_regularly
from fanout.scheduler.context import RunContext
from fanout.tasks import each, task_group, until_set
from fanout.triggers.batching import PendingEvents, due, wait_for
from fanout.triggers.compiled import CompiledTrigger
from fanout.triggers.observer import WatchObserver
from fanout.triggers.records import Letter, TriggerRecords
from fanout.triggers.runner import Runner
from fanout.triggers.sources.bodies import read_events
from fanout.triggers.sources.inbox import Inbox
from fanout.triggers.start import StartResult, StartState, finish_start, give_up, start_runs

RECEIVED_AT_ONCE = 50
STARTED_AT_ONCE = 8
LONGEST_POLL = 10.0
AFTER_TROUBLE = 5.0


@dataclass(slots=True)
class Watch:
    """One trigger being watched by this process."""

    compiled: CompiledTrigger
    context: RunContext
    inbox: Inbox
    observer: WatchObserver
    runner: Runner
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _held: list[PendingEvents] = field(default_factory=list)

    async def work(self, event_source: str) -> None:
        """Returns once `stopping` is set and the runs that were being carried out are over."""
        left = await self._records.starts()
        self.observer.watching(self.compiled.trigger, event_source, len(left))
        async with task_group() as tasks:
            running = tasks.create_task(self.runner.work(self.stopping))
            tasks.create_task(self._take_up(left))
            beating = tasks.create_task(self._keep_held())
            await self._receive()
            beating.cancel()
            await self._give_back()
            self.observer.stopping(len(self.runner.busy))
            await running

    @property
    def _records(self) -> TriggerRecords:
        return TriggerRecords(self.context.store, self.compiled.trigger.name)

    async def _take_up(self, runs: Sequence[str]) -> None:
        """What an earlier watch has begun to start is started, what it has started is carried out."""
        for run in runs:
            if self.stopping.is_set():
                return
            try:
                for start in await finish_start(run, self.compiled, self.context):
                    self.observer.arrived(start)
                    if start.run:
                        self.runner.add(start.run)
            except FanoutError as exc:
                self.observer.trouble(f"run {run} cannot be taken up: {exc}")

    async def _receive(self) -> None:
        while not self.stopping.is_set():
            wait = wait_for(self._held, self.compiled.trigger.batch, self._now, LONGEST_POLL)
            try:
                deliveries = await until_set(self.stopping, self.inbox.queue.receive(RECEIVED_AT_ONCE, wait))
            except FanoutError as exc:
                self.observer.trouble(f"no messages can be received: {exc}")
                await until_set(self.stopping, self.context.clock.sleep(AFTER_TROUBLE))
                continue
            for delivery in deliveries or ():
                await self._take(delivery)
            if not self.stopping.is_set():
                await self._start_due()

    async def _take(self, delivery: Delivery) -> None:
        """Reads a message; one that cannot be read is dead-lettered at once."""
        try:
            events = tuple(read_events(delivery.body))
        except EventError as exc:
            name = f"message-{hashlib.sha256(delivery.body.encode('utf-8', 'replace')).hexdigest()[:16]}"
            letter = Letter(name, str(exc), self.context.clock.now())
            await self._settle([delivery], self._records.write_letter(letter))
            self.observer.refused(str(exc))
            return
        wanted = [event for event in events if self.compiled.ignores(event) is None]
        for event in events:
            if (reason := self.compiled.ignores(event)) is not None:
                self.observer.arrived(StartResult(StartState.IGNORED, (event,), reason=reason))
        if wanted:
            self._held.append(PendingEvents(delivery, tuple(wanted), self._now))
        else:
            await self._settle([delivery])

    async def _start_due(self) -> None:
        groups = due(self._held, self.compiled.trigger.batch, self._now)
        await each(self._start, groups, STARTED_AT_ONCE)
        begun = {id(one) for group in groups for one in group}
        self._held = [one for one in self._held if id(one) not in begun]

    async def _start(self, group: list[PendingEvents]) -> None:
        deliveries = [one.delivery for one in group]
        events = [event for one in group for event in one.events]
        try:
            starts = await start_runs(events, self.compiled, self.context)
        except FanoutError as exc:
            await self._failed(group, str(exc))
            return
        for one in starts:
            self.observer.arrived(one)
            if one.state is StartState.STARTED:
                self.runner.add(one.run)
        await self._settle(deliveries)

    async def _failed(self, group: list[PendingEvents], reason: str) -> None:
        """Messages that were received often enough are given up, the others come again after a pause."""
        most = self.context.settings.max_receives
        last = [one for one in group if one.delivery.receive_count >= most]
        again = [one for one in group if one.delivery.receive_count < most]
        if last:
            events = [event for one in last for event in one.events]
            given_up = give_up(events, reason, self.compiled, self.context)
            await self._settle([one.delivery for one in last], given_up)
            self.observer.start_failed(len(events), reason, None)
        if again:
            pause = STARTS.pause(max(one.delivery.receive_count for one in again))
            self.observer.start_failed(sum(len(one.events) for one in again), reason, pause)
            with contextlib.suppress(FanoutError):  # then they come when their visibility runs out
                await self.inbox.queue.extend([one.delivery for one in again], pause)

    async def _settle(self, done: list[Delivery], first: Awaitable[object] | None = None) -> None:
        """The messages are deleted, once `first` has become durable; when that fails they come again."""
        try:
            if first is not None:
                await first
            await self.inbox.queue.delete(done)
        except FanoutError as exc:
            self.observer.trouble(f"{len(done)} messages stay in the queue and come again: {exc}")

    async def _keep_held(self) -> None:
        """What waits for its batch stays hidden from others."""
        visibility = self.context.settings.visibility

        async def renewal() -> None:
            try:
                lost = await renew(self.inbox.queue, [one.delivery for one in self._held], visibility)
            except FanoutError as exc:
                self.observer.trouble(f"messages that wait may come to others, too: {exc}")
                return
            gone = {one.receipt for one in lost}
            self._held = [one for one in self._held if one.delivery.receipt not in gone]

        await renew_regularly(renewal, visibility, self.context.clock)

    async def _give_back(self) -> None:
        """What was held is there for others at once."""
        with contextlib.suppress(FanoutError):  # then they come when their visibility runs out
            await self.inbox.queue.extend([one.delivery for one in self._held], 0)
        self._held = []

    @property
    def _now(self) -> float:
        return self.context.clock.monotonic()
