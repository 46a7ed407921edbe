"""The supervisor: when a step ends, and why, seen through a real queue and store on a clock turned by hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from obstore.store import ObjectStore

from fanout.pipeline.model import Limits, RetrySettings, Thresholds
from fanout.queues.base import QueuePair
from fanout.queues.sqlite import SqliteQueueService
from fanout.records import messages, mini_batch
from fanout.records.messages import Message
from fanout.records.mini_batch import MiniBatch
from fanout.records.row_format import RowFormat
from fanout.records.seal import Seal, seal
from fanout.records.step import StepRecord
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.results import codec
from fanout.results.codec import Cause, Entry, Event, Failure, Status
from fanout.results.ledger import Ledger
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put, read
from fanout.supervision.progress import Observers, Progress
from fanout.supervision.step_machine import SealStep, with_canceled
from fanout.supervision.supervisor import UNKNOWN, Supervisor, supervise

AT = StepRound("r", "s")

FAILURE = Failure(Cause.EXCEPTION, "ValueError: no")


@dataclass
class Nodes:
    """A workforce whose fate the test decides; notes what it is told."""

    reason: str | None = None
    told: list[str] = field(default_factory=list)
    before_leaving: Callable[[], Any] | None = None

    async def finish(self) -> None:
        self.told.append("finish")
        if self.before_leaving:
            await self.before_leaving()

    async def stop(self) -> None:
        self.told.append("stop")
        if self.before_leaving:
            await self.before_leaving()

    def news(self) -> list[str]:
        return []

    def trouble(self) -> str | None:
        return self.reason


@dataclass
class Watch:
    """What observers were told."""

    progress: list[Progress] = field(default_factory=list)
    results: list[int] = field(default_factory=list)
    resent: list[list[int]] = field(default_factory=list)
    doubled: list[list[int]] = field(default_factory=list)


@dataclass
class Messages:
    """Sends to the step's queue, and notes what."""

    pair: QueuePair
    watch: Watch

    async def resend(self, ledger: Ledger) -> None:
        missing = list(ledger.missing())
        self.watch.resent.append(missing)
        await self.pair.main.send([_message(index) for index in missing])

    async def send_again(self, _: Ledger, indexes: Collection[int]) -> None:
        await self.pair.main.send([_message(index) for index in indexes])

    async def speculate(self, _: Ledger, indexes: Collection[int]) -> None:
        self.watch.doubled.append(list(indexes))
        await self.pair.main.send([_message(index, copy=True) for index in indexes])


Make = Callable[..., Supervisor]


@pytest.fixture
async def pair(tmp_path: Path, manual_clock: Any) -> AsyncIterator[QueuePair]:
    """The step's queues."""
    service = SqliteQueueService(tmp_path / "queues", manual_clock)
    yield await service.create("q", visibility=10.0, max_receives=2)
    await service.close()


@pytest.fixture
def watch() -> Watch:
    """An empty note book."""
    return Watch()


@pytest.fixture
def make(
    store: ObjectStore, pair: QueuePair, manual_clock: Any, record: Callable[..., StepRecord], watch: Watch
) -> Make:
    """A supervisor of step `r/s` with these settings, which sends lost messages again."""

    def supervisor(row_format: RowFormat = RowFormat.NONE, number: int = 90, **settings: Any) -> Supervisor:
        async def my_number() -> int:
            await put(store, keys.node(AT, number), b"{}")
            return number

        observers = Observers(watch.progress.append, lambda node, _: watch.results.append(node))
        found = record(row_format, **settings)
        return Supervisor(found, store, pair, manual_clock, observers, my_number, Messages(pair, watch))

    return supervisor


def _message(index: int, *, copy: bool = False) -> str:
    line = mini_batch.encode(MiniBatch(index, files=("file:///a", "file:///b")))
    return messages.encode(Message(AT, index, 0, line=line, copy=copy))


async def _look(supervisor: Supervisor, nodes: Any) -> Verdict | None:
    """One look; the verdict of the step when that is over."""
    action = await supervisor.look(nodes)
    return action.verdict if isinstance(action, SealStep) else None


