"""The runs that pages look at just now: each is read once for all of them, and forgotten when others are looked at."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from fanout.clock import Clock
from fanout.queries.page.run_reader import RunReader

MOST_RUNS = 3
"""Runs that are kept; a million mini-batches are 60 MB."""
LOOK_EVERY = 0.5
ALIVE_EVERY = 2.0
"""Seconds after which a run that goes on counts as changed: what runs, and for how long, is new."""


@dataclass(slots=True)
class Watched:
    """One run; `version` grows with each change."""

    reader: RunReader
    clock: Clock
    version: int = 0
    _looked: float | None = None
    _changed: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self) -> "Watched":
        """Looks for what is new, unless that was just done."""
        async with self._lock:
            now = self.clock.monotonic()
            if self._looked is not None and now - self._looked < LOOK_EVERY:
                return self
            news = await self.reader.refresh()
            alive = self.reader.seal is None and now - self._changed >= ALIVE_EVERY
            if news or alive or self._looked is None:
                self.version += 1
                self._changed = now
            self._looked = now
            return self


@dataclass(slots=True)
class WatchedRuns:
    """The runs by name and round, those that were asked for last."""

    make: Callable[[str, int | None], RunReader]
    clock: Clock
    _kept: dict[tuple[str, int | None], Watched] = field(default_factory=dict)

    async def look(self, run: str, round_: int | None = None) -> Watched:
        """The run as it is now; RunError when there is none of this name."""
        found = self._kept.pop((run, round_), None) or Watched(self.make(run, round_), self.clock)
        await found.look()
        self._kept[run, round_] = found
        while len(self._kept) > MOST_RUNS:
            del self._kept[next(iter(self._kept))]
        return found
