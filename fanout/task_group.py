"""Tasks that belong together, and end together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fanout.errors import FanoutError


@contextlib.asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """asyncio's TaskGroup, except that an error of ours comes out as itself instead of in a group."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except* FanoutError as several:
        raise first_error(several) from None


def first_error(several: BaseException) -> BaseException:
    """The first single error in what may be a group of groups."""
    while isinstance(several, BaseExceptionGroup):
        several = several.exceptions[0]
    return several