async def test_a_step_completes_when_everything_is_settled(
    make: Make, commit: Any, entry: Callable[..., Entry], watch: Watch
) -> None:
    """No verdict while a mini-batch is open, Completed with the last one; each result is seen once."""
    supervisor = make()
    supervisor.plan_is_complete(3)
    await commit(0, 0, [entry(0), entry(1)])
    assert await _look(supervisor, Nodes()) is None
    assert supervisor.memory.moved
    assert await _look(supervisor, Nodes()) is None
    assert not supervisor.memory.moved
    await commit(0, 1, [entry(2)])
    verdict = await _look(supervisor, Nodes())
    assert verdict == Verdict(VerdictStatus.COMPLETED, "all 3 mini-batches succeeded")
    assert watch.results == [0, 0]
    assert [p.counts.succeeded for p in watch.progress] == [2, 3]
    assert [p.counts.total for p in watch.progress] == [3, 3]


async def test_observers_hear_of_the_plan_and_of_each_attempt(
    make: Make, commit: Any, entry: Callable[..., Entry], watch: Watch
) -> None:
    """How many there are is told before the first has ended; a try that failed is told, too. Once each."""
    supervisor = make()
    supervisor.planned_so_far(2)
    await _look(supervisor, Nodes())
    supervisor.plan_is_complete(3)
    await _look(supervisor, Nodes())
    await _look(supervisor, Nodes())
    await commit(0, 0, [entry(0, status=Status.RETRIED, failure=FAILURE)])
    await _look(supervisor, Nodes())
    assert not supervisor.memory.moved, "nothing was settled: the clock of progress goes on"
    told = [(p.planned, p.counts.total, p.counts.retried) for p in watch.progress]
    assert told == [(2, None, 0), (3, 3, 0), (3, 3, 1)]


async def test_a_threshold_ends_the_step_while_work_is_left(
    make: Make, commit: Any, entry: Callable[..., Entry]
) -> None:
    """Failed as soon as more has failed than may, though mini-batches are still open and planning goes on."""
    supervisor = make(thresholds=Thresholds(mini_batch_error_threshold=1))
    supervisor.planned_so_far(100)
    await commit(0, 0, [entry(0, status=Status.FAILED, failure=FAILURE)])
    assert await _look(supervisor, Nodes()) is None
    await commit(0, 1, [entry(1, status=Status.FAILED, failure=FAILURE)])
    verdict = await _look(supervisor, Nodes())
    assert verdict is not None
    assert verdict.reason == "failed mini-batches: 2, more than mini_batch_error_threshold 1 allows"


async def test_retried_attempts_fail_no_threshold(make: Make, commit: Any, entry: Callable[..., Entry]) -> None:
    """An attempt that is made again counts as nothing until its mini-batch is settled (reference, section 10)."""
    supervisor = make(thresholds=Thresholds(0, 0, 0))
    supervisor.plan_is_complete(1)
    await commit(0, 0, [entry(0, status=Status.RETRIED, failure=FAILURE)])
    assert await _look(supervisor, Nodes()) is None
    await commit(0, 1, [entry(0, attempt=1)])
    verdict = await _look(supervisor, Nodes())
    assert verdict is not None
    assert verdict.completed


async def test_a_canceled_run(make: Make, store: ObjectStore, manual_clock: Any) -> None:
    """The marker in the store is noticed within seconds."""
    supervisor = make()
    await put(store, keys.cancel("r"), b"{}")
    manual_clock.advance(2.1)
    assert await _look(supervisor, Nodes()) == Verdict(VerdictStatus.CANCELED, "a user canceled the run")


async def test_nodes_that_left_a_canceled_run_are_no_trouble(make: Make, store: ObjectStore, manual_clock: Any) -> None:
    """Nodes look for the cancelation themselves, and may have left before the supervisor has looked."""
    supervisor = make()
    await put(store, keys.cancel("r"), b"{}")
    verdict = await _look(supervisor, Nodes(reason="no node is left"))
    assert verdict == Verdict(VerdictStatus.CANCELED, "a user canceled the run")


