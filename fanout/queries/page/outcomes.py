"""What became of each mini-batch, one byte each: by the rules of the ledger, at a tenth of its cost.

The ledger (results/ledger.py) also knows where rows are; here only outcomes count, so plain successes cost 50 ns a
mini-batch. A test holds both against each other.
Where a mini-batch has failed and is dead-lettered too, the one that was read first is shown. Pure.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from fanout.records.parts import ItemRange
from fanout.results.codec import Entries, Entry, Status
from fanout.results.fences import Fences
from fanout.results.ledger import Ledger
from fanout.results.split_tree import Result, Split

OPEN, SUCCEEDED, FAILED, DEAD, CANCELED, SHORT, PARTLY, AGAIN = range(8)
"""PARTLY: it succeeded, but parts of it failed for good. AGAIN: open, and an attempt on it has failed."""
NAMES = ("open", "succeeded", "failed", "dead-lettered", "canceled", "short return", "partly failed", "failed, open")
_CODES = {Status.SUCCEEDED: SUCCEEDED, Status.FAILED: FAILED, Status.DEAD_LETTERED: DEAD, Status.SHORT: SHORT}
_STATUSES = {code: status for status, code in _CODES.items()}
_RANKS = (9, 0, 2, 2, 9, 1, 0, 8)
"""A smaller one counts rather than a larger one."""


@dataclass(slots=True)
class Outcomes:
    """Grows with what is absorbed. `codes` has a byte for each mini-batch, by its index."""

    codes: bytearray = field(default_factory=bytearray)
    fences: Fences = field(default_factory=Fences)
    round: int = 1
    _splits: dict[int, Split] = field(default_factory=dict)

    def grow(self, total: int) -> None:
        """There are at least so many mini-batches."""
        if total > len(self.codes):
            self.codes.extend(bytes(total - len(self.codes)))

    def absorb(self, node: int, seq: int, entries: Entries) -> None:
        """Takes in the attempts of one result object."""
        if not len(entries):
            return
        codes, index = self.codes, entries.columns.index
        self.grow(max(index) + 1)
        if entries.are_plain and not self._splits:
            for one in index:
                if codes[one] != PARTLY:
                    codes[one] = SUCCEEDED
            return
        for position, entry in enumerate(entries):
            self._absorb(node, seq, position, entry)

    def count(self, *codes: int) -> int:
        """How many mini-batches have one of these outcomes."""
        return sum(map(self.codes.count, codes))

    def failed_parts(self, index: int) -> tuple[ItemRange, ...]:
        """The parts of the mini-batch that have failed for good."""
        return tuple(self._splits[index].failed_parts()) if index in self._splits else ()

    def _absorb(self, node: int, seq: int, position: int, entry: Entry) -> None:
        counted = entry if entry.failure is None else self.fences.counted(node, entry)
        if counted is None or counted.status is Status.RETRIED:
            if self.codes[entry.index] == OPEN:
                self.codes[entry.index] = AGAIN
            return
        if counted.part is not None or counted.status is Status.SPLIT or entry.index in self._splits:
            self._absorb_part((self.round, node, seq, position), counted)
            return
        code = _CODES[counted.status]
        if _RANKS[code] < _RANKS[self.codes[entry.index]]:
            self.codes[entry.index] = code

    def _absorb_part(self, place: tuple[int, int, int, int], entry: Entry) -> None:
        index = entry.index
        if index not in self._splits:
            self._splits[index] = Split()
            known = self.codes[index]
            if known in _STATUSES:
                self._splits[index].absorb(None, _result(_STATUSES[known], (self.round, 0, 0, 0), entry))
        split = self._splits[index]
        split.absorb(entry.part, _result(entry.status, place, entry))
        sums = split.sums
        if sums.status is None:
            self.codes[index] = AGAIN
        elif sums.status is Status.SUCCEEDED and sums.lost:
            self.codes[index] = PARTLY
        else:
            self.codes[index] = _CODES[sums.status]


def _result(status: Status, place: tuple[int, int, int, int], entry: Entry) -> Result:
    return Result(status, place, 0, 0, 0, 0, 0, entry.items, entry.succeeded, entry.rows)


def of_ledger(ledger: Ledger, total: int, chosen: Collection[int] | None) -> bytearray:
    """The outcomes as a ledger has them, for a round that continues an earlier one with those `chosen`, or all."""
    tried = ledger.next_attempts
    codes = bytearray(total)
    for index in range(total):
        status = ledger.outcome(index)
        if status is None:
            codes[index] = CANCELED if chosen is not None and index not in chosen else AGAIN if index in tried else OPEN
        else:
            partly = status is Status.SUCCEEDED and ledger.has_failed_parts(index)
            codes[index] = PARTLY if partly else _CODES[status]
    return codes


_ENDED = bytes(CANCELED if code in (OPEN, AGAIN) else code for code in range(256))


def ended(codes: bytearray) -> bytes:
    """The outcomes once the step is over: what has none was canceled."""
    return bytes(codes.translate(_ENDED))
