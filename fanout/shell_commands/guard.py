"""A guard beside a command: when this process is killed, the kernel closes the pipe that the guard reads, and the guard
ends the command with all that it has started. No orphans.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

# The first line names the process group. What comes next is its end, or ours.
GUARD = 'read -r group && { read -r _; kill -KILL -"$group"; }'


@contextlib.asynccontextmanager
async def guarded() -> AsyncIterator["Guard"]:
    """A guard that waits for a group to watch over; it leaves, and does nothing, when the context is left in peace."""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        GUARD,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in a terminal is for us: the guard stays until we are gone
    )
    try:
        yield Guard(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class Guard:
    """One guard; see `guarded`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def watch_over(self, group: int) -> None:
        """From now on the process group ends when this process does."""
        assert self._process.stdin is not None  # noqa: S101 - it was opened as a pipe
        self._process.stdin.write(b"%d\n" % group)
        await self._process.stdin.drain()