async def test_lost_messages_are_sent_again(
    make: Make, pair: QueuePair, commit: Any, entry: Callable[..., Entry], manual_clock: Any, watch: Watch
) -> None:
    """Mini-batches that neither queue nor results know of are sent anew, once the queue has had time to count."""
    supervisor = make()
    supervisor.plan_is_complete(3)
    await pair.main.send([_message(1)])
    await commit(0, 0, [entry(0)])
    for _ in range(4):
        manual_clock.advance(2.1)
        assert await _look(supervisor, Nodes()) is None
    assert watch.resent == [], "the queue still held a message"
    await pair.main.delete(await pair.main.receive(1, 0))
    for _ in range(4):
        manual_clock.advance(2.1)
        assert await _look(supervisor, Nodes()) is None
    assert watch.resent == [[1, 2]]
    assert (await pair.main.depth()).total == 2


async def test_messages_lost_beside_one_that_is_held_for_long(
    make: Make, pair: QueuePair, commit: Any, entry: Callable[..., Entry], manual_clock: Any, watch: Watch
) -> None:
    """Which are lost shows when the last that is held has ended; then they are sent, and all ends (fault 10)."""
    supervisor = make()
    supervisor.plan_is_complete(4)
    await pair.main.send([_message(3)])
    [held] = await pair.main.receive(1, 0)
    await commit(0, 0, [entry(0)])
    for _ in range(20):
        manual_clock.advance(2.1)
        await pair.main.extend([held], 10.0)
        assert await _look(supervisor, Nodes()) is None
    await commit(0, 1, [entry(3)])
    await pair.main.delete([held])
    for _ in range(3):
        manual_clock.advance(2.1)
        assert await _look(supervisor, Nodes()) is None
    assert watch.resent == [[1, 2]]
    await commit(0, 2, [entry(1), entry(2)])
    verdict = await _look(supervisor, Nodes())
    assert verdict is not None
    assert verdict.completed


async def test_stragglers_are_doubled_once(
    make: Make, pair: QueuePair, commit: Any, entry: Callable[..., Entry], manual_clock: Any, watch: Watch
) -> None:
    """What is held long after the others have ended gets one copy, and the first of both to commit settles it."""
    supervisor = make(speculate=True)
    supervisor.plan_is_complete(4)
    await pair.main.send([_message(index) for index in range(4)])
    held = await pair.main.receive(4, 0)
    await commit(0, 0, [entry(0), entry(1), entry(2)])
    await pair.main.delete(held[:3])
    for _ in range(8):
        manual_clock.advance(0.6)
        await pair.main.extend(held[3:], 10.0)
        assert await _look(supervisor, Nodes()) is None
    assert watch.doubled == [[3]]
    [copy] = await pair.main.receive(4, 0)
    assert messages.decode(copy.body).copy
    await commit(1, 0, [entry(3, copy=True)])
    manual_clock.advance(UNKNOWN)
    verdict = await _look(supervisor, Nodes())
    assert verdict is not None
    assert verdict.completed


async def test_nothing_is_doubled_unasked(
    make: Make, pair: QueuePair, commit: Any, entry: Callable[..., Entry], manual_clock: Any, watch: Watch
) -> None:
    """Without speculate a mini-batch may take as long as it likes."""
    supervisor = make()
    supervisor.plan_is_complete(2)
    await pair.main.send([_message(0)])
    held = await pair.main.receive(1, 0)
    await commit(0, 0, [entry(1)])
    for _ in range(30):
        manual_clock.advance(0.6)
        await pair.main.extend(held, 10.0)
        await _look(supervisor, Nodes())
    assert watch.doubled == []
    assert (await pair.main.depth()).total == 1


async def test_held_and_delayed_messages_are_not_lost(
    make: Make, pair: QueuePair, manual_clock: Any, watch: Watch
) -> None:
    """What a node holds, or what waits for its retry, is still in the queue."""
    supervisor = make()
    supervisor.plan_is_complete(2)
    await pair.main.send([_message(0)])
    await pair.main.send([_message(1)], delay=60)
    held = await pair.main.receive(1, 0)
    for _ in range(8):
        manual_clock.advance(2.1)
        await pair.main.extend(held, 10.0)
        await _look(supervisor, Nodes())
    assert watch.resent == []


async def test_nothing_is_lost_while_it_is_still_being_sent(make: Make, manual_clock: Any, watch: Watch) -> None:
    """Before the plan is complete an empty queue means nothing."""
    supervisor = make()
    supervisor.planned_so_far(5)
    for _ in range(5):
        manual_clock.advance(2.1)
        await _look(supervisor, Nodes())
    assert watch.resent == []


