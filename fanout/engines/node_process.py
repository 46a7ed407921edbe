"""A node's process as its engine sees it: starts it, sends it orders, and waits for its end.

Used before asyncio is loaded, so it imports little.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.storage.keys import StepRound

NODE = (sys.executable, "-P", "-m", "fanout.node")
STDERR_KEPT = 4096


def node_arguments(at: "StepRound", store: str, queue: str | None) -> list[str]:
    """What follows NODE in the command of a node that works on the step, reaching the run through these URIs."""
    return [at.run, at.step, "--round", str(at.round), "--store", store, *(["--queue", queue] if queue else [])]


class NodeProcess:
    """One process, from its start to its end; OSError when it cannot be started.

    What is said to it goes through its standard input, whose closing, which the kernel sees to even when this process
    is killed, means that it is no longer needed. The end of what it writes to stderr is kept.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, **environ},
            start_new_session=True,
        )
        self._stderr = bytearray()

    @property
    def output(self) -> str:
        """The last line that it has written to stderr."""
        lines = self._stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def send(self, word: bytes) -> None:
        """Writes a line to it; to one that has just died it is lost, and `ended` tells."""
        assert self._process.stdin is not None  # noqa: S101 - it was opened as a pipe
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(word)

    def kill(self) -> None:
        """Ends it now, and waits until it has."""
        self._process.kill()
        self._process.wait()
        self._close()

    async def ended(self) -> int:
        """Its exit code (negative: the signal), once it has ended. Cut off, it is ended."""
        import asyncio

        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        assert self._process.stderr is not None  # noqa: S101 - it was opened as a pipe
        stderr, pidfd = self._process.stderr.fileno(), os.pidfd_open(self._process.pid)
        os.set_blocking(stderr, False)
        loop.add_reader(stderr, self._read, stderr, lambda: loop.remove_reader(stderr))
        loop.add_reader(pidfd, over.set)
        try:
            await over.wait()
            self._read(stderr, lambda: None)
        finally:
            loop.remove_reader(stderr)
            loop.remove_reader(pidfd)
            os.close(pidfd)
            self.kill()
        return self._process.returncode

    def _read(self, stderr: int, at_the_end: Callable[[], object]) -> None:
        """Takes in what is there now; what the processes of its slots may write later is not waited for."""
        with contextlib.suppress(BlockingIOError):
            while output := os.read(stderr, STDERR_KEPT):
                self._stderr += output
                del self._stderr[:-STDERR_KEPT]
            at_the_end()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stderr):
            if pipe is not None:
                pipe.close()


class WarmNode:
    """A node that has been started before anybody knows its step: it imports meanwhile, and waits for its arguments.

    It has touched nothing, and leaves without a word when it is not wanted, or when this process is gone. With `tables`
    it imports what slots need to read some, too.
    """

    def __init__(self, environ: Mapping[str, str], *, tables: bool = False) -> None:
        self._node: NodeProcess | None = None
        with contextlib.suppress(OSError):  # the caller of `take` starts another one, and reports its error
            self._node = NodeProcess([*NODE, "--tables"] if tables else NODE, environ)

    def take(self, arguments: Sequence[str]) -> NodeProcess | None:
        """The node, with its order sent; None when it was taken already, or there never was one."""
        node, self._node = self._node, None
        if node is not None:
            node.send(json.dumps(arguments).encode() + b"\n")
        return node

    def dismiss(self) -> None:
        """It has left, unless it was taken."""
        if self._node is not None:
            self._node.kill()
            self._node = None
