"""The ledger: what the store says became of each mini-batch, as the sum of all result indexes read so far.

Of several results of one mini-batch a success beats a failure, and of equals the first in store order (node, object,
position) counts, so that the ledger is the same in whatever order the indexes were read. A mini-batch costs 40 bytes.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from fanout.errors import DamagedRecordError
from fanout.step.results import Entry, Event, Failure, ResultIndex, Status, folder_of
from fanout.step.verdict import Counts

_NONE, _SUCCEEDED, _FAILED, _DEAD, _CANCELED = range(5)
_OUTCOMES = {Status.SUCCEEDED: _SUCCEEDED, Status.FAILED: _FAILED, Status.DEAD_LETTERED: _DEAD}
_STATUSES = {outcome: status for status, outcome in _OUTCOMES.items()}
KEPT_FAILURES = 1000
MOST_MINI_BATCHES = 2**27


@dataclass(frozen=True, slots=True)
class ResultObject:
    """One result object: whose, which, where its rows begin, and in which round it was written."""

    node: int
    seq: int
    rows_at: int
    round: int = 1


@dataclass(frozen=True, slots=True)
class Winner:
    """Where the rows of a succeeded mini-batch are: a byte range of one object, and its CRC-32."""

    index: int
    object: ResultObject
    start: int  # from the beginning of the object
    length: int
    crc: int
    header: str | None


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A failure as people want to see it."""

    index: int
    attempt: int
    status: Status
    process: str
    node: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class StagedFiles:
    """Files that the winning attempt of a mini-batch (or a slot's shutdown) has left, and where they are staged."""

    folder: str
    names: tuple[str, ...]
    round: int = 1


@dataclass(frozen=True, slots=True)
class SettledIndexes:
    """The mini-batches of a ledger that have a final outcome."""

    ledger: "Ledger"

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and self.ledger.is_settled(index)


