"""The fork server of a node, seen from outside: slots that are copies of a process with everything imported.

It is started before the node knows its step, while the node itself still imports, and anew when it has died. It ends
with the node: the closing of the socket between the two tells it. Nothing heavy is imported here, asyncio included.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.slot.child import preimports
from fanout.slot.child.fork_loop import LONGEST

if TYPE_CHECKING:
    import asyncio

AT_THE_START = ("PYTHON", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_", "LC_", "LANG", "HOME")
"""Beginnings of the names of variables that count while an interpreter and its libraries start, and not later."""
END_LIMIT = 5.0
"""Seconds in which the server, or a slot that it is to kill, has ended; a server that does not see to it is ended."""
ANSWER_LIMIT = 30.0
"""Seconds in which it has forked: it may import still. One that is stopped, or hangs, never does."""


@dataclass(frozen=True, slots=True)
class Forked:
    """A slot's process; `exited` becomes its exit code."""

    pid: int
    exited: "asyncio.Future[int]"


class ForkServer:
    """One process, of which slots are copies. It belongs to the event loop that first asks for one."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = dict(environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: deque[asyncio.Future[Forked]] = deque()  # slots that are not there yet
        self._slots: dict[int, Forked] = {}
        self._reads_tables = False

    def launch(self) -> None:
        """Its interpreter starts now; it can be asked at once, and answers when it is ready. OSError if it cannot."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our module
                    [sys.executable, "-P", "-m", "fanout.slot.child.main", "fork", str(theirs.fileno())],
                    env=self._environ,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # what a terminal sends to all its processes is not for this one
                )
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        self._control = ours
        if self._reads_tables:
            ours.send(b"tables")

    def load_tables(self) -> None:
        """Slots will read tables: what that takes is imported before they are copied. OSError if there is no server."""
        if self._reads_tables:
            return
        self._reads_tables = True
        if self._control is None:
            self.launch()
        else:
            with contextlib.suppress(ConnectionError):  # the next server gets the order
                self._control.send(b"tables")

    def serves(self, python: str, environ: Mapping[str, str]) -> bool:
        """Whether a copy is what a new `python` with these variables would be."""
        if python != sys.executable or not all(map(os.path.isabs, _import_path(environ))):
            return False
        names = environ.keys() | self._environ.keys()
        early = AT_THE_START + (preimports.AT_THE_IMPORT if self._reads_tables else ())
        return not any(name.startswith(early) and environ.get(name) != self._environ.get(name) for name in names)

    async def fork(self, files: Sequence[int]) -> Forked:
        """A new slot with these descriptors as channel, stdout and stderr.

        OSError when there can be none, ConnectionError when the server has died meanwhile, or does not answer.
        """
        import asyncio

        control = self._ready()
        socket.send_fds(control, [b"fork"], files)
        assert self._loop is not None  # noqa: S101 - `_ready` has set it
        answer: asyncio.Future[Forked] = self._loop.create_future()
        self._asked.append(answer)
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                return await answer
        except TimeoutError:
            self._end(control)
            raise ConnectionResetError("the fork server did not answer") from None

    def kill(self, slot: Forked) -> None:
        """Ends the slot and everything in its group, now; nothing happens when it has ended."""
        if self._control is None or self._loop is None or slot.exited.done():
            return
        with contextlib.suppress(ConnectionError, BlockingIOError):
            self._control.send(b"kill %d" % slot.pid)
        self._loop.call_later(END_LIMIT, self._see_to_the_end, slot, self._control)

    def ask(self, slot: Forked) -> None:
        """The slot writes where it is; nothing happens when it has ended."""
        if self._control is not None and not slot.exited.done():
            with contextlib.suppress(ConnectionError):
                self._control.send(b"ask %d" % slot.pid)

    def close(self) -> None:
        """Neither a slot is left nor the server; called before the event loop is closed, if it has come to one."""
        if self._control is not None:
            self._has_gone(self._control)

    def _ready(self) -> socket.socket:
        """The socket to it, listened to by this event loop."""
        import asyncio

        if self._control is None:
            self.launch()
        control, self._loop = self._control, asyncio.get_running_loop()
        assert control is not None  # noqa: S101 - `launch` sees to it, or raises
        self._loop.add_reader(control, self._listen, control)
        return control

    def _listen(self, control: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while said := _received(control):
                self._read_control(*said.split())
            self._has_gone(control)

    def _read_control(self, word: bytes, *numbers: bytes) -> None:
        assert self._loop is not None  # noqa: S101 - it is what listens
        if word == b"exited":
            pid, code = map(int, numbers)
            self._slots.pop(pid).exited.set_result(code)
            return
        answer, number = self._asked.popleft(), int(numbers[0])
        if word == b"failed":
            if not answer.done():
                answer.set_exception(OSError(number, os.strerror(number)))
            return
        slot = self._slots[number] = Forked(number, self._loop.create_future())
        if answer.done():  # the caller has given up waiting
            self.kill(slot)
        else:
            answer.set_result(slot)

    def _see_to_the_end(self, slot: Forked, control: socket.socket) -> None:
        """A server that is stopped hears nothing: its slots end with it, and no node waits for them for ever."""
        if not slot.exited.done():
            self._end(control)

    def _end(self, control: socket.socket) -> None:
        """Ends the server and fails its waiting callers, unless another server has taken its place."""
        if control is self._control and self._process is not None:
            self._process.kill()
            self._has_gone(control)

    def _has_gone(self, control: socket.socket) -> None:
        """It and its slots are dead, or will be in a moment: the kernel ends them with it."""
        if self._loop is not None:
            self._loop.remove_reader(control)
        control.close()
        self._control = None
        self._reap()
        for slot in self._slots.values():
            with contextlib.suppress(ProcessLookupError):  # what it has started is not ended by the kernel
                os.killpg(slot.pid, signal.SIGKILL)
            if not slot.exited.done():
                slot.exited.set_result(-signal.SIGKILL)
        for answer in self._asked:
            if not answer.done():
                answer.set_exception(ConnectionResetError("the fork server has died"))
        self._slots.clear()
        self._asked.clear()

    def _reap(self) -> None:
        if self._process is not None:
            try:
                self._process.wait(END_LIMIT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _received(control: socket.socket) -> bytes:
    try:
        return control.recv(LONGEST)
    except ConnectionError:
        return b""


def _import_path(environ: Mapping[str, str]) -> Iterator[str]:
    """Folders of PYTHONPATH; a relative one means another folder where the current one differs."""
    return filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))
