"""The watch without processes: runs are paper, messages real; what it starts, retries, gives up and takes up."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from fanout.errors import QueueError, StoreError
from fanout.records.verdict import Verdict, VerdictStatus
from fanout.scheduler.observer import RunObserver, RunReport, Unwatched
from fanout.storage.objects import list_names
from fanout.triggers import runner, start
from fanout.triggers.event import ObjectEvent, to_body
from fanout.triggers.records import TriggerRecords
from fanout.triggers.runner import Runner
from fanout.triggers.sources.inbox import Inbox
from fanout.triggers.start import StartResult, StartState, start_runs
from fanout.triggers.watch import Watch


@dataclass
class Notes:
    """A WatchObserver that remembers, and wakes who waits for more."""

    starts: list[StartResult] = field(default_factory=list)
    failed: list[tuple[str, float | None]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    taken_up: int = 0
    left: int | None = None
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def watching(self, _trigger: object, _told_by: str, taken_up: int) -> None:
        self.taken_up = taken_up

    def arrived(self, start: StartResult) -> None:
        self.starts.append(start)
        self.more.set()

    def start_failed(self, _objects: int, reason: str, pause: float | None) -> None:
        self.failed.append((reason, pause))
        self.more.set()

    def refused(self, reason: str) -> None:
        self.failed.append((reason, None))
        self.more.set()

    def trouble(self, text: str) -> None:
        self.troubles.append(text)
        self.more.set()

    def run_begins(self, _run: str) -> RunObserver:
        return Unwatched()

    def run_ended(self, report: RunReport) -> None:
        self.ended.append(report.run)
        self.more.set()

    def stopping(self, runs: int) -> None:
        self.left = runs

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns once something was told after which `holds`."""
        async with asyncio.timeout(60):
            while not holds():
                self.more.clear()
                await self.more.wait()


@dataclass
class Stage:
    """A trigger with its inbox, and the runs that were carried out."""

    scene: Any
    compiled: Any
    inbox: Inbox
    carried_out: list[str] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def records(self) -> TriggerRecords:
        return TriggerRecords(self.scene.context.store, "score")

    async def tell(self, *events: ObjectEvent) -> None:
        await self.inbox.queue.send([to_body([event]) for event in events])

    @asynccontextmanager
    async def watch(self, at_once: int = 2) -> AsyncIterator[Notes]:
        """A watch while the context lasts, then drained."""
        notes = Notes()
        observer: Any = notes
        work = Runner(self.records, self.scene.context, observer, at_once)
        watch = Watch(self.compiled, self.scene.context, self.inbox, observer, work)
        task = asyncio.create_task(watch.work("a test"))
        try:
            yield notes
        finally:
            watch.stopping.set()
            await task


