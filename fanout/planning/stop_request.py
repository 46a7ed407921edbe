"""Planning in a thread that can be asked to stop: it looks up at every file.

A thread cannot be canceled, and the process waits for its end, at the latest when the process itself ends. So Ctrl-C
would last as long as the plan of a million files.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

_STOP: ContextVar[threading.Event | None] = ContextVar("planning is to stop", default=None)


class PlanningStopped(Exception):  # noqa: N818 - the answer to a request, no error
    """The planning was asked to stop."""


def stoppable(items: Iterator[T]) -> Iterator[T]:
    """The items, until the thread that takes them is asked to stop; then raises PlanningStopped."""
    for item in items:
        check_stop()
        yield item


def check_stop() -> None:
    """PlanningStopped when this thread was asked to stop."""
    stop = _STOP.get()
    if stop is not None and stop.is_set():
        raise PlanningStopped


def until(stop: threading.Event, work: Callable[[], T]) -> T:
    """What `work` comes to in this thread, which stops at `stop`."""
    _STOP.set(stop)  # of the thread alone: it has its own copy of the context
    return work()


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` comes to in a thread; when this is cancelled, the thread stops at its next file."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(until, stop, work)
    except asyncio.CancelledError:
        stop.set()
        raise
