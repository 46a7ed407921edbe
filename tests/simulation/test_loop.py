"""The loop without real time: order, processes that stop and die, and worlds that hang."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.simulation.loop import Process, StuckError, VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop at its beginning."""
    loop = VirtualLoop(limit=1e6)
    yield loop
    loop.close()


def test_waiting_takes_no_time(loop: VirtualLoop) -> None:
    """A day passes at once, timeouts and sleeps in the order of their deadlines."""
    woken: list[str] = []

    async def sleep(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(f"{name} {loop.time():g}")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for name, seconds in (("late", 86400), ("early", 1), ("middle", 60)):
                group.create_task(sleep(name, seconds))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        assert await asyncio.to_thread(lambda: "a thread") == "a thread"

    begun = time.monotonic()
    loop.run_until_complete(main())
    assert woken == ["early 1", "middle 60", "late 86400"]
    assert loop.time() == 86405
    assert time.monotonic() - begun < 5


def test_what_nothing_can_wake_is_stuck(loop: VirtualLoop) -> None:
    """Neither a deadlock nor a loop that never ends keeps the simulation."""

    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError, match="nobody waits"):
        loop.run_until_complete(wait())


def test_what_never_ends_is_stuck(loop: VirtualLoop) -> None:
    """Time has an end."""

    async def poll() -> None:
        while True:  # noqa: ASYNC110 - that it does not end is the point
            await asyncio.sleep(1000)

    with pytest.raises(StuckError, match="not over after 1e"):
        loop.run_until_complete(poll())


def test_a_stopped_process_goes_on_where_it_was(loop: VirtualLoop) -> None:
    """SIGSTOP: none of its callbacks run, timers that run out meanwhile included; afterwards all do, in order."""
    process, ticks = Process("p", loop), list[float]()

    async def tick() -> None:
        for _ in range(4):
            await asyncio.sleep(1)
            ticks.append(loop.time())

    async def main() -> None:
        process.start(tick())
        await asyncio.sleep(1.5)
        process.stop()
        await asyncio.sleep(10)
        assert ticks == [1]
        process.go_on()
        await asyncio.sleep(10)

    loop.run_until_complete(main())
    assert ticks == [1, 11.5, 12.5, 13.5]


def test_a_killed_process_does_nothing_any_more(loop: VirtualLoop) -> None:
    """Its tasks are cleared away, a stopped one's too, and what is sent to it is lost."""
    process, done = Process("p", loop), list[str]()

    async def work() -> None:
        await asyncio.sleep(10)
        done.append("work")

    async def main() -> None:
        task = process.start(work())
        await asyncio.sleep(1)
        process.stop()
        process.kill()
        process.soon(done.append, "news")
        await asyncio.wait([task])
        assert task.cancelled()

    loop.run_until_complete(main())
    assert done == []
    assert loop.time() == 1