@pytest.fixture
async def stage(scene: Any, pipeline: str, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """One run for each object; a message may be received three times."""
    pair = await scene.context.queues.create("inbox", visibility=30, max_receives=3)
    object.__setattr__(scene.context.settings, "max_receives", 3)
    made = Stage(scene, await scene.compile_trigger(pipeline), Inbox("inbox", pair.main, pair.dead))
    made.hold.set()

    async def carry_out(run: str, *_: object) -> RunReport:
        made.carried_out.append(run)
        await made.hold.wait()
        return RunReport(run, Verdict(VerdictStatus.COMPLETED, "completed"), (), 0.1)

    monkeypatch.setattr(runner, "resume", carry_out)
    return made


async def _depth(stage: Stage) -> int:
    return int((await stage.inbox.queue.depth()).total)


async def test_messages_become_runs_and_are_deleted(stage: Stage) -> None:
    """Each once; what is told again later, too, and nothing is left of it."""
    events = [stage.scene.arrive(f"{n}.txt") for n in range(5)]
    await stage.tell(*events, events[0])
    async with stage.watch() as notes:
        await notes.until(lambda: len(notes.ended) == 5)
        await stage.tell(events[3])
        await notes.until(
            lambda: notes.starts[-1].state is StartState.KNOWN and notes.starts[-1].events == (events[3],)
        )
    assert sorted(stage.carried_out) == sorted(await list_names(stage.scene.context.store, "runs/"))
    assert await _depth(stage) == 0
    assert await stage.records.starts() == []
    assert notes.left == 0


async def test_what_cannot_be_read_is_given_up_at_once(stage: Stage) -> None:
    """With the reason; the others go on."""
    await stage.inbox.queue.send(["not JSON", json.dumps({"Event": "s3:TestEvent"})])
    await stage.tell(stage.scene.arrive("a.txt"))
    async with stage.watch() as notes:
        await notes.until(lambda: len(notes.ended) == 1 and len(notes.failed) == 1)
    [letter] = [letter async for letter in stage.records.letters()]
    assert letter.name.startswith("message-")
    assert "tells of no objects" in letter.reason
    assert await _depth(stage) == 0


async def test_a_start_that_fails_is_tried_again_and_then_given_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As often as the queue allows; its neighbours are not held up; the reason is kept."""
    good, bad = stage.scene.arrive("good.txt"), stage.scene.arrive("bad.txt")
    real, extended = start.present, list[float]()

    async def present(event: ObjectEvent, *rest: Any) -> str | None:
        if event == bad:
            raise StoreError("cannot look at bad.txt: AccessDenied")
        return await real(event, *rest)

    monkeypatch.setattr(start, "present", present)
    real_extend = stage.inbox.queue.extend

    async def extend(held: Any, seconds: float) -> Any:
        extended.append(seconds)
        return await real_extend(held, 0)  # nobody waits for pauses here

    monkeypatch.setattr(type(stage.inbox.queue), "extend", lambda _, held, seconds: extend(held, seconds))
    await stage.tell(bad, good)
    async with stage.watch() as notes:
        await notes.until(lambda: len(notes.failed) == 3 and len(notes.ended) == 1)
    assert [pause for _, pause in notes.failed] == [2.0, 4.0, None]
    assert extended[:2] == [2.0, 4.0]
    [letter] = [letter async for letter in stage.records.letters()]
    assert (letter.events, letter.reason, letter.gone) == ((bad,), "cannot look at bad.txt: AccessDenied", False)
    assert await _depth(stage) == 0


async def test_what_an_earlier_watch_has_left(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that exist are carried out, starts that were cut are finished first, also without any message."""
    context = stage.scene.context
    await start_runs([stage.scene.arrive("started.txt")], stage.compiled, context)

    async def cut(*_: object) -> bool:
        raise StoreError("cut")

    with monkeypatch.context() as patch:
        patch.setattr(start, "try_create", cut)
        with pytest.raises(StoreError):
            await start_runs([stage.scene.arrive("cut.txt")], stage.compiled, context)
    async with stage.watch() as notes:
        await notes.until(lambda: len(notes.ended) == 2)
    assert notes.taken_up == 2
    assert await stage.records.starts() == []


async def test_stopping_lets_runs_end_and_begins_no_other(stage: Stage) -> None:
    """What was started and not begun is there for the next watch."""
    stage.hold.clear()
    await stage.tell(*[stage.scene.arrive(f"{n}.txt") for n in range(3)])
    async with stage.watch(at_once=1) as notes:
        await notes.until(lambda: len(notes.starts) == 3)
        asyncio.get_running_loop().call_soon(stage.hold.set)
    assert len(notes.ended) <= 1
    assert len(await stage.records.starts()) == 3 - len(notes.ended)
    async with stage.watch() as later:
        await later.until(lambda: len(notes.ended) + len(later.ended) == 3)
    assert sorted(notes.ended + later.ended) == sorted(await list_names(stage.scene.context.store, "runs/"))


async def test_a_queue_that_does_not_answer_is_asked_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch goes on, and says so."""
    monkeypatch.setattr("fanout.triggers.watch.AFTER_TROUBLE", 0.0)
    real, times = type(stage.inbox.queue).receive, 0

    async def receive(self: Any, limit: int, wait: float) -> Any:
        nonlocal times
        times += 1
        if times == 1:
            raise QueueError("SQS receive_message: no answer")
        return await real(self, limit, wait)

    monkeypatch.setattr(type(stage.inbox.queue), "receive", receive)
    await stage.tell(stage.scene.arrive("a.txt"))
    async with stage.watch() as notes:
        await notes.until(lambda: len(notes.ended) == 1)
    assert notes.troubles == ["no messages can be received: SQS receive_message: no answer"]
