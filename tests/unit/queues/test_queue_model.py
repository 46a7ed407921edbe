"""The embedded queue against a model of the queue's rules: whatever is done in whatever order, both say the same."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fanout.clock import SystemClock
from fanout.queues.base import Delivery, Depth
from fanout.queues.sqlite import SqliteQueueService

T = TypeVar("T")
VISIBILITY = 10.0
SECONDS = st.sampled_from([0.0, 1.0, VISIBILITY, VISIBILITY + 1])


@dataclass
class Modelled:
    """A message as the rules see it: when it is due, how often it was received, and which delivery is the latest."""

    body: str
    due: float
    receives: int = 0
    latest: Delivery | None = None


class Turned(SystemClock):
    """A clock that the machine turns."""

    time = 100.0

    def monotonic(self) -> float:
        return self.time


class QueueRules(RuleBasedStateMachine):
    """Send with a delay, receive, extend, delete, let time pass; stale receipts among the valid ones."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Turned()
        self.service = SqliteQueueService(self.folder, self.clock)
        self.main: list[Modelled] = []
        self.dead: list[str] = []
        self.deliveries: list[Delivery] = []
        self.sent = 0

    def teardown(self) -> None:
        self.do(self.service.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    def do(self, job: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(job)

    @initialize(max_receives=st.integers(1, 3))
    def make(self, max_receives: int) -> None:
        self.max_receives = max_receives
        self.pair = self.do(self.service.create("q", visibility=VISIBILITY, max_receives=max_receives))

    @rule(count=st.integers(1, 5), delay=SECONDS)
    def send(self, count: int, delay: float) -> None:
        bodies = [f"message {self.sent + number}" for number in range(count)]
        self.sent += count
        self.do(self.pair.main.send(bodies, delay))
        self.main += [Modelled(body, self.clock.time + delay) for body in bodies]

    @rule(limit=st.integers(1, 6))
    def receive(self, limit: int) -> None:
        """Exactly the messages that are due, the earliest first; those received too often become dead letters."""
        expected: list[Modelled] = []
        while due := self._due()[:limit]:
            for message in due:
                message.due, message.receives = self.clock.time + VISIBILITY, message.receives + 1
            worn = [message for message in due if message.receives > self.max_receives]
            self.main = [message for message in self.main if message not in worn]
            self.dead += [message.body for message in worn]
            if expected := [message for message in due if message not in worn]:
                break
        found = self.do(self.pair.main.receive(limit, 0))
        assert sorted((d.body, d.receive_count) for d in found) == sorted((m.body, m.receives) for m in expected)
        by_body = {delivery.body: delivery for delivery in found}
        for message in expected:
            message.latest = by_body[message.body]
        self.deliveries += found

    @precondition(lambda self: self.deliveries)
    @rule(data=st.data(), seconds=SECONDS)
    def extend(self, data: st.DataObject, seconds: float) -> None:
        """Held are the latest deliveries that have not run out; all others are named as lost."""
        chosen = data.draw(st.lists(st.sampled_from(self.deliveries), unique=True, max_size=6))
        lost = self.do(self.pair.main.extend(chosen, seconds))
        held = [(d, m) for d in chosen for m in self.main if m.latest is d and m.due > self.clock.time]
        assert lost == [delivery for delivery in chosen if not any(delivery is d for d, _ in held)]
        for _, message in held:
            message.due = self.clock.time + seconds

    @precondition(lambda self: self.deliveries)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """The latest receipt removes the message, also late; any other does nothing."""
        chosen = data.draw(st.lists(st.sampled_from(self.deliveries), unique=True, max_size=6))
        self.do(self.pair.main.delete(chosen))
        self.main = [message for message in self.main if message.latest not in chosen]

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: float) -> None:
        self.clock.time += seconds

    @rule()
    def open_again(self) -> None:
        """Another process sees the same."""
        self.do(self.service.close())
        pair = self.do(self.service.open("q"))
        assert pair is not None
        self.pair = pair

    @invariant()
    def depths_agree(self) -> None:
        """Nothing is lost, nothing invented."""
        if not hasattr(self, "pair"):
            return
        later = [message for message in self.main if message.due > self.clock.time]
        held = sum(message.receives > 0 for message in later)
        expected = Depth(len(self.main) - len(later), held, len(later) - held)
        assert self.do(self.pair.main.depth()) == expected
        assert self.do(self.pair.dead.depth()).total == len(self.dead)

    def _due(self) -> list[Modelled]:
        due = [(m.due, place, m) for place, m in enumerate(self.main) if m.due <= self.clock.time]
        return [message for _, _, message in sorted(due, key=lambda found: found[:2])]


TestQueueRules = QueueRules.TestCase
TestQueueRules.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
