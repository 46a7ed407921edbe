"""Parts of mini-batches: what is tried on its own to find the items that fail (`isolate_failures`). Pure.

A mini-batch of n items is the part [0, n); each part of more than one item has two halves. Imported by the slot's child
process too: the standard library only.
"""

from __future__ import annotations

from fanout.backports import dataclass
from fanout.records import fields


@dataclass(frozen=True, slots=True, order=True)
class ItemRange:
    """Items `[start, stop)` of a mini-batch, counted from 0: files in its list, or rows of its table."""

    start: int
    stop: int

    @property
    def items(self) -> int:
        """How many items it has, at least one."""
        return self.stop - self.start

    @property
    def halves(self) -> tuple[ItemRange, ItemRange]:
        """Both halves, the second the larger one where they differ; ValueError when there is one item only."""
        if self.items < 2:
            raise ValueError(f"item {self.start} cannot be split")
        middle = (self.start + self.stop) // 2
        return ItemRange(self.start, middle), ItemRange(middle, self.stop)

    def __str__(self) -> str:
        """As people read it: `item 3`, `items 4 to 7`, counted from 0 like mini-batches."""
        return f"item {self.start}" if self.items == 1 else f"items {self.start} to {self.stop - 1}"


def read_part(value: object) -> ItemRange:
    """The part that a record or message tells as `[start, stop]`; ValueError when it is none."""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{value!r:.80} is no part of a mini-batch")
    start = fields.whole(value[0], "the start of a part")
    return ItemRange(start, fields.whole(value[1], "the end of a part", least=start + 1))
