"""Tasks that belong together, and end together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import TypeVar

from fanout.errors import FanoutError

T = TypeVar("T")


@contextlib.asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """asyncio's TaskGroup, except that an error of ours comes out as itself instead of in a group."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except* FanoutError as several:
        raise first_error(several) from None


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
