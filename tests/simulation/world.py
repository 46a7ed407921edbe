"""The world that a run lives in: time, chance, faults, and the history of what happened.

Whatever a process does to store or queue goes through `World.call`, where it may be slow, fail, or be the last thing
that the process does.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tests.simulation.loop import PROCESS, Process, VirtualLoop

EPOCH = 1_700_000_000.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rates:
    """How often a call goes wrong; latencies in seconds."""

    latency: float = 0.0
    slow: float = 0.0  # share of calls that take `slow_for`
    slow_for: float = 0.0
    refused: float = 0.0  # fails, without effect
    unanswered: float = 0.0  # has its effect, and fails
    conflict: float = 0.0  # a conditional create meets another one that comes to nothing
    cut: float = 0.0  # the body of an object breaks off while it is read
    lost: float = 0.0  # a message is gone
    doubled: float = 0.0  # a message is delivered, and stays visible
    shuffled: bool = False  # messages are delivered in any order


QUIET = Rates()


@dataclass(frozen=True, slots=True)
class Death:
    """A process dies at this call of its to store or queue: right after it, or right before."""

    call: int
    after: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    at: float
    process: str
    what: str
    about: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.at:10.3f} {self.process:<14} {self.what:<12} {' '.join(map(str, self.about))}"


@dataclass
class World:
    """One world, from its beginning to its end."""

    loop: VirtualLoop
    chance: random.Random
    rates: Rates = QUIET
    troubled_until: float = 0.0
    history: list[Event] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    executions: list[tuple[int, int]] = field(default_factory=list)  # mini-batch and attempt, in the order of starts
    returned: dict[tuple[int, int], bytes] = field(default_factory=dict)  # rows by mini-batch and execution
    deaths: Mapping[str, Death] = field(default_factory=dict)  # of processes by name, decided beforehand
    defects: list[str] = field(default_factory=list)  # promises that were broken on the way
    forged: set[str] = field(default_factory=set)  # bodies of messages that a hostile sender has made
    mended: bool = False  # user code fails no more
    _broken_starts: int = 0

    @property
    def now(self) -> float:
        return self.loop.time()

    @property
    def troubled(self) -> bool:
        """Whether things still go wrong."""
        return self.now < self.troubled_until

    def process(self, name: str) -> Process:
        made = Process(name, self.loop)
        if (death := self.deaths.get(name)) is not None:
            made.dies_at, made.dies_after = death.call, death.after
        self.processes.append(made)
        return made

    def note(self, what: str, *about: object) -> None:
        """Something happened."""
        process = PROCESS.get()
        self.history.append(Event(self.now, process.name if process else "-", what, about))

    def executes(self, index: int, attempt: int, part: Sequence[int] | None) -> int:
        """User code begins to work on a mini-batch or a part of it; which execution it is."""
        self.executions.append((index, attempt))
        self.note("executes", index, attempt, *(part or ()))
        return len(self.executions)

    def has_returned(self, index: int, execution: int, rows: bytes) -> None:
        """User code has returned rows."""
        self.returned[index, execution] = rows
        self.note("returned", index, execution)

    def starts_broken(self, of: int) -> bool:
        """Whether this process of user code is among the first `of`, which fail."""
        self._broken_starts += 1
        return self._broken_starts <= of

    def happens(self, rate: float) -> bool:
        """Whether it goes wrong this time."""
        return rate > 0 and self.troubled and self.chance.random() < rate

    async def call(self, what: str, about: str, act: Callable[[], T], error: Callable[[str], Exception]) -> T:
        """`act`, done to store or queue by the current process, with all that may come in between."""
        process = PROCESS.get()
        if process is None:
            return act()
        self._check_alive(process)
        process.calls += 1
        last = process.calls == process.dies_at
        await self._travel()
        self._check_alive(process)
        if last and not process.dies_after:
            self._die(process, f"before {what} {about}")
        if self.happens(self.rates.refused):
            self.note("refused", what, about)
            raise error(f"{what} {about}: refused")
        try:
            return act()
        finally:
            if last:
                self._die(process, f"after {what} {about}")
            if self.happens(self.rates.unanswered):
                self.note("unanswered", what, about)
                raise error(f"{what} {about}: the answer was lost")

    async def _travel(self) -> None:
        rates = self.rates
        if rates.latency and self.troubled:
            seconds = self.chance.expovariate(1 / rates.latency)
            if rates.slow and self.chance.random() < rates.slow:
                seconds += self.chance.random() * rates.slow_for
            await asyncio.sleep(seconds)
        else:
            await asyncio.sleep(0.001)

    def _die(self, process: Process, where: str) -> None:
        self.note("killed", where)
        process.kill()
        raise asyncio.CancelledError

    def _check_alive(self, process: Process) -> None:
        if process.dead:
            raise asyncio.CancelledError


@dataclass(frozen=True, slots=True)
class WorldClock:
    """The clock of whichever process asks; its wall clock may be wrong, and jump."""

    world: World

    def monotonic(self) -> float:
        return self.world.now

    def now(self) -> float:
        process = PROCESS.get()
        return EPOCH + self.world.now + (process.clock_offset if process else 0.0)

    async def sleep(self, seconds: float) -> None:
        process = PROCESS.get()
        if process is not None and process.dead:
            raise asyncio.CancelledError
        await asyncio.sleep(seconds)
