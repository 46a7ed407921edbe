"""The fork server of a node, seen from inside: a process that has imported what slots need, and waits.

A slot that is forked off is there in a few milliseconds, where a new interpreter takes sixty to eighty, and shares the
memory of what was imported. Nothing but this loop runs here, no thread of ours and no user code, so that a copy is as
good as new. Said to it: `fork` (with three descriptors: the slot's channel, its stdout and stderr), `kill <pid>`, `ask
<pid>` to make a slot write where it is, and `tables` before slots that will read some. It answers `forked <pid>` or
`failed <errno>`, and says `exited <pid> <code>` when a slot has ended and its process group with it.
"""

import contextlib
import gc
import os
import select
import signal
import socket
from collections.abc import Sequence

from fanout.slot.child import preimports, stack_dumps
from fanout.slot.child.orphans import adopt, end_children

LONGEST = 64
"""Bytes of a message."""


class InSlot(Exception):  # noqa: N818 - no error: how a copy leaves the loop of the original
    """This process is a slot now; `descriptor` is its channel."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor


def serve_forks(descriptor: int) -> int:
    """Forks slots until the node is gone, which ends them all; comes back in each slot, with its channel."""
    _share()
    adopt()
    try:
        _Forks(socket.socket(fileno=descriptor)).serve()
    except InSlot as here:
        return here.descriptor
    os._exit(0)


def _share() -> None:
    """What is there now is shared with slots: a collection in one need not touch it."""
    gc.collect()
    gc.freeze()


class _Forks:
    def __init__(self, control: socket.socket) -> None:
        control.set_inheritable(False)
        self._control, self._poll = control, select.poll()
        self._poll.register(control, select.POLLIN)
        self._slots: dict[int, int] = {}  # process by pidfd

    def serve(self) -> None:
        """Returns when the node is gone, and the slots with it."""
        with contextlib.suppress(ConnectionError):
            while True:
                for ready, _ in self._poll.poll():
                    if ready in self._slots:
                        self._ended(ready)
                    elif not self._asked():
                        return self._end_all()
        return self._end_all()

    def _asked(self) -> bool:
        """Does what the node asks for; False when it is gone."""
        said, passed, _, _ = socket.recv_fds(self._control, LONGEST, 3)
        match said.split():
            case [b"fork"]:
                self._fork(passed)
            case [b"tables"]:
                preimports.load()
                _share()
            case [b"kill", pid] if int(pid) in self._slots.values():
                _kill(int(pid))
            case [b"ask", pid] if int(pid) in self._slots.values():
                os.kill(int(pid), stack_dumps.SIGNAL)  # it may have ended, but its number is not reused yet
        return bool(said)

    def _fork(self, passed: Sequence[int]) -> None:
        channel, stdout, stderr = passed
        try:
            pid = os.fork()
        except OSError as exc:
            self._control.send(b"failed %d" % (exc.errno or 0))
            pid = -1
        if pid == 0:
            self._become_slot(stdout, stderr)
            raise InSlot(channel)
        for descriptor in passed:
            os.close(descriptor)
        if pid > 0:
            pidfd = os.pidfd_open(pid)
            self._slots[pidfd] = pid
            self._poll.register(pidfd, select.POLLIN)
            self._control.send(b"forked %d" % pid)

    def _become_slot(self, stdout: int, stderr: int) -> None:
        os.setsid()
        self._control.close()
        for pidfd in self._slots:
            os.close(pidfd)
        for theirs, mine in ((stdout, 1), (stderr, 2)):
            os.dup2(theirs, mine)
            os.close(theirs)
        preimports.become_another_process()

    def _ended(self, pidfd: int) -> None:
        """Its group is ended before the process is waited for: until then the number is not reused."""
        pid = self._slots.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _kill(pid)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        end_children(kept=self._slots.values())  # what had left the group came here
        self._control.send(b"exited %d %d" % (pid, code))

    def _end_all(self) -> None:
        for pid in self._slots.values():
            _kill(pid)
        end_children()


def _kill(pid: int) -> None:
    """The slot and everything in its group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # forked, and not yet the leader of a group of its own
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
