"""Time as a port: services receive a clock, so that tests and the simulation can turn it by hand."""

import time
from typing import Protocol


class Clock(Protocol):
    """The two clocks a program needs, and the way to wait."""

    def monotonic(self) -> float:
        """Seconds that only ever go forward: for durations and deadlines."""
        ...

    def now(self) -> float:
        """Seconds since the epoch: for what people read and for what several machines compare."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        import asyncio  # slots, which start often, ask for the time and never sleep

        await asyncio.sleep(seconds)


class SharedClock(SystemClock):
    """Durations by the time of day, so that machines which look at one thing in turn agree about them."""

    def monotonic(self) -> float:
        return time.time()