async def test_vanished_mini_batches_are_counted_with_their_reason(
    make: Make, pair: QueuePair, commit: Any, entry: Callable[..., Entry], manual_clock: Any
) -> None:
    """A message that the queue gave up is an outcome: the step ends, and says why (promise I1)."""
    supervisor = make(thresholds=Thresholds(mini_batch_error_threshold=0))
    supervisor.plan_is_complete(2)
    await commit(0, 0, [entry(0)])
    await pair.main.send([_message(1)])
    for _ in range(3):
        await pair.main.receive(1, 0)
        manual_clock.advance(10.1)
    assert await _look(supervisor, Nodes()) is None
    manual_clock.advance(0.2)
    verdict = await _look(supervisor, Nodes())
    assert verdict is not None
    assert verdict.status is VerdictStatus.FAILED
    assert supervisor.ledger.counts.dead_lettered == 1
    [failure] = supervisor.ledger.failures
    assert failure.failure.cause is Cause.VANISHED


async def test_dead_letters_wait_for_the_plan(make: Make, pair: QueuePair, manual_clock: Any) -> None:
    """A node may vanish with a mini-batch before its shard has been counted: its letter is recorded all the same."""
    supervisor = make()
    supervisor.planned_so_far(0)
    await pair.dead.send([_message(1)])
    for _ in range(2):
        manual_clock.advance(2.1)
        assert await _look(supervisor, Nodes()) is None
    assert (await pair.dead.depth()).total == 1
    supervisor.plan_is_complete(2)
    manual_clock.advance(2.1)
    await _look(supervisor, Nodes())
    await _look(supervisor, Nodes())
    assert supervisor.ledger.counts.dead_lettered == 1
    assert (await pair.dead.depth()).total == 0


async def test_a_step_without_mini_batches_in_time(make: Make, manual_clock: Any) -> None:
    """When listing the input takes too long, the verdict names the setting to raise."""
    supervisor = make(limits=Limits(first_task_creation_timeout=60.0))
    manual_clock.advance(59)
    assert await _look(supervisor, Nodes()) is None
    manual_clock.advance(2)
    verdict = await _look(supervisor, Nodes())
    assert verdict is not None
    assert "first_task_creation_timeout" in verdict.reason


async def test_a_step_without_progress(make: Make, commit: Any, entry: Callable[..., Entry], manual_clock: Any) -> None:
    """The progress clock starts anew with each settled mini-batch, and ends the step when it runs out."""
    supervisor = make(retry_settings=RetrySettings(timeout=5.0), limits=Limits(task_overhead_timeout=5.0))
    supervisor.plan_is_complete(3)
    manual_clock.advance(29)
    await commit(0, 0, [entry(0)])
    assert await _look(supervisor, Nodes()) is None
    manual_clock.advance(29)
    await commit(0, 1, [entry(1, status=Status.RETRIED, failure=FAILURE)])
    assert await _look(supervisor, Nodes()) is None
    manual_clock.advance(2)
    verdict = await _look(supervisor, Nodes())
    assert verdict is not None
    assert verdict.reason.startswith("no progress in 30 seconds")


async def test_a_script_that_does_not_start_on_any_node(
    make: Make, commit: Any, entry: Callable[..., Entry], manual_clock: Any
) -> None:
    """After two minutes, twice as many failures in a row as there are slots end the step; old ones do not count."""
    failure = Failure(Cause.INIT, "RuntimeError: no model")

    def broken(count: int) -> list[Event]:
        return [Event("process000", manual_clock.now(), failure) for _ in range(count)]

    supervisor = make(max_concurrency_per_instance=2)
    supervisor.plan_is_complete(3)
    await commit(0, 0, [], events=broken(3))
    assert await _look(supervisor, Nodes()) is None
    await commit(0, 1, [], events=broken(3))
    manual_clock.advance(121)
    assert await _look(supervisor, Nodes()) is None
    await commit(0, 2, [entry(0)], events=broken(3))
    assert await _look(supervisor, Nodes()) is None, "a mini-batch has ended: in a row there are three"
    await commit(0, 3, [], events=broken(1))
    verdict = await _look(supervisor, Nodes())
    assert verdict is not None
    assert verdict.status is VerdictStatus.FAILED
    assert "could not be started 4 times in a row" in verdict.reason
    assert verdict.reason.endswith("RuntimeError: no model")


