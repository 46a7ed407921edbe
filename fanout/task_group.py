"""Tasks that belong together, and end together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import TypeVar

from fanout.errors import FanoutError

S = TypeVar("S")
T = TypeVar("T")


@contextlib.asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """asyncio's TaskGroup, except that an error of ours comes out as itself instead of in a group."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except* FanoutError as several:
        raise first_error(several) from None


async def each(job: Callable[[S], Awaitable[T]], items: Iterable[S], at_once: int = 16) -> list[T]:
    """What `job` returns of each item, in their order, so many of them at a time."""
    slots = asyncio.Semaphore(at_once)

    async def one(item: S) -> T:
        async with slots:
            return await job(item)

    return list(await asyncio.gather(*map(one, items)))


async def until_set(event: asyncio.Event, work: Coroutine[object, object, T]) -> T | None:
    """What `work` comes to; None when `event` is set before it has ended, which ends it."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


def first_error(several: BaseException) -> BaseException:
    """The first single error in what may be a group of groups."""
    while isinstance(several, BaseExceptionGroup):
        several = several.exceptions[0]
    return several
