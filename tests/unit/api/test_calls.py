"""Coroutines from code that is not asynchronous, wherever it runs."""

import asyncio
import contextlib
import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from fanout.api.calls import Call, call, running, single

_SAID: ContextVar[str] = ContextVar("said", default="nothing")


async def _answer() -> str:
    await asyncio.sleep(0)
    return f"{threading.current_thread().name}: {_SAID.get()}"


def test_a_call_returns_what_the_coroutine_returns() -> None:
    """In a thread of its own, with the context of the caller."""
    _SAID.set("hello")
    assert call(_answer) == "fanout: hello"


async def test_a_call_works_under_a_running_loop() -> None:
    """As in a notebook."""
    assert call(_answer).startswith("fanout")


def test_an_error_comes_out_as_itself() -> None:
    """A group of one error is that error."""

    async def fail() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.wait_for(asyncio.Event().wait(), 0))

    with pytest.raises(TimeoutError):
        call(fail)
    assert str(single(ExceptionGroup("x", [ExceptionGroup("y", [ValueError("z")])]))) == "z"


def test_ctrl_c_cuts_the_coroutine_off_in_order() -> None:
    """It has cleaned up when the call raises; what is drawn meanwhile may be what raises."""
    ended = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(wait, interrupt)
    assert ended == [True]


def test_a_context_that_ends_early_ends_its_call() -> None:
    """And one that has ended stays as it is."""
    with running(lambda: asyncio.Event().wait()) as endless:
        pass
    assert endless.done
    with pytest.raises(KeyboardInterrupt):
        endless.result()
    with running(_answer) as short:
        short.wait(10)
    assert short.result().startswith("fanout")


def test_calls_from_many_threads_at_once() -> None:
    """Each has a loop of its own."""
    calls = [Call(_answer) for _ in range(8)]
    assert len([one.result() for one in calls]) == 8
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(running(_answer)) for _ in range(3)]
        assert all(one.result() for one in made)


UNFINISHED = """
import asyncio, threading
from fanout.api.calls import Call

begun = threading.Event()

async def wait():
    try:
        begun.set()
        await asyncio.Event().wait()
    finally:
        print("cut off in order", flush=True)

call = Call(wait)
begun.wait()
"""


def test_a_process_that_ends_cuts_its_calls_off_in_order() -> None:
    """Nodes of a call would be left otherwise; the exit code is the script's."""
    done = subprocess.run([sys.executable, "-c", UNFINISHED], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "cut off in order\n", "")


def test_the_answer_comes_after_the_end_of_the_loop() -> None:
    """All that the call began has ended: asynchronous generators and tasks that were left are closed."""
    closed = []

    async def left() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def begin() -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(left())
        await asyncio.sleep(0)
        return task

    assert call(begin).cancelled()
    assert closed == [True]