async def test_trouble_of_the_workforce_is_the_reason(make: Make) -> None:
    """When no node is left and none will come, the step fails with what is known of it."""
    supervisor = make()
    supervisor.plan_is_complete(3)
    verdict = await _look(supervisor, Nodes("no node is left: killed by signal 9"))
    assert verdict == Verdict(VerdictStatus.FAILED, "no node is left: killed by signal 9")


async def test_a_script_that_cannot_start_is_the_reason(make: Make, store: ObjectStore) -> None:
    """Nodes that gave up have left the init failure's own message, even between the last look and their end."""
    supervisor = make()
    supervisor.plan_is_complete(3)

    await put(store, keys.node(AT, 0), b"{}")
    failure = Failure(Cause.INIT, "ModuleNotFoundError: No module named 'nope'")
    events = [Event("process000", 0.0, failure), Event("process001", 0.0, failure, gave_up=True)]

    class LastWords(Nodes):
        def trouble(self) -> str | None:
            store.put(keys.result(AT, 0, 0), codec.encode([], [], events))
            return "no node is left"

    verdict = await _look(supervisor, LastWords())
    assert verdict is not None
    assert verdict.status is VerdictStatus.FAILED
    assert "No module named 'nope'" in verdict.reason


async def test_nodes_that_left_after_the_last_result_are_no_trouble(
    make: Make, store: ObjectStore, entry: Callable[..., Entry]
) -> None:
    """A result committed between the supervisor's look and its question about the nodes still counts."""
    supervisor = make()
    supervisor.plan_is_complete(1)
    await put(store, keys.node(AT, 0), b"{}")
    await _look(supervisor, Nodes())
    body = codec.encode([entry(0)], [b""])

    class LeavesInBetween(Nodes):
        def trouble(self) -> str | None:
            store.put(keys.result(AT, 0, 0), body)
            return "no node is left: they ended without a word"

    verdict = await _look(supervisor, LeavesInBetween())
    assert verdict is not None
    assert verdict.completed


async def _watched(supervisor: Supervisor, nodes: Nodes, clock: Any) -> Any:
    task = asyncio.create_task(supervise(supervisor, nodes, clock))
    while not task.done():
        await clock.run(0.5)
    return task.result()


async def test_nodes_are_told_and_their_last_words_count(
    make: Make, store: ObjectStore, commit: Any, entry: Callable[..., Entry], manual_clock: Any
) -> None:
    """At the end nodes that nobody tells find a marker, the others are told, and what they still commit is read."""
    await commit(0, 0, [entry(0), entry(1)])
    left = Event("process000", 0.0, None, files=("out/summary",))

    async def shut_down() -> None:
        await put(store, keys.result(AT, 0, 1), codec.encode([], [], [left]))

    nodes = Nodes(before_leaving=shut_down)
    supervisor = make()
    supervisor.plan_is_complete(2)
    outcome = await _watched(supervisor, nodes, manual_clock)
    assert outcome.verdict.completed
    assert nodes.told == ["finish"]
    assert outcome.ledger.sealed() == {0: 2}
    assert await read(store, keys.settled(AT)) is not None


async def test_a_failed_step_stops_its_nodes(
    make: Make, store: ObjectStore, commit: Any, entry: Callable[..., Entry], manual_clock: Any
) -> None:
    """Nodes are stopped, results that still came are read, and what is open is canceled: the counts add up."""
    await commit(0, 0, [entry(0, status=Status.FAILED, failure=FAILURE)])

    async def one_more() -> None:
        await put(store, keys.result(AT, 0, 1), codec.encode([entry(1)], [b""]))

    nodes = Nodes(before_leaving=one_more)
    supervisor = make(thresholds=Thresholds(mini_batch_error_threshold=0))
    supervisor.plan_is_complete(5)
    outcome = await _watched(supervisor, nodes, manual_clock)
    assert nodes.told == ["stop"]
    counts = with_canceled(outcome.ledger.counts)
    assert (counts.failed, counts.succeeded, counts.canceled) == (1, 1, 3)
    assert counts.settled == counts.total == 5
    assert await read(store, keys.settled(AT)) is None


