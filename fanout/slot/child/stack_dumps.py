"""Where a slot's process is when it is ended for taking too long, or crashes: written by Python's own fault handler.

That handler is C and needs neither the interpreter's lock nor a process in good order: a script may hang in C code,
ignore all it can, or have broken its memory. It writes into a file of its own, as stderr is the script's. The node asks
for it by a signal that no library uses, and waits for a moment only.

`arm` runs in the slot's child process: the standard library only.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import os
import re
import signal
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.backports import dataclass
from fanout.slot.child.entry_script import is_ours

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNAL = signal.SIGRTMAX - 2
OUT_OF_THE_WAY = 512
"""The lowest file descriptor for the file: scripts that close all they can think of close the first few hundred."""
LONGEST = 64 * 1024
"""Bytes of what was written that are read."""
MOST_THREADS = 8
_THREAD = re.compile(r"^(?P<current>Current )?[Tt]hread 0x[0-9a-f]+ .*\(most recent call first\):$")
_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)$')
_FATAL = "Fatal Python error: "


def arm(path: str) -> None:
    """From here on this process writes to `path` where it is, when it crashes or is asked. What fails is left out."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - pathlib is not needed here
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            file = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, OUT_OF_THE_WAY)
        except OSError:  # fewer descriptors are allowed
            file = opened
        else:
            os.close(opened)
        faulthandler.enable(file, all_threads=True)
        faulthandler.register(SIGNAL, file, all_threads=True, chain=False)


@dataclass(slots=True)
class _Thread:
    is_current: bool
    frames: list[re.Match[str]] = field(default_factory=list)


def taken(path: Path, code: str | None) -> str:
    """What was written to `path`, readable, and the file is gone; "" when nothing was."""
    try:
        with path.open("rb") as file:
            dump = file.read(LONGEST).decode(errors="replace")
        path.unlink()
    except OSError:
        return ""
    return readable(dump, code)


def readable(dump: str, code: str | None) -> str:
    """The stacks as Python shows tracebacks: without our own frames, the innermost last, the thread that counts last.

    Lines of source are added of files in the folder `code`.
    """
    threads = [thread for thread in _threads(dump) if thread.frames][:MOST_THREADS]
    threads.sort(key=lambda thread: thread.is_current)
    fatal = [line for line in dump.splitlines() if line.startswith(_FATAL)][:1]
    return "".join(f"{line}\n" for line in [*fatal, *(line for thread in threads for line in _lines(thread, code))])


def _threads(dump: str) -> list[_Thread]:
    threads: list[_Thread] = []
    for line in dump.splitlines():
        if (head := _THREAD.match(line)) is not None:
            threads.append(_Thread(head["current"] is not None))
        elif threads and (frame := _FRAME.match(line)) is not None and not _is_ours(frame["file"]):
            threads[-1].frames.append(frame)
    for thread in threads:
        if thread.frames and thread.frames[-1]["file"] == "<string>":  # what starts a foreign interpreter (`spawn`)
            thread.frames.pop()
    return threads


def _is_ours(file: str) -> bool:
    """As `is_ours`; a foreign interpreter has found fanout by a link."""
    return is_ours(file) or is_ours(os.path.realpath(file))


def _lines(thread: _Thread, code: str | None) -> Iterator[str]:
    yield f"{'Stack at that moment' if thread.is_current else 'Another thread'} (most recent call last):"
    for frame in reversed(thread.frames):
        yield f'  File "{frame["file"]}", line {frame["line"]}, in {frame["name"]}'
        if (source := _source(frame["file"], int(frame["line"]), code)) is not None:
            yield f"    {source}"


def _source(file: str, line: int, code: str | None) -> str | None:
    """That line of a file of the code folder; of others their place is enough."""
    if code is None or not file.startswith(f"{code}{os.sep}"):
        return None
    try:
        with Path(file).open(encoding="utf-8", errors="replace") as lines:
            return next((text.strip() for number, text in enumerate(lines, 1) if number == line), None)
    except OSError:
        return None
