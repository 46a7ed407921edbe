"""Processes that user code has started and left: they end with the slot that they come from.

What leaves its process group (`setsid`, a daemon) is not ended with the group. So a slot adopts what its children leave
behind, as the kernel offers it (PR_SET_CHILD_SUBREAPER), and the fork server adopts what is left of a slot that died.
The standard library alone, as slots import it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def adopt() -> None:
    """From now on processes below this one become its children when their parents end, in place of init's."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_the_parent() -> None:
    """The kernel kills this process when its parent dies, whatever it does at that moment."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def end_children(kept: Collection[int] = ()) -> None:
    """No child of this process is left but `kept`, nor what comes to it when one ends."""
    while found := [pid for pid in children(os.getpid()) if pid not in kept]:
        for pid in found:
            end_tree(pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def end_tree(pid: int) -> None:
    """The process is killed, and everything below it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)  # so that it starts no more while one looks
    below = children(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for child in below:
        end_tree(child)


def children(pid: int) -> list[int]:
    """The processes whose parent `pid` is, of all its threads; none when it is gone."""
    return [int(child) for task in _entries(Path(f"/proc/{pid}/task")) for child in _read(task / "children").split()]


def _entries(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted(folder.iterdir())


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
