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

Say = Callable[[str], None]


def _on_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class _Voice:
    """Where it is said: a view of a run has lines of its own."""

    say: Say = staticmethod(_on_stderr)


@contextlib.contextmanager
def waits_said() -> Iterator[None]:
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
def said_by(say: Say) -> Iterator[None]:
    """While the context lasts, `say` is told in place of stderr; it may be called from another thread."""
    before, _Voice.say = _Voice.say, staticmethod(say)
    try:
        yield
    finally:
        _Voice.say = before


def sentence(waiting: Waiting, seconds: float) -> str:
    """What it is waited for, how long by now, and how long at most."""
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
                _Voice.say(sentence(waiting, seconds))
