"""Carries out runs that exist, so many at a time, in the order they were started."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from fanout.errors import FanoutError
from fanout.scheduler.context import RunContext
from fanout.scheduler.resident import resume
from fanout.tasks import task_group, until_set
from fanout.triggers.observer import WatchObserver
from fanout.triggers.records import TriggerRecords

MOST_TRIES = 5
"""Of one run in a row, when store or queue do not do what they should; the next watch tries it again."""
AFTER_TROUBLE = 10.0


@dataclass(slots=True)
class Runner:
    """The runs of one trigger that this process carries out, `at_once` of them."""

    records: TriggerRecords
    context: RunContext
    observer: WatchObserver
    at_once: int
    busy: set[str] = field(default_factory=set)
    _waiting: deque[str] = field(default_factory=deque)
    _known: set[str] = field(default_factory=set)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waiting(self) -> int:
        """How many runs have not begun yet."""
        return len(self._waiting)

    def add(self, run: str) -> None:
        """The run will be carried out, once."""
        if run not in self._known:
            self._known.add(run)
            self._waiting.append(run)
            self._more.set()

    async def work(self, stopping: asyncio.Event) -> None:
        """Carries out what is added; after `stopping` only what has begun already."""
        async with task_group() as tasks:
            for _ in range(self.at_once):
                tasks.create_task(self._work(stopping))

    async def _work(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            if not self._waiting:
                self._more.clear()
                await until_set(stopping, self._more.wait())
                continue
            run = self._waiting.popleft()
            self.busy.add(run)
            try:
                await self._carry_out(run, stopping)
            finally:
                self.busy.discard(run)
                self._known.discard(run)

    async def _carry_out(self, run: str, stopping: asyncio.Event) -> None:
        """The run has its verdict; when that is not to be had just now, it stays noted as not over."""
        for tries in range(1, MOST_TRIES + 1):
            try:
                report = await resume(run, self.context, self.observer.run_begins(run))
                await self.records.end_start(run)
            except FanoutError as exc:
                last = tries == MOST_TRIES or stopping.is_set()
                later = "it is taken up by the next watch" if last else f"tried again in {AFTER_TROUBLE:g} s"
                self.observer.trouble(f"run {run}: {exc}; {later}")
                if last:
                    return
                await until_set(stopping, self.context.clock.sleep(AFTER_TROUBLE))
            else:
                self.observer.run_ended(report)
                return
