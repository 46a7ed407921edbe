"""Coroutines from tests that may themselves run in an event loop."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def in_thread(begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the coroutine returns, run in a loop of its own in a thread of its own."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: asyncio.run(begin())).result()
