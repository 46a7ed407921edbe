"""How a process that has used obstore ends.

obstore hands each answer over in a thread of its own, which may still be on its way out of Python when the answer has
arrived. If Python takes itself apart meanwhile, that thread aborts the process: signal 6 in the place of its exit code,
for one process in thirty that ended right after a request. (CPython 3.14 lets such threads sleep.)
"""

import logging
import os
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

LOOK = 0.001
"""Seconds between two looks at the threads that are in Python."""
QUIET_LOOKS = 10
"""Looks in a row without such a thread: what was cancelled ends within microseconds of its cancellation."""
PATIENCE = 5.0
"""Seconds after which the process ends whatever threads there are: another library may have its own."""


def hard_exit(code: int) -> NoReturn:
    """Ends the process with `code`, its output written, and Python's own dismantling left out."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a reader that has gone, or a stream that was closed
            stream.flush()
    os._exit(code)


def let_answers_arrive() -> None:
    """Returns when no thread that Python did not start is in Python any more.

    For a process that is not ours to end: it is called when the process ends by itself.
    """
    quiet, deadline = 0, time.monotonic() + PATIENCE
    while quiet < QUIET_LOOKS and time.monotonic() < deadline:
        time.sleep(LOOK)  # whatever waits for Python has its turn
        quiet = 0 if _foreign_threads() else quiet + 1


def _foreign_threads() -> set[int]:
    """Threads that run Python code and were begun by a library."""
    # A copy: threads are begun and ended while this looks.
    known = {thread.ident for thread in threading.enumerate()}
    return {ident for ident in sys._current_frames() if ident not in known}
