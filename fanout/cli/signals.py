"""What Ctrl-C and SIGTERM do to a verb that carries out a run: the first stops it in order, the second leaves now."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import TypeVar

from fanout.cli.interrupts import was_interrupted
from fanout.errors import ExitCode

T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def until_stopped(
    work: Coroutine[object, object, T], on_stop: Callable[[], None], leave: Callable[[], None]
) -> T | None:
    """What `work` comes to; None when a signal stopped it.

    `on_stop` is called at the first signal, `leave` at the second. Nothing is lost by leaving at once: nodes notice
    that they are alone, and the store holds what was done.
    """
    task = asyncio.ensure_future(work)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        on_stop()
        task.cancel()

    with _handled(stop, leave):
        try:
            return await task
        except asyncio.CancelledError:
            if not stopped:
                raise
            return None


async def until_drained(
    work: Coroutine[object, object, T], on_stop: Callable[[], None], leave: Callable[[], None]
) -> T:
    """What `work` comes to, which `on_stop` asks to come to its end at the first signal; the second leaves at once."""
    with _handled(on_stop, leave):
        return await work


@contextlib.contextmanager
def _handled(first: Callable[[], None], second: Callable[[], None]) -> Iterator[None]:
    """While the context lasts `first` answers to the first of the signals; the next goes to `second` and ends us.

    The first may have come before, and been lost.
    """
    loop = asyncio.get_running_loop()
    signaled, came_before = False, was_interrupted()

    def on_signal() -> None:
        nonlocal signaled
        if signaled:
            second()
            os._exit(ExitCode.CANCELED)
        signaled = True
        first()

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal)
    if came_before:
        on_signal()
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
