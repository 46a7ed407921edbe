"""How a slot's process comes to be: as a copy from the node's fork server, or as a new interpreter.

Either way it has a session of its own, its death is noticed at once, and its process group is ended with it.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fanout.slot.child import stack_dumps
from fanout.slot.child.orphans import end_tree
from fanout.slot.fork_server import ForkServer


@dataclass(frozen=True, slots=True)
class Placement:
    """Which Python a slot's process runs in, where, and where its prints go.

    `fanout_at` is where that Python finds fanout, when it is another one than the node's.
    """

    cwd: Path
    environ: Mapping[str, str]
    stdout: Path
    stderr: Path
    python: str = sys.executable
    fanout_at: Path | None = None

    @property
    def command(self) -> list[str]:
        """What starts the process; the number of its channel follows."""
        if self.fanout_at is None:
            return [self.python, "-P", "-m", "fanout.slot.child.main"]
        # As -P, which Python 3.11 and newer have: the current folder is no place to import from.
        start = f"import sys; sys.path[:] = [{str(self.fanout_at)!r}, *filter(None, sys.path)]; "
        return [self.python, "-c", f"{start}from fanout.slot.child.main import main; main(int(sys.argv[1]))"]


@dataclass(frozen=True, slots=True)
class Child:
    """A process that was started. `exited` becomes its exit code (negative: the signal); `kill` ends its group.

    `ask` makes it write where it is (`stacks`).
    """

    pid: int
    exited: "asyncio.Future[int]"
    kill: Callable[[], None]
    ask: Callable[[], None]
    placed: bool
    """Whether the process already is in its placement; else it gets an order and moves there itself."""


async def spawn(place: Placement, channel: socket.socket, forks: ForkServer | None) -> Child:
    """A process for the slot at the other end of `channel`; OSError when there can be none."""
    for path in (place.stdout, place.stderr):
        path.parent.mkdir(parents=True, exist_ok=True)
    with place.stdout.open("ab") as stdout, place.stderr.open("ab") as stderr:
        files = (channel.fileno(), stdout.fileno(), stderr.fileno())
        if forks is not None and place.fanout_at is None and forks.serves(place.python, place.environ):
            with contextlib.suppress(ConnectionError):  # it has just died: the next slot comes from another one
                slot = await forks.fork(files)
                return Child(slot.pid, slot.exited, lambda: forks.kill(slot), lambda: forks.ask(slot), placed=False)
        return _execute(place, *files)


def _execute(place: Placement, channel: int, stdout: int, stderr: int) -> Child:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter, or the step's, and our module
        [*place.command, str(channel)],
        cwd=place.cwd,
        env=place.environ,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        pass_fds=[channel],
        start_new_session=True,
    )
    loop = asyncio.get_running_loop()
    exited, pidfd = loop.create_future(), os.pidfd_open(process.pid)

    def kill() -> None:
        if process.returncode is None:
            end_tree(process.pid)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def ask() -> None:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, stack_dumps.SIGNAL)

    def died() -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        kill()  # what user code started must not outlive its slot
        exited.set_result(process.wait())

    loop.add_reader(pidfd, died)
    return Child(process.pid, exited, kill, ask, placed=True)
