"""Tasks and threads that belong together, and end together: none outlives who started it, none fails unheard."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, NoReturn, TypeVar

from fanout.clock import Clock
from fanout.errors import FanoutError

S = TypeVar("S")
T = TypeVar("T")
log = logging.getLogger(__name__)
AT_ONCE = 16
"""Requests to a server that are under way side by side, unless a caller says otherwise."""


@contextlib.asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """asyncio's TaskGroup, except that an error of ours comes out as itself instead of in a group."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except* FanoutError as several:
        raise first_error(several) from None


async def all_of(jobs: Iterable[Awaitable[T]]) -> list[T]:
    """What each job returns, in their order. When one fails the others are cut off and have ended before its error
    comes out, as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_as_coroutine(job)) for job in jobs]
    except* Exception as several:  # noqa: BLE001 - raised again, without its group
        raise first_error(several) from None
    return [task.result() for task in tasks]


async def _as_coroutine(job: Awaitable[T]) -> T:
    return await job


async def each(job: Callable[[S], Awaitable[T]], items: Iterable[S], at_once: int = AT_ONCE) -> list[T]:
    """What `job` returns of each item, in their order, so many of them at a time; errors as with `all_of`."""
    slots = asyncio.Semaphore(at_once)

    async def one(item: S) -> T:
        async with slots:
            return await job(item)

    return await all_of(map(one, items))


async def in_threads(*jobs: Callable[[], T]) -> list[T]:
    """What each job returns, done in a thread of its own; the first error of any.

    A thread cannot be cut off: all have ended when this returns, raises or is cancelled.
    """
    running = asyncio.gather(*map(asyncio.to_thread, jobs), return_exceptions=True)
    cut: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError as exc:
            cut = exc
    results = [] if running.cancelled() else running.result()
    if cut is not None:
        raise cut
    return [_returned(result) for result in results]


def _returned(result: T | BaseException) -> T:
    if isinstance(result, BaseException):
        raise result
    return result


async def every(
    seconds: float, job: Callable[[], Awaitable[object]], clock: Clock, *, first: float | None = None
) -> NoReturn:
    """`job` again and again until it is cancelled: after a pause of `seconds` each (`first` before the first time).

    An error of `job` ends it and comes out.
    """
    pause = seconds if first is None else first
    while True:
        if pause > 0:
            await clock.sleep(pause)
        await job()
        pause = seconds


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, T], name: str) -> AsyncIterator[asyncio.Task[T]]:
    """`work` goes on while the context lasts and has ended after it; when it fails, a warning names it."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        await cut_off(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.warning("%s has stopped: %s", name, exc)


async def cut_off(*tasks: "asyncio.Future[Any]") -> None:
    """All have ended; what they came to is not wanted any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until_set(event: asyncio.Event, work: Coroutine[object, object, T]) -> T | None:
    """What `work` comes to; None when `event` is set before it has ended, which ends it."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        await cut_off(task, waiting)


def first_error(several: BaseException) -> BaseException:
    """The first single error in what may be a group of groups."""
    while isinstance(several, BaseExceptionGroup):
        several = several.exceptions[0]
    return several