class Ledger:
    """Grows with what is absorbed; `plan_total` is None while the plan is still being made.

    Without `checks_items` (error_threshold is -1) a mini-batch that returned fewer elements than it had items counts as
    wholly succeeded: nobody asked whether there is one for each, and joins and summaries return fewer on purpose.
    """

    def __init__(self, plan_total: int | None = None, *, checks_items: bool = True) -> None:
        self.plan_total, self._checks_items = plan_total, checks_items
        self.failures: list[FailedAttempt] = []
        self.events: list[tuple[int, Event]] = []
        self.attempts = 0
        self._objects: list[ResultObject] = []
        self._headers: list[str | None] = [None]
        self._header_numbers: dict[str | None, int] = {None: 0}
        self._round = 1
        self._files: dict[int, StagedFiles] = {}
        self._last_files: list[StagedFiles] = []
        self._outcome = bytearray()
        self._tries = bytearray()
        self._object = array("I")
        self._position = array("I")
        self._start = array("Q")
        self._length = array("Q")
        self._crc = array("I")
        self._header = array("I")
        self._items = array("I")
        self._succeeded = array("I")
        self._rows = array("I")
        self._by_outcome = [0, 0, 0, 0, 0]
        self._retried = 0
        self._item_sum = self._succeeded_sum = self._row_sum = 0

    def absorb(self, node: int, seq: int, index: ResultIndex) -> None:
        """Takes in one result object's index; DamagedRecordError when it speaks of mini-batches that do not exist."""
        highest = max((entry.index for entry in index.entries), default=0)
        if highest >= (MOST_MINI_BATCHES if self.plan_total is None else self.plan_total):
            raise DamagedRecordError(f"result {seq} of node {node}: there is no mini-batch {highest}")
        number = len(self._objects)
        self._objects.append(ResultObject(node, seq, index.rows_at, self._round))
        for position, entry in enumerate(index.entries):
            self._absorb(number, position, entry)
        self.events += [(node, event) for event in index.events]
        self._last_files += [
            StagedFiles(f"shutdown-{event.process}-{node:03d}", event.files, self._round)
            for event in index.events
            if event.files
        ]

    def begin_round(self, number: int, only: Collection[int] | None = None) -> None:
        """From here on results of round `number` are absorbed: what has not succeeded is open again.

        With `only`, just these of them are; what is neither among them nor has an outcome is canceled.
        """
        self._round = number
        self._grow(self.plan_total or 0)
        for index, outcome in enumerate(self._outcome[: self.plan_total]):
            wanted = only is None or index in only
            if outcome != _SUCCEEDED and (wanted or outcome == _NONE):
                self._forget(index, _NONE if wanted else _CANCELED)
        self.attempts = self._retried = 0
        self.failures = [failed for failed in self.failures if self._outcome[failed.index] in (_FAILED, _DEAD)]
        self.events = []

    @property
    def counts(self) -> Counts:
        """The sums so far."""
        _, succeeded, failed, dead, canceled = self._by_outcome
        return Counts(
            total=self.plan_total,
            succeeded=succeeded,
            failed=failed,
            dead_lettered=dead,
            canceled=canceled,
            retried=self._retried,
            items=self._item_sum,
            items_succeeded=self._succeeded_sum,
            items_failed=self._item_sum - self._succeeded_sum,
            rows=self._row_sum,
        )

    def is_settled(self, index: int) -> bool:
        """Whether the mini-batch has a final outcome."""
        return index < len(self._outcome) and self._outcome[index] != _NONE

    def outcome(self, index: int) -> Status | None:
        """How the mini-batch ended; None when it has not, or was canceled."""
        return _STATUSES.get(self._outcome[index]) if index < len(self._outcome) else None

    def missing(self) -> Iterator[int]:
        """Mini-batches of the plan without a final outcome."""
        return (index for index in range(self.plan_total or 0) if not self.is_settled(index))

    def unsuccessful(self) -> Iterator[int]:
        """Mini-batches of the plan that failed, vanished, were canceled or never came to an end."""
        outcomes = enumerate(self._outcome[: self.plan_total])
        yield from (index for index, outcome in outcomes if outcome != _SUCCEEDED)
        yield from range(len(self._outcome), self.plan_total or 0)

    @property
    def settled_indexes(self) -> "SettledIndexes":
        """The mini-batches with a final outcome, as a container that follows the ledger."""
        return SettledIndexes(self)

    @property
    def next_attempts(self) -> dict[int, int]:
        """The number of the next attempt of each mini-batch that has failed before and is to be tried again."""
        return {index: tries for index, tries in enumerate(self._tries) if tries and self._outcome[index] == _NONE}

    def sealed(self) -> dict[int, int]:
        """How many objects of each node of this round have been read: with the rule above, which results count."""
        counter = Counter(found.node for found in self._objects if found.round == self._round)
        return dict(sorted(counter.items()))

    def winners(self) -> Iterator[Winner]:
        """The rows of each succeeded mini-batch, in mini-batch order."""
        for index, outcome in enumerate(self._outcome):
            if outcome == _SUCCEEDED:
                found = self._objects[self._object[index]]
                start = found.rows_at + self._start[index]
                header = self._headers[self._header[index]]
                yield Winner(index, found, start, self._length[index], self._crc[index], header)

    def staged(self) -> Iterator[StagedFiles]:
        """Files to publish, in mini-batch order; those of shutdowns come last."""
        for index in sorted(self._files):
            yield self._files[index]
        yield from self._last_files

    def _absorb(self, number: int, position: int, entry: Entry) -> None:
        index = entry.index
        if index >= len(self._outcome):
            self._grow(index + 1)
        self.attempts += 1
        self._tries[index] = min(255, max(self._tries[index], entry.attempt + 1))
        if entry.failure is not None and len(self.failures) < KEPT_FAILURES:
            self.failures.append(self._failed_attempt(number, entry, entry.failure))
        if entry.status is Status.RETRIED:
            self._retried += 1
        elif self._counts_more(number, position, entry):
            self._record(number, position, entry)

    def _counts_more(self, number: int, position: int, entry: Entry) -> bool:
        """Whether this result takes the place of the one known so far."""
        known = self._outcome[entry.index]
        outcome = _OUTCOMES[entry.status]
        if known == _NONE:
            return True
        if (known == _SUCCEEDED) != (outcome == _SUCCEEDED):
            return outcome == _SUCCEEDED
        return self._place(number, position) < self._place(self._object[entry.index], self._position[entry.index])

    def _place(self, number: int, position: int) -> tuple[int, int, int, int]:
        found = self._objects[number]
        return found.round, found.node, found.seq, position

    def _forget(self, index: int, outcome: int) -> None:
        """Whatever was known of the mini-batch is not, and it has this outcome."""
        self._by_outcome[self._outcome[index]] -= 1
        self._by_outcome[outcome] += 1
        self._item_sum -= self._items[index]
        self._succeeded_sum -= self._succeeded[index]
        self._row_sum -= self._rows[index]
        self._outcome[index], self._tries[index] = outcome, 0
        self._items[index] = self._succeeded[index] = self._rows[index] = 0

    def _record(self, number: int, position: int, entry: Entry) -> None:
        index, outcome = entry.index, _OUTCOMES[entry.status]
        self._by_outcome[self._outcome[index]] -= 1
        self._by_outcome[outcome] += 1
        whole = outcome == _SUCCEEDED and not self._checks_items
        succeeded = entry.items if whole else entry.succeeded
        self._item_sum += entry.items - self._items[index]
        self._succeeded_sum += succeeded - self._succeeded[index]
        self._row_sum += entry.rows - self._rows[index]
        self._outcome[index] = outcome
        self._object[index], self._position[index] = number, position
        self._start[index], self._length[index], self._crc[index] = entry.start, entry.length, entry.crc
        self._items[index], self._succeeded[index], self._rows[index] = entry.items, succeeded, entry.rows
        self._header[index] = self._header_number(entry.header)
        self._files.pop(index, None)
        if entry.files:
            found = self._objects[number]
            self._files[index] = StagedFiles(f"{folder_of(entry)}-{found.node:03d}", entry.files, found.round)

    def _header_number(self, header: str | None) -> int:
        if header not in self._header_numbers:
            self._header_numbers[header] = len(self._headers)
            self._headers.append(header)
        return self._header_numbers[header]

    def _failed_attempt(self, number: int, entry: Entry, failure: Failure) -> FailedAttempt:
        node = self._objects[number].node
        return FailedAttempt(entry.index, entry.attempt, entry.status, entry.process, node, failure)

    def _grow(self, size: int) -> None:
        size = max(size, self.plan_total or 2 * len(self._outcome), 1024)
        more = size - len(self._outcome)
        if more <= 0:
            return
        self._by_outcome[_NONE] += more
        self._outcome.extend(bytes(more))
        self._tries.extend(bytes(more))
        for column in (self._object, self._position, self._crc, self._header):
            column.extend(array("I", bytes(4 * more)))
        for column in (self._items, self._succeeded, self._rows):
            column.extend(array("I", bytes(4 * more)))
        for column in (self._start, self._length):
            column.extend(array("Q", bytes(8 * more)))
