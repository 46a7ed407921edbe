"""Pauses between tries: one rule, and here all places that go by it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """A pause of `first` seconds, each next one twice as long up to `longest`.

    Of each pause the part `spread` is left to chance, so that those who failed together do not come back together.
    """

    first: float
    longest: float
    spread: float = 0.0

    def pause(self, number: int, draw: float = 1.0) -> float:
        """Seconds of pause `number`, counted from 0; `draw` in [0, 1] says how much of its spread there is."""
        whole: float = min(self.longest, self.first * 2.0 ** min(number, 60))
        return whole * (1 - self.spread + draw * self.spread)

    def pauses(self) -> Iterator[float]:
        """The seconds of one pause after the other, without end."""
        number = 0
        while True:
            yield self.pause(number, random.random() if self.spread else 1.0)  # noqa: S311 - spreads, guards nothing
            number += 1


ATTEMPTS = Backoff(0.25, 30.0, spread=0.5)
"""Tries of user code on a mini-batch, and receives from a queue that refuses."""
SERVERS = Backoff(0.1, 10.0, spread=1.0)
"""Requests to a store or queue over the network; `storage.retry_budget` bounds the longest by the time there is."""
STARTS = Backoff(1.0, 60.0)
"""Runs that could not be started for objects that have arrived."""
QUEUE_POLLS = Backoff(0.0005, 0.005)
"""Looks into an empty SQLite queue: a receiver notices a message of another process within the longest pause."""
BUCKET_POLLS = Backoff(0.05, 1.0, spread=0.5)
"""Listings of a queue in the store in which nothing was found: each is a request."""
HELD_FILES = Backoff(0.0005, 0.02)
"""A SQLite file that another process holds."""
