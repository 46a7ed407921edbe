"""A slot's process seen from outside: the frames to and from it, and its end.

The process has a session of its own, so that ending it ends whatever user code started. Its death is noticed at once,
through a pidfd, and reported as it was seen: exit code or signal.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fanout.node import orders
from fanout.node.frames import FrameBuffer
from fanout.node.orders import Answer, Garbled, Start
from fanout.step.results import Cause, Failure

OFTEN = 0.002
"""Seconds: a slot that answers more often than this is listened to only now and then."""
REST = 0.004
"""Seconds for which it is not: its answers gather meanwhile, and cost one wake-up together. A slot that is this quick
has more than twice as much work ahead."""


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
            return [self.python, "-P", "-m", "fanout.node.child"]
        start = f"import sys; sys.path.insert(0, {str(self.fanout_at)!r}); from fanout.node.child import main; "
        return [self.python, "-P", "-c", f"{start}main(int(sys.argv[1]))"]


class SlotProcess(asyncio.Protocol):
    """One child process, from its start to its end. `on_answer` and `on_end` are called in the event loop.

    `on_end` is called exactly once, after the last answer, with the exit code (negative: the signal).
    """

    def __init__(
        self,
        start: Start,
        placement: Placement,
        on_answer: Callable[[Answer], None],
        on_end: Callable[[int], None],
    ) -> None:
        self._start, self._placement = start, placement
        self._on_answer, self._on_end = on_answer, on_end
        self._buffer = FrameBuffer()
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = self._answers = -1
        self._ended = asyncio.Event()
        self._is_garbled = False
        self._heard = 0.0  # when the latest answer came

    async def start(self) -> None:
        """The process runs and has been told what to load; `Ready` or `Broken` follows."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = self._spawn(theirs)
        except OSError:
            ours.close()
            raise
        self._answers = os.dup(ours.fileno())
        self._pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(self._pidfd, self._died)
        self._transport, _ = await loop.create_connection(lambda: self, sock=ours)
        self.write(self._start.frame())

    def _spawn(self, channel: socket.socket) -> subprocess.Popen[bytes]:
        place = self._placement
        for path in (place.stdout, place.stderr):
            path.parent.mkdir(parents=True, exist_ok=True)
        with place.stdout.open("ab") as stdout, place.stderr.open("ab") as stderr:
            return subprocess.Popen(  # noqa: S603 - our own interpreter, or the step's, and our module
                [*place.command, str(channel.fileno())],
                cwd=place.cwd,
                env=place.environ,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=[channel.fileno()],
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def write(self, frame: bytes) -> None:
        """Sends a frame; to a slot that has just died it is lost, and `on_end` tells."""
        if self._transport is not None:
            self._transport.write(frame)

    def data_received(self, data: bytes) -> None:
        for answer in self._understood(data):
            self._on_answer(answer)
        loop = asyncio.get_running_loop()
        before, self._heard = self._heard, loop.time()
        if self._transport is not None and self._heard - before < OFTEN:
            self._transport.pause_reading()
            loop.call_later(REST, self._transport.resume_reading)

    def _understood(self, data: bytes) -> Iterator[Answer]:
        """The answers that `data` completes; behind the first that is garbled nothing is listened to any more."""
        if self._is_garbled:
            return
        try:
            for header, payload in self._buffer.feed(data):
                answer = orders.answer(header, payload)
                yield answer
                if isinstance(answer, Garbled):
                    self._is_garbled = True
                    return
        except (ValueError, RecursionError) as exc:  # raised by the buffer: whoever takes the answers raises elsewhere
            self._is_garbled = True
            yield Garbled(str(exc))

    def kill(self) -> None:
        """Ends the process and everything in its group, now."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def ended(self) -> None:
        """Returns when `on_end` has been called, or at once when there never was a process."""
        if self._process is not None:
            await self._ended.wait()

    def _died(self) -> None:
        assert self._process is not None  # noqa: S101 - the reader is added after the spawn
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.kill()  # what user code started must not outlive its slot
        returncode = self._process.wait()
        self._read_the_rest()
        self._on_end(returncode)
        self._ended.set()

    def _read_the_rest(self) -> None:
        """Answers that were written before the end count.

        They are read through a descriptor of our own: asyncio closes its one, unread, as soon as a write to the dead
        process fails.
        """
        if self._transport is not None:
            self._transport.abort()
        with contextlib.suppress(OSError):
            while data := os.read(self._answers, 256 * 1024):
                self.data_received(data)
        os.close(self._answers)


def death(returncode: int) -> Failure:
    """The reason that the end of a slot's process gives, in the words of what was seen."""
    if returncode < 0:
        name = signal.Signals(-returncode).name if -returncode in set(signal.Signals) else f"signal {-returncode}"
        advice = "; if nobody sent it, memory may have run out: try fewer slots or smaller mini-batches"
        return Failure(Cause.SIGNAL, f"the slot's process was killed by {name}{advice if name == 'SIGKILL' else ''}")
    return Failure(Cause.EXIT, f"the slot's process ended by itself with exit code {returncode}")
