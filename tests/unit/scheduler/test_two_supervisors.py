"""Two supervisors on one run, and queues that somebody removes: one verdict, every row once, and nobody hangs
(faults 10 and 13)."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fanout.errors import QueueGoneError
from fanout.queues.base import Queue, QueuePair
from fanout.queues.sqlite import SqliteQueueService
from fanout.records.verdict import VerdictStatus
from fanout.scheduler import parallel_step
from fanout.scheduler.resident import resume, start
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read

AT = StepRound("r", "score")
ROWS = b"".join(b"row of %d\n" % index for index in range(12))
PATIENCE = 30.0


@dataclass
class Hesitant:
    """Queues whose first send waits until it may go on."""

    service: SqliteQueueService
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def create(self, name: str, **settings: Any) -> QueuePair:
        pair = await self.service.create(name, **settings)
        return replace(pair, main=_Waiting(pair.main, self))  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.service, name)


@dataclass
class _Waiting:
    queue: Queue
    by: Hesitant

    async def send(self, bodies: Any, delay: float = 0) -> None:
        self.by.reached.set()
        await self.by.released.wait()
        await self.queue.send(bodies, delay)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queue, name)


@pytest.mark.parametrize("release", ["while the second works", "after the second has ended"])
async def test_second_supervisor_beside_one_that_is_still_publishing(
    world: Any, notes: Any, score: Any, pipeline: Any, release: str
) -> None:
    """`resume` takes the half-filled queue away: the first follows, or ends in peace, and both tell the same end."""
    slow = Hesitant(world.queues)
    working, go_on = asyncio.Event(), asyncio.Event()

    async def answer(index: int) -> None:
        working.set()
        await go_on.wait()

    engine = replace(world.paper(), answer=answer)
    first = asyncio.create_task(start(pipeline(score()), replace(world.context, queues=slow), notes, "r"))
    async with asyncio.timeout(PATIENCE):
        await slow.reached.wait()
        second = asyncio.create_task(resume("r", world.with_engine(engine), notes))
        await working.wait()
        if release.startswith("while"):
            slow.released.set()
        go_on.set()
        assert (await second).verdict.status is VerdictStatus.COMPLETED
        slow.released.set()
        assert (await first).verdict.status is VerdictStatus.COMPLETED
    assert (world.folder / "rows.txt").read_bytes() == ROWS
    assert not world.keys("queues")


@pytest.mark.parametrize("moment", [0, 5, 11])
async def test_queue_removed_in_mid_run(world: Any, notes: Any, score: Any, pipeline: Any, moment: int) -> None:
    """Noticed, told, and made anew with what has no outcome yet (fault 10)."""
    engine = world.paper()

    async def answer(index: int) -> None:
        if len(engine.answered) == moment + 1:
            for name in await world.queues.names():
                await world.queues.remove(name)

    engine.answer = answer
    async with asyncio.timeout(PATIENCE):
        report = await start(pipeline(score()), world.with_engine(engine), notes, "r")
    assert report.verdict.status is VerdictStatus.COMPLETED
    assert (world.folder / "rows.txt").read_bytes() == ROWS
    assert not world.keys("queues")
    if moment < 5:
        assert "notice score: its queue was removed by another process; continuing with a new queue" in notes.said


async def test_queue_that_is_removed_again_and_again(
    world: Any, notes: Any, score: Any, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for ever: after a few queues the run ends as what it is, unsealed, to be resumed."""
    monkeypatch.setattr(parallel_step, "MOST_QUEUES", 2)

    async def answer(index: int) -> None:
        for name in await world.queues.names():
            await world.queues.remove(name)
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(QueueGoneError):
            await start(pipeline(score()), world.with_engine(replace(world.paper(), answer=answer)), notes, "r")
    assert await read(world.store, keys.verdict(AT)) is None
    report = await resume("r", world.context, notes)
    assert report.verdict.status is VerdictStatus.COMPLETED
    assert (world.folder / "rows.txt").read_bytes() == ROWS
