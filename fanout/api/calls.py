"""Coroutines from code that is not asynchronous: a script, a cell of a notebook whose loop runs, a test, any thread.

Each call has an event loop of its own in a thread of its own, so it works the same wherever it is made. The calling
thread waits, and draws progress meanwhile. Ctrl-C stops the call in order: nodes are ended, and the store keeps all
that was done.
"""

import asyncio
import atexit
import contextlib
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from functools import cache
from typing import Any, Generic, TypeVar

from fanout.storage.hard_exit import let_answers_arrive

T = TypeVar("T")
TICK = 0.1
"""Seconds between two looks of the calling thread at what there is to draw."""
_under_way: "weakref.WeakSet[Call[Any]]" = weakref.WeakSet()
"""Calls that may not have ended: the thread of each holds it."""


@cache
def _end_with_the_process() -> None:
    """A process that ends cuts its calls off in order; their runs can be resumed."""
    atexit.register(_at_exit)


def _at_exit() -> None:
    for one in list(_under_way):
        one.cancel()
    let_answers_arrive()


def _nothing() -> None:
    """Nothing is drawn."""


class Call(Generic[T]):
    """A coroutine that runs in a thread of its own, from when this is made."""

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._future: Future[T] = Future()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[T] | None = None
        _under_way.add(self)
        _end_with_the_process()
        # A daemon: a process that ends does not wait for its runs.
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._carry_out, begin), name="fanout", daemon=True
        )
        self._thread.start()

    def result(self, tick: Callable[[], None] = _nothing) -> T:
        """What the coroutine returns; `tick` is called several times a second meanwhile. Ctrl-C cancels it."""
        try:
            while not self.done:
                with contextlib.suppress(TimeoutError):
                    self._future.exception(TICK)
                tick()
        except BaseException:  # Ctrl-C, most likely
            self.cancel()
            raise
        return self._future.result()

    @property
    def done(self) -> bool:
        """Whether the coroutine has ended."""
        return self._future.done()

    def wait(self, seconds: float) -> None:
        """Waits for the end, so long at most."""
        with contextlib.suppress(TimeoutError):
            self._future.exception(seconds)

    def cancel(self) -> None:
        """The coroutine is cut off, and has ended in order."""
        self._ready.wait()
        if self._loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def _carry_out(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> None:
        try:
            with asyncio.Runner() as runner:
                answer = runner.run(self._main(begin))
        except asyncio.CancelledError:
            self._fail(KeyboardInterrupt())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that called
            self._fail(error)
        else:  # only now: a caller that has the answer may end the process
            self._future.set_result(answer)
        finally:
            self._ready.set()

    async def _main(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.ensure_future(begin())
        self._ready.set()
        return await self._task

    def _fail(self, error: BaseException) -> None:
        self._future.set_exception(single(error))


def call(begin: Callable[[], Coroutine[Any, Any, T]], tick: Callable[[], None] = _nothing) -> T:
    """What the coroutine returns; see `Call`."""
    return Call(begin).result(tick)


@contextlib.contextmanager
def running(begin: Callable[[], Coroutine[Any, Any, T]]) -> Iterator[Call[T]]:
    """The call, which is cut off when the context ends before it."""
    made = Call(begin)
    try:
        yield made
    finally:
        if not made.done:
            made.cancel()


def single(error: BaseException) -> BaseException:
    """The error that tasks running side by side wrapped up, when it is a single one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
