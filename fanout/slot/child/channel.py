"""The channel between a node and a slot's process, as the process holds it.

A socket carries the orders of the node. Answers go into a pipe, each as soon as there is one: what a process has
finished before it dies counts, and what it dies of is blamed alone. But a node that were woken by each answer would
take from user code the processor it needs. So the pipe wakes no process: the node polls it now and then, and when the
process sends a wake-up, a byte on the socket, because little or nothing is left to do.

Imported by the slot's child process: the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections import deque

from fanout.errors import DamagedRecordError
from fanout.records import mini_batch
from fanout.slot import protocol
from fanout.slot.frames import FrameBuffer
from fanout.slot.protocol import ControlOrder, Order, Task

WAKE_UP = b"\n"
_DESCRIPTOR = struct.Struct("@i")
RECEIVE_SIZE = 256 * 1024
READ_AHEAD = 64 * 1024
"""Bytes of tasks that are read before the first of them is begun, which is held up for less than a millisecond."""
LOW = 4
"""A wake-up is sent when this part (1/4) of the last tasks is left."""


class Channel:
    """The process's end of it; `descriptor` is the socket."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._answers = _received_descriptor(self._socket)
        for ours in (descriptor, self._answers):
            os.set_inheritable(ours, False)
        self._buffer = FrameBuffer()
        self._waiting: deque[Order] = deque()
        self._low = -1  # number of tasks left at which a wake-up is sent
        self._is_revoked = False  # some of what waits
        self._is_read = True  # everything that was said

    def start_frame(self) -> bytes | None:
        """The header of the first frame; None when the node has gone."""
        while data := self._socket.recv(RECEIVE_SIZE):
            for head, _ in self._buffer.feed(data):
                return head
        return None

    def send(self, frame: bytes) -> None:
        """Writes an answer. The node reads it at its next poll, or when the process has ended."""
        try:
            written = os.write(self._answers, frame)
        except BlockingIOError:
            written = 0
        self._is_read = False
        if written < len(frame):
            self._send_rest(frame[written:])

    def _send_rest(self, rest: bytes) -> None:
        """Writes what the pipe has no room for; the node reads until the frame is complete."""
        self.wake_node()
        os.set_blocking(self._answers, True)
        while rest:
            rest = rest[os.write(self._answers, rest) :]
        os.set_blocking(self._answers, False)
        self._is_read = False

    def wake_node(self) -> None:
        """Makes the node poll now."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `take` finds out that the node is gone
            self._socket.sendall(WAKE_UP)
        self._is_read = True

    def take(self) -> Order | None:
        """The next order, as soon as there is one; None when the node has gone.

        Wakes the node before it waits, and already while a few tasks are left, so that more arrive in time.
        """
        while not self._waiting:
            if not self._has_received():
                if not self._is_read:
                    self.wake_node()
                data = self._socket.recv(RECEIVE_SIZE)
                if not data:
                    return None
                self._add(data)
        order = self._waiting.popleft()
        if len(self._waiting) == self._low and not self._has_received():
            self.wake_node()
        return order

    def drop_revoked(self) -> None:
        """Drops mini-batches that the node has revoked by now."""
        while self._has_received():
            pass
        if not self._is_revoked:
            return
        self._is_revoked = False
        if ControlOrder.REVOKE in self._waiting:
            last = len(self._waiting) - 1 - list(self._waiting)[::-1].index(ControlOrder.REVOKE)
            kept = [order for at, order in enumerate(self._waiting) if at >= last or isinstance(order, ControlOrder)]
            self._waiting = deque(kept)

    def _has_received(self) -> bool:
        """Reads what can be read without waiting; whether there was something."""
        with contextlib.suppress(BlockingIOError):
            if data := self._socket.recv(RECEIVE_SIZE, socket.MSG_DONTWAIT):
                self._add(data)
                return True
        return False

    def _add(self, data: bytes) -> None:
        for head, payload in self._buffer.feed(data):
            given = protocol.orders_of(head, payload)
            self._waiting += map(_read, given) if len(payload) <= READ_AHEAD else given
            self._is_revoked |= given[-1] is ControlOrder.REVOKE  # words come alone
        self._low = len(self._waiting) // LOW if len(self._waiting) > 1 else -1


def _received_descriptor(channel: socket.socket) -> int:
    """The descriptor that the first byte brings. `socket.recv_fds` does the same from Python 3.9 on."""
    _, [(_, _, packed)], *_ = channel.recvmsg(1, socket.CMSG_LEN(_DESCRIPTOR.size))
    return int(_DESCRIPTOR.unpack(packed)[0])


def _read(order: Order) -> Order:
    """A task with its line read: of several together each is read in a tenth of the time that one needs by itself, when
    user code has had the processor's caches meanwhile. Of a line that is damaged its attempt will tell."""
    with contextlib.suppress(DamagedRecordError):
        return order._replace(batch=mini_batch.decode(order.line, "task")) if isinstance(order, Task) else order
    return order
