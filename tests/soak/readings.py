"""Memory, threads and descriptors of processes, and what has grown."""

import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """What a process holds: resident memory in MiB, threads, open descriptors."""

    memory: float
    threads: float
    descriptors: float


TOLERANCE = Reading(memory=24.0, threads=2.0, descriptors=6.0)
"""What the end may hold more than the beginning. Allocators keep what they were once given, and the ledger has 40 bytes
for each mini-batch of a run: 5 MiB for 120,000. A leak of a kilobyte a mini-batch would be far above it."""


def read_process(pid: int) -> Reading | None:
    """What the process holds now; None when it is gone."""
    place = Path(f"/proc/{pid}")
    try:
        memory = int((place / "statm").read_text().split()[1]) * PAGE / MIB
        threads = len(list((place / "task").iterdir()))
        descriptors = len(list((place / "fd").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Reading(memory, threads, descriptors)


@dataclass(frozen=True, slots=True)
class Growth:
    """One process: what it held at the beginning, after its warm-up, and at the end."""

    process: str
    beginning: Reading
    end: Reading

    def excess(self, tolerance: Reading = TOLERANCE) -> Iterator[str]:
        """What has grown by more than is tolerated, in a sentence each. Pure."""
        for what in (field.name for field in fields(Reading)):
            before, after, most = (getattr(reading, what) for reading in (self.beginning, self.end, tolerance))
            if after - before > most:
                yield f"{self.process}: {what} grew from {before:.1f} to {after:.1f}; {most:g} more are tolerated"


def growth(process: str, readings: Sequence[Reading]) -> Growth | None:
    """From the readings since a process began, the first fifth of which is its warm-up; None when they are too few.

    The beginning and the end are medians over a fifth of the readings each, so that one moment decides nothing.
    """
    fifth = len(readings) // 5
    if not fifth:
        return None
    return Growth(process, _median(readings[fifth : 2 * fifth]), _median(readings[-fifth:]))


def _median(readings: Sequence[Reading]) -> Reading:
    return Reading(*(statistics.median(getattr(r, field.name) for r in readings) for field in fields(Reading)))
