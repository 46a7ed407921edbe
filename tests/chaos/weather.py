"""What is struck when: pure, from a seed."""

import heapq
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile


class Blow(StrEnum):
    """What may happen to a process."""

    SLOT = "slots killed"
    NODE = "nodes killed"
    PAUSE = "nodes paused"
    SERVER = "fork servers stopped"
    SUPERVISOR = "supervisors killed"


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad it is, and for how long; all times in seconds, 0 for never.

    `pause_for` is longer than the visibility, to be of any use. `by_hand`: so many nodes join the run without its
    supervisor, are struck like the others, and are replaced when they are gone. Fork servers are stopped for ever.
    """

    seed: int
    slot_every: float = 1.0
    node_every: float = 10.0
    pause_every: float = 0.0
    pause_for: float = 0.0
    supervisor_kills: int = 2
    by_hand: int = 0
    server_every: float = 0.0
    lasts: float = math.inf

    def forecast(self) -> Iterator[tuple[float, Blow]]:
        """When which blow falls, seconds from the beginning; supervisors go by progress instead."""
        merged = heapq.merge(*(self._series(blow, seconds) for blow, seconds in self._every.items() if seconds))
        return takewhile(lambda at_blow: at_blow[0] < self.lasts, merged)

    @property
    def kinds(self) -> frozenset[Blow]:
        """The blows that the forecast has; supervisors are not in it."""
        return frozenset(blow for blow, seconds in self._every.items() if seconds)

    def supervisor_kills_at(self) -> list[float]:
        """At which shares of the attempts that are not held the supervisor is killed: once in each equal part."""
        chance = random.Random(f"{self.seed} supervisor")  # noqa: S311 - to be repeated
        parts = self.supervisor_kills
        return [(part + chance.uniform(0.1, 0.8)) / parts for part in range(parts)]

    @property
    def _every(self) -> dict[Blow, float]:
        return {
            Blow.SLOT: self.slot_every,
            Blow.NODE: self.node_every,
            Blow.PAUSE: self.pause_every,
            Blow.SERVER: self.server_every,
        }

    def _series(self, blow: Blow, seconds: float) -> Iterator[tuple[float, Blow]]:
        chance = random.Random(f"{self.seed} {blow}")  # noqa: S311 - to be repeated
        at = 0.0
        while True:
            at += seconds * chance.uniform(0.5, 1.5)
            yield at, blow
