"""A slot's end of its channel, with the node's end in the hands of the test."""

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fanout.slot import protocol
from fanout.slot.child.channel import WAKE_UP, Channel
from fanout.slot.process import PIPE_SIZE, pipe_to
from fanout.slot.protocol import ControlOrder, Task


@dataclass
class Ends:
    """Both ends of one channel."""

    channel: Channel
    socket: socket.socket
    answers: int

    def assign(self, *indexes: int) -> None:
        """Tasks in one frame."""
        self.socket.sendall(protocol.task_frames([Task(b'{"index":%d}' % index, 0) for index in indexes]))

    def take(self) -> int | ControlOrder | None:
        """What the slot does next: a mini-batch of this number, or a word."""
        order = self.channel.take()
        return order.batch.index if isinstance(order, Task) and order.batch else order  # type: ignore[return-value]

    def rang(self) -> bool:
        """Whether the bell has been rung since the last time."""
        try:
            return self.socket.recv(100, socket.MSG_DONTWAIT).strip(WAKE_UP) == b""
        except BlockingIOError:
            return False


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A channel as a node makes it."""
    ours, theirs = socket.socketpair()
    answers = pipe_to(ours)
    channel = Channel(theirs.detach())
    yield Ends(channel, ours, answers)
    for end in (ours, channel._socket):  # a slot's process never gives it back: it ends
        end.close()
    for pipe in (answers, channel._answers):
        os.close(pipe)


def test_the_bell_rings_when_a_quarter_is_left_and_before_it_waits(ends: Ends) -> None:
    """In between nobody is woken, whatever is said."""
    ends.assign(*range(8))
    for index in range(5):
        assert ends.take() == index
        ends.channel.send(b"done")
    assert not ends.rang()
    assert ends.take() == 5
    assert ends.rang()
    assert [ends.take(), ends.take()] == [6, 7]
    ends.channel.send(b"done")
    assert not ends.rang()
    ends.socket.shutdown(socket.SHUT_WR)
    assert ends.take() is None, "the node is gone, but it heard that there was something to hear"
    assert ends.rang()
    assert os.read(ends.answers, 100) == b"done" * 6


def test_what_came_meanwhile_is_seen_before_the_bell_is_rung(ends: Ends) -> None:
    """A node that has given more in time is left alone."""
    ends.assign(0, 1, 2, 3)
    assert [ends.take(), ends.take()] == [0, 1]
    ends.assign(4, 5, 6, 7, 8)
    assert [ends.take() for _ in range(4)] == [2, 3, 4, 5]
    assert not ends.rang()
    assert ends.take() == 6
    assert ends.take() == 7
    assert ends.rang()


def test_an_answer_that_is_larger_than_the_pipe(ends: Ends) -> None:
    """The node is rung, and reads on while the slot writes; what was said before comes before it."""
    large = bytes(range(256)) * (PIPE_SIZE // 64)
    ends.channel.send(b"small")
    writing = threading.Thread(target=ends.channel.send, args=(large,))
    writing.start()
    assert ends.socket.recv(100) == WAKE_UP
    found = bytearray()
    os.set_blocking(ends.answers, True)
    while len(found) < len(large) + 5:
        found += os.read(ends.answers, PIPE_SIZE)
    writing.join()
    assert found == b"small" + large
    ends.channel.send(b"next")
    assert os.read(ends.answers, 100) == b"next"


def test_what_was_withdrawn_is_dropped(ends: Ends) -> None:
    """Tasks before the word go, those behind it stay, and the word is answered in its turn."""
    ends.assign(0, 1, 2)
    assert ends.take() == 0
    ends.socket.sendall(ControlOrder.REVOKE.frame())
    ends.assign(3)
    ends.channel.drop_revoked()
    assert [ends.take(), ends.take()] == [ControlOrder.REVOKE, 3]
