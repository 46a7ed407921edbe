"""The process of a slot, as the node sees it: frames to and from it, and its exit status.

Its answers wait in a pipe until `read_answers` reads them; the process sends a wake-up when that should happen at once
(see `channel`).
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from fanout.results.codec import Cause, Failure
from fanout.slot import protocol
from fanout.slot.child import stack_dumps
from fanout.slot.child.channel import WAKE_UP
from fanout.slot.fork_server import ForkServer
from fanout.slot.frames import FrameBuffer
from fanout.slot.out_of_memory import OomKills, of_slot
from fanout.slot.protocol import Answer, ProtocolViolation, StartOrder, WakeUp
from fanout.slot.spawn import Child, Placement, spawn

STACK_LIMIT = 1.0
"""Seconds that a process that is ended for taking too long gets to write where it is."""
STACK_LOOK = 0.02
PIPE_SIZE = 256 * 1024
"""Bytes of answers that a slot can be ahead of its node; what is more waits in the slot until the node has looked."""


class SlotProcess(asyncio.Protocol):
    """One child process, from its start to its end. `on_answer` and `on_end` are called in the event loop.

    `on_end` is called exactly once, after the last answer, with the exit code (negative: the signal).
    """

    def __init__(
        self,
        start: StartOrder,
        placement: Placement,
        on_answer: Callable[[Answer], None],
        on_end: Callable[[int], None],
        forks: ForkServer | None = None,
    ) -> None:
        self._start, self._placement, self._forks = start, placement, forks
        self._on_answer, self._on_end = on_answer, on_end
        self._buffer = FrameBuffer()
        self._transport: asyncio.Transport | None = None
        self._child: Child | None = None
        self._answers = -1
        self._ended = asyncio.Event()
        self._is_violated = self._is_watched = False
        self.stack = ""  # where it was when it was killed, or crashed

    async def start(self) -> None:
        """Starts the process and sends its start order; `Ready` or `StartFailed` follows."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._child = await spawn(self._placement, theirs, self._forks)
            self._child.exited.add_done_callback(self._died)  # before the next await: it may be cut off there
            self._answers = pipe_to(ours)
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_connection(lambda: self, sock=ours)
        except BaseException:
            ours.close()
            raise
        self.write(self._order(self._child).frame())

    def _order(self, child: Child) -> StartOrder:
        if child.placed:
            return self._start
        place = self._placement
        return replace(self._start, cwd=str(place.cwd), environ=place.environ)

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    def write(self, frame: bytes) -> None:
        """Sends a frame; to a slot that has just died it is lost, and `on_end` tells."""
        if self._transport is not None:
            self._transport.write(frame)

    def data_received(self, data: bytes) -> None:
        """A wake-up of the process: reads its answers."""
        self.read_answers()
        if data.strip(WAKE_UP) and not self._is_violated:
            self._is_violated = True
            self._on_answer(ProtocolViolation(f"{data!r:.80} where only wake-ups are expected"))
        elif not self._is_violated:
            self._on_answer(WakeUp())

    def read_answers(self) -> None:
        """Takes in what the process has said up to now; the rest of an answer that is not whole follows by itself."""
        if self._answers >= 0:
            with contextlib.suppress(BlockingIOError):
                self._take_in(os.read(self._answers, PIPE_SIZE))
            self._watch(not self._buffer.is_between_frames and not self._is_violated)

    def _watch(self, wanted: bool) -> None:
        """The process may wait for room in the pipe, in the middle of a large answer, and cannot ring then."""
        if wanted is not self._is_watched:
            self._is_watched, loop = wanted, asyncio.get_running_loop()
            if wanted:
                loop.add_reader(self._answers, self.read_answers)
            else:
                loop.remove_reader(self._answers)

    def _take_in(self, data: bytes) -> None:
        for answer in self._understood(data):
            self._on_answer(answer)

    def _understood(self, data: bytes) -> Iterator[Answer]:
        """The answers that `data` completes; behind the first that is garbled nothing is listened to any more."""
        if self._is_violated:
            return
        try:
            for head, payload in self._buffer.feed(data):
                answer = protocol.answer(head, payload)
                yield answer
                if isinstance(answer, ProtocolViolation):
                    self._is_violated = True
                    return
        except (
            ValueError,
            RecursionError,
        ) as exc:  # raised by the buffer; the consumer of the answers raises elsewhere
            self._is_violated = True
            yield ProtocolViolation(str(exc))

    def kill(self) -> None:
        """Ends the process and everything in its group, now."""
        if self._child is not None:
            self._child.kill()

    def kill_with_stack(self) -> None:
        """Ends the process as soon as it has written where it is, or after a moment in any case."""
        if self._child is None or self._start.stack is None:
            self.kill()
        else:
            self._child.ask()
            self._kill_when_written(asyncio.get_running_loop().time() + STACK_LIMIT, 0)

    def _kill_when_written(self, until: float, before: int) -> None:
        """What is written is complete when it does not grow any more."""
        if self._ended.is_set():
            return
        loop, size = asyncio.get_running_loop(), _size(Path(self._start.stack or ""))
        if loop.time() >= until or 0 < size == before:
            self.kill()
        else:
            loop.call_later(STACK_LOOK, self._kill_when_written, until, size)

    async def ended(self) -> None:
        """Returns when `on_end` has been called, or at once when there never was a process."""
        if self._child is not None:
            await self._ended.wait()

    def _died(self, exited: "asyncio.Future[int]") -> None:
        self._read_the_rest()
        if self._start.stack is not None:
            self.stack = stack_dumps.taken(Path(self._start.stack), self._start.code)
        self._on_end(exited.result())
        self._ended.set()

    def _read_the_rest(self) -> None:
        """Answers that were written before the end count."""
        if self._transport is not None:
            self._transport.abort()
        if self._answers < 0:
            return  # the start was cut off before there was a pipe
        self._watch(False)
        with contextlib.suppress(BlockingIOError):  # something that is no part of its group holds the other end
            while data := os.read(self._answers, PIPE_SIZE):
                self._take_in(data)
        os.close(self._answers)
        self._answers = -1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def pipe_to(channel: socket.socket) -> int:
    """Sends one end of a new pipe, as the first thing, to the process at the other end of `channel`; returns our
    end."""
    ours, theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    with contextlib.suppress(OSError):  # many slots of one user may have had their share of such memory
        fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    try:
        socket.send_fds(channel, [WAKE_UP], [theirs])
    finally:
        os.close(theirs)
    return ours


def death(returncode: int, kills: OomKills | None = None) -> Failure:
    """The reason that the end of a slot's process gives, in the words of what was seen.

    By `kills` it is known whether the kernel has ended it for memory; a shell around it exits with 137 then.
    """
    if returncode in (-signal.SIGKILL, 128 + signal.SIGKILL) and kills is not None and kills.take_one():
        return Failure(Cause.SIGNAL, of_slot(kills))
    if returncode < 0:
        name = signal.Signals(-returncode).name if -returncode in set(signal.Signals) else f"signal {-returncode}"
        advice = "; if no user sent it, memory may have run out: try fewer slots or smaller mini-batches"
        return Failure(Cause.SIGNAL, f"the slot's process was killed by {name}{advice if name == 'SIGKILL' else ''}")
    return Failure(Cause.EXIT, f"the slot's process ended by itself with exit code {returncode}")