async def test_the_reason_counts_what_was_committed_last(
    make: Make, store: ObjectStore, commit: Any, entry: Callable[..., Entry], manual_clock: Any
) -> None:
    """The verdict speaks of the same failures as the counts that are sealed with it."""
    await commit(0, 0, [entry(0, status=Status.FAILED, failure=FAILURE)])

    async def one_more() -> None:
        late = entry(1, status=Status.FAILED, failure=FAILURE)
        await put(store, keys.result(AT, 0, 1), codec.encode([late], [b""]))

    supervisor = make(thresholds=Thresholds(mini_batch_error_threshold=0))
    supervisor.plan_is_complete(5)
    outcome = await _watched(supervisor, Nodes(before_leaving=one_more), manual_clock)
    assert outcome.ledger.counts.failed == 2
    assert outcome.verdict.reason == "failed mini-batches: 2, more than mini_batch_error_threshold 0 allows"


async def test_a_stopped_step_does_not_complete(
    make: Make, store: ObjectStore, commit: Any, entry: Callable[..., Entry], manual_clock: Any
) -> None:
    """A success that comes while the nodes are being stopped betters the counts, not the verdict."""
    await commit(0, 0, [entry(0, status=Status.FAILED, failure=FAILURE)])

    async def better() -> None:
        await put(store, keys.result(AT, 0, 1), codec.encode([entry(0)], [b""]))

    supervisor = make(thresholds=Thresholds(mini_batch_error_threshold=0))
    supervisor.plan_is_complete(1)
    outcome = await _watched(supervisor, Nodes(before_leaving=better), manual_clock)
    assert outcome.ledger.counts.succeeded == 1
    assert outcome.verdict.status is VerdictStatus.FAILED


def test_what_was_never_planned_is_not_canceled() -> None:
    """When planning was cut, only what is known of counts."""
    assert with_canceled(Counts(total=None, succeeded=2)) == Counts(total=2, succeeded=2)


async def test_two_supervisors_agree(
    make: Make, store: ObjectStore, commit: Any, entry: Callable[..., Entry], manual_clock: Any
) -> None:
    """Both come to a verdict, the first seal holds for both, and dead letters are nobody's twice."""

    async def to_the_end(number: int) -> Seal:
        supervisor = make(number=number)
        supervisor.plan_is_complete(4)
        outcome = await supervise(supervisor, Nodes(), manual_clock)
        mine = Seal(outcome.verdict, outcome.ledger.counts, outcome.ledger.sealed(), manual_clock.now(), number)
        return await seal(store, keys.verdict(AT), mine)

    both = asyncio.gather(to_the_end(90), to_the_end(91))
    groups: Sequence[list[Entry]] = ([entry(0), entry(1)], [entry(1), entry(2)], [entry(3)])
    for seq, group in enumerate(groups):
        await commit(0, seq, group)
        await manual_clock.run(1.0)
    while not both.done():
        await manual_clock.run(1.0)
    first, second = await both
    assert first == second
    assert first.verdict.completed
    assert (first.counts.succeeded, first.counts.items) == (4, 8)


async def test_a_second_supervisor_takes_over(
    make: Make, commit: Any, entry: Callable[..., Entry], watch: Watch
) -> None:
    """Everything that a supervisor knew is in the store: another one starts where it was."""
    first = make()
    first.plan_is_complete(3)
    await commit(0, 0, [entry(0, status=Status.RETRIED, failure=FAILURE), entry(1)])
    assert await _look(first, Nodes()) is None
    second = make(number=91)
    await second.read_the_rest()
    assert second.ledger.counts == Counts(
        total=None, succeeded=1, retried=1, items=2, items_succeeded=2, items_failed=0, rows=0
    )
    assert second.ledger.next_attempts == {0: 1}


async def test_rejected_messages_are_shown(make: Make, pair: QueuePair, manual_clock: Any) -> None:
    """A message that a node put aside as unreadable is an event with its reason."""
    supervisor = make()
    supervisor.plan_is_complete(1)
    await pair.dead.send([json.dumps({"message": "?", "reason": "message '?': not JSON"})])
    manual_clock.advance(2.1)
    await _look(supervisor, Nodes())
    await supervisor.read_the_rest()
    [(_, event)] = supervisor.ledger.events
    assert event.failure is not None
    assert event.failure.message == "message '?': not JSON"
