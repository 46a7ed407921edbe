"""Says on the terminal what a command waits for when a server does not answer."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

from fanout.storage.pending import Waiting, longest

LOOK_EVERY = 0.2
FIRST = 1.0
"""Seconds without an answer after which it is said; then after twice as long each time."""

PrintLine = Callable[[str], None]


def _on_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class _Output:
    """Where the lines go: a view of a run has its own output."""

    print_line: PrintLine = staticmethod(_on_stderr)


@contextlib.contextmanager
def waits_reported() -> Iterator[None]:
    """While the context lasts, a server that does not answer for a second is named, with the time that is left."""
    over = threading.Event()
    watching = threading.Thread(target=_watch, args=(over,), name="waits", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


@contextlib.contextmanager
def reported_by(print_line: PrintLine) -> Iterator[None]:
    """While the context lasts, lines go to `print_line` instead of stderr. It may be called from another thread."""
    before, _Output.print_line = _Output.print_line, staticmethod(print_line)
    try:
        yield
    finally:
        _Output.print_line = before


def sentence(waiting: Waiting, seconds: float) -> str:
    """A sentence that names the server, how long it has not answered, and the limit."""
    return f"no answer from {waiting.where}, trying again ({seconds:.0f} s of {waiting.limit:.0f})"


def _watch(over: threading.Event) -> None:
    said, next_at = None, FIRST
    while not over.wait(LOOK_EVERY):
        waiting = longest()
        seconds = 0.0 if waiting is None else time.monotonic() - waiting.since
        if waiting is None or seconds < FIRST:
            said, next_at = None, FIRST
        elif seconds >= next_at or waiting.where != said:
            said, next_at = waiting.where, max(next_at, seconds) * 2
            with contextlib.suppress(OSError, ValueError, RuntimeError):  # a reader, or a loop, that has gone
                _Output.print_line(sentence(waiting, seconds))
