"""What became of a mini-batch that was split to find the items that fail: a binary tree of its parts. Pure.

Whatever was tried has at most one result that counts: a success beats a split, a split beats a short return, that beats
a failure, and of equals the first in store order counts. Read from the top: a part that was split is what its halves
are, so that the outcome depends on the set of results and not on the order in which they were read. What has succeeded
or was split in one round counts in all later ones.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fanout.records.parts import ItemRange
from fanout.results.codec import Event, Status, staged_folder

_RANKS = {Status.SUCCEEDED: 0, Status.SPLIT: 1, Status.SHORT: 2, Status.FAILED: 3, Status.DEAD_LETTERED: 3}
_STANDS = (Status.SUCCEEDED, Status.SPLIT)
"""What a round leaves to the next one."""


@dataclass(frozen=True, slots=True)
class StagedFiles:
    """Files that the winning attempt of a mini-batch (or a slot's shutdown) has left, and where they are staged."""

    folder: str
    names: tuple[str, ...]
    round: int = 1


def left_at_shutdown(events: Iterable[Event], node: int, seq: int, round_: int) -> list[StagedFiles]:
    """The files that shutdown() has left, as an object's events name them."""
    return [
        StagedFiles(staged_folder(f"shutdown-{event.process}", node, seq), event.files, round_)
        for event in events
        if event.files
    ]


@dataclass(frozen=True, slots=True)
class Result:
    """A result that may count: how it ended, its place in the store's order, and where its rows are in its object."""

    status: Status
    place: tuple[int, int, int, int]  # round, node, object, position
    object: int
    start: int
    length: int
    crc: int
    header: int
    items: int
    succeeded: int
    rows: int
    files: StagedFiles | None = None
    unanswered: int = 0  # unchecked items that count as succeeded although run() returned nothing for them

    def beats(self, other: "Result | None") -> bool:
        """Whether this one counts rather than `other`. What has succeeded in an earlier round stands, and so do its
        parts: a later round tries again what has failed, and nothing else."""
        if other is None:
            return True
        if other.place[0] < self.place[0] and other.status in _STANDS:
            return False
        return (_RANKS[self.status], self.place) < (_RANKS[other.status], other.place)


@dataclass(frozen=True, slots=True)
class PartTotals:
    """What became of a part and all parts of it: numbers of parts by outcome, and of items and rows."""

    open: int = 0
    succeeded: int = 0
    failed: int = 0
    dead_lettered: int = 0
    items: int = 0
    items_succeeded: int = 0
    rows: int = 0
    short: int = 0
    unanswered: int = 0

    @property
    def lost(self) -> int:
        """Parts that ended without success."""
        return self.failed + self.dead_lettered + self.short

    @property
    def status(self) -> Status | None:
        """The outcome of the whole: a success when anything has succeeded; None while a part is open."""
        if self.open:
            return None
        if self.succeeded:
            return Status.SUCCEEDED
        if self.short:
            return Status.SHORT
        return Status.FAILED if self.failed else Status.DEAD_LETTERED

    def __add__(self, other: "PartTotals") -> "PartTotals":
        return PartTotals(
            self.open + other.open,
            self.succeeded + other.succeeded,
            self.failed + other.failed,
            self.dead_lettered + other.dead_lettered,
            self.items + other.items,
            self.items_succeeded + other.items_succeeded,
            self.rows + other.rows,
            self.short + other.short,
            self.unanswered + other.unanswered,
        )


_OPEN = PartTotals(open=1)


@dataclass(slots=True)
class Split:
    """One mini-batch of whose parts results were found; None stands for the whole of it."""

    _known: dict[ItemRange | None, Result] = field(default_factory=dict)
    _tries: dict[ItemRange, int] = field(default_factory=dict)
    _sums: dict[ItemRange | None, PartTotals] = field(default_factory=dict)

    def absorb(self, part: ItemRange | None, result: Result) -> None:
        """Takes in a result of the whole or of a part; at most one of each counts."""
        if result.beats(self._known.get(part)):
            self._known[part] = result
            self._forget_sums(part)

    def tried(self, part: ItemRange, attempt: int) -> None:
        """The part was tried as number `attempt`."""
        self._tries[part] = max(self._tries.get(part, 0), attempt + 1)

    def reopen(self) -> None:
        """Whatever failed is to be tried anew."""
        self._known = {part: r for part, r in self._known.items() if r.status in _STANDS}
        self._tries.clear()
        self._sums.clear()

    @property
    def sums(self) -> PartTotals:
        """What became of the whole."""
        return self._sum(None)

    def open_parts(self) -> Iterator[tuple[ItemRange, int]]:
        """The parts that have no result yet, and the number of their next attempts; the whole is none of them."""
        for part, result in self._leaves(None):
            if result is None and part is not None:
                yield part, self._tries.get(part, 0)

    def failed_parts(self) -> Iterator[ItemRange]:
        """The parts that have failed for good, in the order of their items; the whole is none of them."""
        for part, result in self._leaves(None):
            if part is not None and result is not None and result.status is not Status.SUCCEEDED:
                yield part

    def results(self) -> Iterator[Result]:
        """The results that count, in the order of their items."""
        yield from (result for _, result in self._leaves(None) if result is not None)

    def _leaves(self, part: ItemRange | None) -> Iterator[tuple[ItemRange | None, Result | None]]:
        result = self._known.get(part)
        if result is not None and result.status is Status.SPLIT:
            for half in _halves(part, result):
                yield from self._leaves(half)
        else:
            yield part, result

    def _sum(self, part: ItemRange | None) -> PartTotals:
        if part not in self._sums:
            result = self._known.get(part)
            if result is not None and result.status is Status.SPLIT:
                first, second = _halves(part, result)
                self._sums[part] = self._sum(first) + self._sum(second)
            else:
                self._sums[part] = _OPEN if result is None else _sums_of(result)
        return self._sums[part]

    def _forget_sums(self, part: ItemRange | None) -> None:
        """Sums of the part and of all that it is a part of hold no more."""
        whole = self._known.get(None)
        if part is None or whole is None or whole.status is not Status.SPLIT:
            self._sums.clear()
            return
        self._sums.pop(None, None)
        above = ItemRange(0, whole.items)
        while above.items > 1 and above != part:
            first, second = above.halves
            above = first if part.start < first.stop else second
            self._sums.pop(above, None)
        self._sums.pop(part, None)


def _halves(part: ItemRange | None, split: Result) -> tuple[ItemRange, ItemRange]:
    return (ItemRange(0, split.items) if part is None else part).halves


def _sums_of(result: Result) -> PartTotals:
    return PartTotals(
        succeeded=int(result.status is Status.SUCCEEDED),
        failed=int(result.status is Status.FAILED),
        dead_lettered=int(result.status is Status.DEAD_LETTERED),
        items=result.items,
        items_succeeded=result.succeeded,
        rows=result.rows,
        short=int(result.status is Status.SHORT),
        unanswered=result.unanswered,
    )
