"""One measured run of one contender, and what follows from several. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.script.work import SPAN


class WrongOutputError(Exception):
    """A contender's joined file is not what every contender's must be."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Times of one run, epoch seconds where not said otherwise."""

    wall: float
    """Seconds from the start of the process to its end."""
    begun: float
    """When the process was started."""
    first_started: float
    """When the first call of run() began."""
    last_ended: float
    """When the last one ended."""
    done: float
    """When the last result was safe: in the store (fanout), in the caller's memory (peers)."""


def read_output(text: str, files: Sequence[str]) -> tuple[float, float]:
    """When the first call began and the last one ended; WrongOutputError unless the rows are `files`, in order."""
    rows = text.splitlines()
    if [row.partition(SPAN)[0] for row in rows] != list(files):
        raise WrongOutputError(f"{len(rows)} rows that are not the {len(files)} files of the input in their order")
    spans = [row.split(SPAN) for row in rows if SPAN in row]
    return min(float(span[1]) for span in spans), max(float(span[2]) for span in spans)


@dataclass(frozen=True, slots=True)
class Series:
    """The same number from every repetition."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)
