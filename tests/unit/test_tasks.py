"""Tasks and threads that belong together: all have ended afterwards, and no error is lost."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fanout.errors import StoreError
from fanout.tasks import all_of, beside, cut_off, every, in_threads

pytest_plugins = ["pytester"]


async def test_results_come_in_the_order_of_the_jobs() -> None:
    """Whoever was faster."""

    async def after(event: asyncio.Event | None, result: int) -> int:
        if event is not None:
            await event.wait()
        return result

    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    assert await all_of([after(event, 1), after(None, 2)]) == [1, 2]


@pytest.mark.parametrize("error", [StoreError("trouble"), OSError("trouble")])
async def test_the_first_error_ends_the_others(error: Exception) -> None:
    """It comes out as itself, when the others have ended."""
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(type(error), match="trouble"):
        await all_of([waits(), fails()])
    assert ended.is_set()


async def test_every_thread_has_failed_and_one_error_comes_out() -> None:
    """The error of the other one does not wait for the garbage collector."""
    both = threading.Barrier(2)

    def fails(name: str) -> Callable[[], None]:
        def job() -> None:
            both.wait()
            raise StoreError(name)

        return job

    with pytest.raises(StoreError, match="first"):
        await in_threads(fails("first"), fails("second"))


async def test_threads_are_waited_for_however_often_they_are_cut_off() -> None:
    """A thread cannot be cut off, and works with files that its caller closes next."""
    begun, go_on, ended = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def job() -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait()
        ended.set()

    task = asyncio.create_task(in_threads(job))
    await begun.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    await asyncio.wait([task])
    assert task.cancelled()
    assert ended.is_set()


async def test_what_goes_on_beside_ends_with_the_context(caplog: pytest.LogCaptureFixture) -> None:
    """And says so when it has failed before."""

    async def work(error: Exception | None) -> None:
        if error is not None:
            raise error
        await asyncio.Event().wait()

    async with beside(work(None), "waiting") as task:
        await asyncio.sleep(0)
    assert task.cancelled()
    assert not caplog.messages
    async with beside(work(OSError("no space")), "measuring"):
        await asyncio.sleep(0)
    assert caplog.messages == ["measuring has stopped: no space"]


async def test_an_error_of_what_is_cut_off_is_not_left_over() -> None:
    """It may have failed before."""

    async def fails() -> None:
        raise OSError

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await cut_off(task)
    assert task.done()


LEAKS = """
import asyncio, gc, threading

async def test_leaks_a_task():
    async def fails():
        raise OSError("unheard")
    async def hold():
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
    await hold()

def test_leaks_a_task_of_a_loop_of_its_own():
    async def fails():
        raise OSError("unheard")
    async def main():
        tasks = [asyncio.create_task(fails()), asyncio.create_task(fails())]
        await asyncio.wait(tasks)
        tasks[0].result()
    try:
        asyncio.run(main())
    except OSError:
        pass

def test_leaks_a_thread():
    def fails():
        raise OSError("unheard")
    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()

def test_leaks_a_finalizer():
    class Fails:
        def __del__(self):
            raise OSError("unheard")
    several = [Fails()]
    several.append(several)

def test_is_innocent():
    pass
"""


def test_an_error_that_nobody_waits_for_fails_the_test_it_belongs_to(pytester: pytest.Pytester) -> None:
    """In a task, a thread or a finalizer; the next test is not blamed."""
    pytester.makeconftest(
        "from tests.unheard import pytest_collection_finish, pytest_runtest_call, pytest_runtest_protocol\n"
        "from tests.unheard import pytest_runtest_teardown\n"
    )
    pytester.makepyfile(LEAKS)
    options = ("-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "-W", "error", "-p", "no:fanout", "-q")
    result = pytester.runpytest_subprocess(*options)
    result.assert_outcomes(failed=1, errors=3, passed=4)
    result.stdout.fnmatch_lines_random(
        [f"FAILED *::test_leaks_{name}*" for name in ("a_thread",)]
        + [f"ERROR *::test_leaks_{name}*" for name in ("a_task", "a_task_of_a_loop_of_its_own", "a_finalizer")]
    )


async def test_a_job_is_done_regularly(manual_clock: Any) -> None:
    """After a pause each, the first of which may be another; until it is cancelled."""
    done: list[float] = []

    async def job() -> None:
        done.append(manual_clock.monotonic())

    regularly = asyncio.create_task(every(10.0, job, manual_clock, first=1.0))
    at_once = asyncio.create_task(every(15.0, job, manual_clock, first=0.0))
    await manual_clock.run(22.0)
    await cut_off(regularly, at_once)
    assert sorted(done) == pytest.approx([0.0, 1.0, 11.0, 15.0, 21.0], abs=0.5)  # the clock goes in steps of 0.1


async def test_a_regular_job_that_fails_ends(manual_clock: Any) -> None:
    """Its error comes out: who wants it to go on catches it."""

    async def job() -> None:
        raise StoreError("no")

    regularly = asyncio.create_task(every(10.0, job, manual_clock))
    await manual_clock.run(11.0)
    with pytest.raises(StoreError, match="no"):
        await regularly
