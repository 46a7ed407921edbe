"""A slot's process seen from outside: the frames to and from it, and its end, reported as it was seen."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

from fanout.node import orders
from fanout.node.fork_server import ForkServer
from fanout.node.frames import FrameBuffer
from fanout.node.orders import Answer, Garbled, Start
from fanout.node.spawn import Child, Placement, spawn
from fanout.step.results import Cause, Failure

OFTEN = 0.002
"""Seconds: a slot that answers more often than this is listened to only now and then."""
REST = 0.004
"""Seconds for which it is not: its answers gather meanwhile, and cost one wake-up together. A slot that is this quick
has more than twice as much work ahead."""


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
        forks: ForkServer | None = None,
    ) -> None:
        self._start, self._placement, self._forks = start, placement, forks
        self._on_answer, self._on_end = on_answer, on_end
        self._buffer = FrameBuffer()
        self._transport: asyncio.Transport | None = None
        self._child: Child | None = None
        self._answers = -1
        self._ended = asyncio.Event()
        self._is_garbled = False
        self._heard = 0.0  # when the latest answer came

    async def start(self) -> None:
        """The process runs and has been told what to load; `Ready` or `Broken` follows."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._child = await spawn(self._placement, theirs, self._forks)
        except BaseException:
            ours.close()
            raise
        self._answers = os.dup(ours.fileno())
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: self, sock=ours)
        self.write(self._order(self._child).frame())
        self._child.exited.add_done_callback(self._died)

    def _order(self, child: Child) -> Start:
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
        if self._child is not None:
            self._child.kill()

    async def ended(self) -> None:
        """Returns when `on_end` has been called, or at once when there never was a process."""
        if self._child is not None:
            await self._ended.wait()

    def _died(self, exited: "asyncio.Future[int]") -> None:
        self._read_the_rest()
        self._on_end(exited.result())
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
