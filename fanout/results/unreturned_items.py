"""Counts the items of each mini-batch that count as succeeded, unchecked, although run() returned nothing for them.

Mostly for none at all: then no place is taken for them.
"""

from array import array
from dataclasses import dataclass, field

from fanout.results.columns import Columns


@dataclass(slots=True)
class Unanswered:
    """By mini-batch, and in all."""

    total: int = 0
    _counts: "array[int]" = field(default_factory=lambda: array("I"))

    def of(self, index: int) -> int:
        """For how many items of this mini-batch."""
        return self._counts[index] if index < len(self._counts) else 0

    def set(self, index: int, count: int) -> None:
        """So many of this mini-batch, whatever was known of it before."""
        if not (count or self._counts):
            return
        if index >= len(self._counts):
            size = max(index + 1, 2 * len(self._counts), 1024)
            self._counts.extend(array("I", bytes(4 * (size - len(self._counts)))))
        self.total += count - self._counts[index]
        self._counts[index] = count

    def absorb(self, columns: Columns) -> None:
        """What these successes have left out."""
        for index, items, answered in zip(columns.index, columns.items, columns.succeeded, strict=True):
            self.set(index, items - answered)
