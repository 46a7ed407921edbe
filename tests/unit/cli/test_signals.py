import asyncio
import os
import signal
import subprocess
import sys

import pytest

from fanout.cli.signals import until_stopped

TWICE = """
import asyncio, os, signal
from fanout.cli.signals import until_stopped

async def stubborn():
    while True:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

asyncio.run(until_stopped(stubborn(), lambda: print("stopping", flush=True), lambda: print("leaving", flush=True)))
"""

LOST = """
import asyncio, os, signal
from fanout.cli.interrupts import remember_interrupts
from fanout.cli.signals import until_stopped

class Dropped:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass

async def work():
    await asyncio.Event().wait()

remember_interrupts()
Dropped()
print(asyncio.run(until_stopped(work(), lambda: print("stopping"), lambda: print("leaving"))))
"""


async def test_work_that_ends_is_its_result() -> None:
    """Without a signal nothing happens, and the old handlers are back."""

    async def work() -> int:
        return 5

    before = signal.getsignal(signal.SIGTERM)
    assert await until_stopped(work(), lambda: None, lambda: None) == 5
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_stops_in_order(number: signal.Signals) -> None:
    """The work is cancelled, may clean up, and there is no result."""
    told: list[str] = []

    async def work() -> int:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            told.append("cleaned up")
        return 5

    assert await until_stopped(work(), lambda: told.append("stopping"), lambda: told.append("leaving")) is None
    assert told == ["stopping", "cleaned up"]


def test_the_second_signal_leaves_at_once() -> None:
    """Even work that does not let itself be cancelled does not keep the process: exit code 130."""
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (130, "stopping\nleaving\n")


async def test_errors_come_through() -> None:
    """What the work raises is raised, and a cancellation from elsewhere is no signal."""

    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await until_stopped(work(), lambda: None, lambda: None)
    task = asyncio.ensure_future(until_stopped(asyncio.sleep(60), lambda: None, lambda: None))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_an_interrupt_that_python_dropped_is_not_lost() -> None:
    """What is raised where nothing can be raised, as after an import, stops the work when it begins."""
    done = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "stopping\nNone\n")
    assert done.stderr == ""
