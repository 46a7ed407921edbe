"""What a command has started ends with whoever waits for it, however that one ends."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from fanout.shell_commands.guard import guarded

KILLED = """
import asyncio, subprocess
from fanout.shell_commands.guard import guarded

async def main():
    async with guarded() as guard:
        command = subprocess.Popen(["/bin/sh", "-c", "sleep 600 & wait"], start_new_session=True)
        await guard.watch_over(command.pid)
        print("guarded", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_killed_process(death: signal.Signals) -> None:
    """The command and its child hold the other end of the pipe: it closes when the last of them is gone."""
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"guarded\n"
        process.send_signal(death)
        assert process.stdout.read() == b""


async def test_a_guard_that_is_not_needed_leaves() -> None:
    """The group lives on when the context is left while this process lives: whoever started it ends it."""
    command = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
    async with guarded() as guard:
        await guard.watch_over(command.pid)
    assert command.returncode is None
    os.killpg(command.pid, signal.SIGKILL)
    assert await command.wait() == -signal.SIGKILL


async def test_a_guard_without_a_group_ends_nothing() -> None:
    """A command that could not be started has no process group."""
    async with guarded():
        pass
