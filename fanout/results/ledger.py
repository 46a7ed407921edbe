"""The ledger: what the store says became of each mini-batch, as the sum of all result indexes read so far.

Of several results of one mini-batch a success beats a short return, that beats a failure, and of equals the first in
store order (node, object, position) counts, so that the ledger is the same in whatever order the indexes were read. A
mini-batch costs 46 bytes, 4 more where items are not checked and nothing was returned for some, and one that was split
some 500 more for each of its parts.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from fanout.errors import DamagedRecordError
from fanout.records.parts import ItemRange
from fanout.records.value_changes import Changes
from fanout.records.verdict import Counts
from fanout.results.codec import Entries, Entry, Event, Failure, ResultIndex, Status, folder_of, staged_folder
from fanout.results.failed_attempt import FailedAttempt
from fanout.results.fences import Fences
from fanout.results.settled import SettledIndexes
from fanout.results.split_tree import Result, Split, StagedFiles, left_at_shutdown
from fanout.results.unreturned_items import Unanswered
from fanout.results.winners import ResultObject, Winner

_NONE, _SUCCEEDED, _FAILED, _DEAD, _CANCELED, _SHORT = range(6)
_OUTCOMES = {Status.SUCCEEDED: _SUCCEEDED, Status.FAILED: _FAILED, Status.DEAD_LETTERED: _DEAD, Status.SHORT: _SHORT}
_STATUSES = {outcome: status for status, outcome in _OUTCOMES.items()}
_RANKS = {_SUCCEEDED: 0, _SHORT: 1, _FAILED: 2, _DEAD: 2}
_WITH_ROWS = frozenset({_SUCCEEDED, _SHORT})
KEPT_FAILURES = 1000
MOST_MINI_BATCHES = 2**27


class Ledger:
    """Grows with what is absorbed; `plan_total` is None while the plan is still being made.

    Without `checks_items` (error_threshold is -1) a mini-batch that returned fewer elements than it had items counts as
    wholly succeeded: the step does not check that there is one for each, and joins and summaries return fewer on
    purpose. How many items nothing was returned for is counted all the same (`unanswered`).
    """

    def __init__(self, plan_total: int | None = None, *, checks_items: bool = True) -> None:
        self.plan_total, self._checks_items = plan_total, checks_items
        self.fences = Fences()
        self.reopened = set[int]()  # mini-batches that were given up with a failure that does not count
        self.failures: list[FailedAttempt] = []
        self.voided: list[FailedAttempt] = []  # on fenced nodes
        self.events: list[tuple[int, Event]] = []
        self.attempts = self._retried = 0
        self.failed_on = Counter[int]()  # failed attempts by node, whatever they count
        self._objects: list[ResultObject] = []
        self._headers: list[str | None] = [None]
        self._header_numbers: dict[str | None, int] = {None: 0}
        self._round = 1
        self._files: dict[int, StagedFiles] = {}
        self._splits: dict[int, Split] = {}
        self._last_files: list[StagedFiles] = []
        self._outcome, self._tries = bytearray(), bytearray()
        self._object, self._position = array("I"), array("I")
        self._start, self._length = array("Q"), array("Q")
        self._crc, self._header = array("I"), array("I")
        self._items, self._succeeded, self._rows = array("I"), array("I"), array("I")
        self._unanswered = Unanswered()
        self._by_outcome = [0, 0, 0, 0, 0, 0]
        self.changes = Changes()  # of mini-batches whose rows count
        self._item_sum = self._succeeded_sum = self._row_sum = 0

    def absorb(self, node: int, seq: int, index: ResultIndex) -> None:
        """Takes in one result object's index; DamagedRecordError when it speaks of mini-batches that do not exist."""
        entries = index.entries
        highest = max(entries.columns.index, default=0)
        if highest >= (MOST_MINI_BATCHES if self.plan_total is None else self.plan_total):
            raise DamagedRecordError(f"result {seq} of node {node}: there is no mini-batch {highest}")
        number = len(self._objects)
        self._objects.append(ResultObject(node, seq, index.rows_at, self._round))
        if entries and highest >= len(self._outcome):
            self._grow(highest + 1)
        changed = {each: found for each, found in index.changes.items() if not self._has_rows(each)}
        if entries.are_plain and self._are_open(entries.columns.index):
            self._absorb_successes(number, entries)
        else:
            for position, entry in enumerate(entries):
                self._absorb(number, position, entry)
        self.changes.take_in(changed, self._has_rows)
        self.events += [(node, event) for event in index.events]
        self._last_files += left_at_shutdown(index.events, node, seq, self._round)

    def begin_round(self, number: int, only: Collection[int] | None = None) -> None:
        """From here on results of round `number` are absorbed: what has not succeeded is open again.

        With `only`, just these of them are; what is neither among them nor has an outcome is canceled. Of a mini-batch
        that was split and succeeded in part, the parts that failed are open again.
        """
        self._round = number
        self.fences = Fences(max_retries=self.fences.max_retries)
        self.reopened.clear()
        self._grow(self.plan_total or 0)
        for index, outcome in enumerate(self._outcome[: self.plan_total]):
            wanted = only is None or index in only
            if outcome != _SUCCEEDED and (wanted or outcome == _NONE):
                self._forget(index, _NONE if wanted else _CANCELED)
            elif wanted and self.has_failed_parts(index):
                self._splits[index].reopen()
                self._settle_split(index)
        self.attempts = self._retried = 0
        self.failures = [failed for failed in self.failures if self._has_failed(failed.index)]
        self.events, self.voided, self.failed_on = [], [], Counter()

    @property
    def counts(self) -> Counts:
        """The sums so far."""
        _, succeeded, failed, dead, canceled, short = self._by_outcome
        return Counts(
            total=self.plan_total,
            succeeded=succeeded,
            failed=failed + short,
            dead_lettered=dead,
            canceled=canceled,
            retried=self._retried,
            items=self._item_sum,
            items_succeeded=self._succeeded_sum,
            items_failed=self._item_sum - self._succeeded_sum,
            rows=self._row_sum,
            short=short,
            unanswered=self._unanswered.total,
        )

    def is_settled(self, index: int) -> bool:
        """Whether the mini-batch has a final outcome."""
        return index < len(self._outcome) and self._outcome[index] != _NONE

    def any_settled(self, indexes: range) -> bool:
        """Whether one of these consecutive mini-batches has a final outcome."""
        return any(self._outcome[indexes.start : indexes.stop])

    def outcome(self, index: int) -> Status | None:
        """How the mini-batch ended; None when it has not, or was canceled."""
        return _STATUSES.get(self._outcome[index]) if index < len(self._outcome) else None

    def missing(self) -> Iterator[int]:
        """Mini-batches of the plan without a final outcome."""
        return (index for index in range(self.plan_total or 0) if not self.is_settled(index))

    def has_failed_parts(self, index: int) -> bool:
        """Whether the mini-batch was split, and parts of it have failed for good."""
        return index in self._splits and self._splits[index].sums.lost > 0

    def failed_parts(self, index: int) -> tuple[ItemRange, ...]:
        """The parts of the mini-batch that have failed for good, in order; none of one that was not split."""
        return tuple(self._splits[index].failed_parts()) if index in self._splits else ()

    def unsuccessful(self) -> Iterator[int]:
        """Mini-batches of the plan that failed, also in part, vanished, were canceled or never came to an end."""
        outcomes = enumerate(self._outcome[: self.plan_total])
        yield from (index for index, outcome in outcomes if outcome != _SUCCEEDED or self.has_failed_parts(index))
        yield from range(len(self._outcome), self.plan_total or 0)

    @property
    def settled_indexes(self) -> SettledIndexes:
        """The mini-batches with a final outcome, as a container that follows the ledger."""
        return SettledIndexes(self)

    @property
    def next_attempts(self) -> dict[int, int]:
        """The number of the next attempt of each mini-batch that has failed before and is to be tried again."""
        return {index: tries for index, tries in enumerate(self._tries) if tries and self._outcome[index] == _NONE}

    @property
    def open_parts(self) -> dict[int, tuple[tuple[ItemRange, int], ...]]:
        """Of mini-batches that were split and are not settled: the parts to be tried, with their next attempts."""
        found = ((i, tuple(split.open_parts())) for i, split in self._splits.items() if not self.is_settled(i))
        return {index: parts for index, parts in found if parts}

    def sealed(self) -> dict[int, int]:
        """How many objects of each node of this round have been read: with the rule above, which results count."""
        counter = Counter(found.node for found in self._objects if found.round == self._round)
        return dict(sorted(counter.items()))

    def winners(self) -> Iterator[Winner]:
        """The rows of each mini-batch that succeeded, or ended in a short return, in mini-batch order."""
        for index, outcome in enumerate(self._outcome):
            if outcome in _WITH_ROWS and index in self._splits:
                yield from self._winning_parts(index)
            elif outcome in _WITH_ROWS:
                found = self._objects[self._object[index]]
                start = found.rows_at + self._start[index]
                header = self._headers[self._header[index]]
                yield Winner(index, found, start, self._length[index], self._crc[index], header)

    def staged(self) -> Iterator[StagedFiles]:
        """Files to publish, in mini-batch order; those of shutdowns come last."""
        for index in sorted({*self._files, *self._splits}):
            if index in self._splits:
                yield from (found.files for found in self._splits[index].results() if found.files is not None)
            else:
                yield self._files[index]
        yield from self._last_files

    def _has_rows(self, index: int) -> bool:
        return self._outcome[index] in _WITH_ROWS

    def _are_open(self, indexes: Sequence[int]) -> bool:
        """Whether nothing counts of any of these mini-batches so far, and each is there once."""
        outcomes = map(self._outcome.__getitem__, indexes)
        return not self._splits and not any(outcomes) and len(set(indexes)) == len(indexes)

    def _absorb_successes(self, number: int, entries: Entries) -> None:
        """As `_absorb` of each, for what nearly all objects hold: first successes, without anything special."""
        c, headers = entries.columns, [self._header_number(header) for header in entries.headers]
        succeeded = c.succeeded if self._checks_items else c.items
        rows = zip(
            c.index, c.attempt, entries.starts, c.length, c.crc, c.header, c.items, succeeded, c.rows, strict=False
        )
        for position, (index, attempt, start, length, crc, header, items, done, lines) in enumerate(rows):
            self._outcome[index] = _SUCCEEDED
            if self._tries[index] <= attempt:
                self._tries[index] = min(255, attempt + 1)
            self._object[index], self._position[index] = number, position
            self._start[index], self._length[index], self._crc[index] = start, length, crc
            self._header[index] = headers[header]
            self._items[index], self._succeeded[index], self._rows[index] = items, done, lines
        self.attempts += len(entries)
        self._by_outcome[_NONE] -= len(entries)
        self._by_outcome[_SUCCEEDED] += len(entries)
        self._item_sum += sum(c.items)
        self._succeeded_sum += sum(succeeded)
        self._row_sum += sum(c.rows)
        if not self._checks_items and c.succeeded != c.items:
            self._unanswered.absorb(c)

    def _absorb(self, number: int, position: int, entry: Entry) -> None:
        index = entry.index
        self.attempts += 1
        if entry.failure is not None:
            counted = self._without_fences(number, entry, entry.failure)
            if counted is None:
                return
            entry = counted
        if entry.part is None and not entry.copy:
            self._tries[index] = min(255, max(self._tries[index], entry.attempt + 1))
        if entry.failure is not None and len(self.failures) < KEPT_FAILURES:
            self.failures.append(FailedAttempt.of(entry, entry.failure, self._objects[number].node))
        if entry.status is Status.RETRIED or entry.status is Status.SPLIT:
            self._retried += 1
        if self._outcome[index] == _CANCELED:
            return  # not chosen for this round, so its remaining parts are not waited for
        if entry.part is not None or entry.status is Status.SPLIT or index in self._splits:
            self._absorb_part(number, position, entry)
        elif entry.status is not Status.RETRIED and self._counts_more(number, position, entry):
            self._record(number, position, entry)

    def _without_fences(self, number: int, entry: Entry, failure: Failure) -> Entry | None:
        """The failure as if there had been no tries on fenced nodes; None when it was one: then it is tried again."""
        node = self._objects[number].node
        self.failed_on[node] += 1
        counted = self.fences.counted(node, entry)
        if counted is None and len(self.voided) < KEPT_FAILURES:
            self.voided.append(FailedAttempt.of(entry, failure, self._objects[number].node))
        if entry.status is not Status.RETRIED and (counted is None or counted.status is Status.RETRIED):
            self.reopened.add(entry.index)
        return counted

    def become(self, other: "Ledger") -> None:
        """From here on this is `other`, but for how many mini-batches are planned."""
        vars(self).update({**vars(other), "plan_total": self.plan_total})

    def _absorb_part(self, number: int, position: int, entry: Entry) -> None:
        """Takes in a result of a part, or of a mini-batch that was split."""
        index, part = entry.index, entry.part
        if index not in self._splits:
            self._splits[index] = Split()
            if (known := self._known(index)) is not None:
                self._splits[index].absorb(None, known)
        split = self._splits[index]
        if part is not None and not entry.copy:
            split.tried(part, entry.attempt)
        if entry.status is not Status.RETRIED:
            split.absorb(part, self._result(number, position, entry))
            self._settle_split(index)

    def _settle_split(self, index: int) -> None:
        """The outcome and the sums of the mini-batch are those of its parts."""
        sums = self._splits[index].sums
        status = sums.status
        self._move(index, _NONE if status is None else _OUTCOMES[status])
        if status is None:
            self._count(index, 0, 0, 0, 0)
        else:
            self._count(index, sums.items, sums.items_succeeded, sums.rows, sums.unanswered)

    def _known(self, index: int) -> Result | None:
        """What counts of the whole mini-batch so far."""
        status = _STATUSES.get(self._outcome[index])
        if status is None:
            return None
        number, header = self._object[index], self._header[index]
        place = self._place(number, self._position[index])
        where = number, self._start[index], self._length[index], self._crc[index], header
        sums = self._items[index], self._succeeded[index], self._rows[index]
        return Result(status, place, *where, *sums, self._files.pop(index, None), self._unanswered.of(index))

    def _result(self, number: int, position: int, entry: Entry) -> Result:
        where = number, entry.start, entry.length, entry.crc, self._header_number(entry.header)
        succeeded = entry.items if self._is_whole(entry) else entry.succeeded
        sums, files = (entry.items, succeeded, entry.rows), self._staged(number, entry)
        return Result(entry.status, self._place(number, position), *where, *sums, files, succeeded - entry.succeeded)

    def _winning_parts(self, index: int) -> Iterator[Winner]:
        for result in self._splits[index].results():
            if result.status in (Status.SUCCEEDED, Status.SHORT):
                found = self._objects[result.object]
                header = self._headers[result.header]
                yield Winner(index, found, found.rows_at + result.start, result.length, result.crc, header)

    def _counts_more(self, number: int, position: int, entry: Entry) -> bool:
        """Whether this result takes the place of the one known so far."""
        known = self._outcome[entry.index]
        outcome = _OUTCOMES[entry.status]
        if known in (_NONE, _CANCELED):
            return True  # also of what was not chosen: else it would depend on what was read before
        if _RANKS[known] != _RANKS[outcome]:
            return _RANKS[outcome] < _RANKS[known]
        return self._place(number, position) < self._place(self._object[entry.index], self._position[entry.index])

    def _place(self, number: int, position: int) -> tuple[int, int, int, int]:
        found = self._objects[number]
        return found.round, found.node, found.seq, position

    def _forget(self, index: int, outcome: int) -> None:
        """Whatever was known of the mini-batch is not, and it has this outcome."""
        self._move(index, outcome)
        self._count(index, 0, 0, 0, 0)
        self._tries[index] = 0
        self._splits.pop(index, None)
        self._files.pop(index, None)  # of a short return

    def _move(self, index: int, outcome: int) -> None:
        self._by_outcome[self._outcome[index]] -= 1
        self._by_outcome[outcome] += 1
        self._outcome[index] = outcome

    def _count(self, index: int, items: int, succeeded: int, rows: int, unanswered: int) -> None:
        self._item_sum += items - self._items[index]
        self._succeeded_sum += succeeded - self._succeeded[index]
        self._row_sum += rows - self._rows[index]
        self._items[index], self._succeeded[index], self._rows[index] = items, succeeded, rows
        self._unanswered.set(index, unanswered)

    def _record(self, number: int, position: int, entry: Entry) -> None:
        # Written out, with few calls: this is done for every mini-batch.
        index, outcome = entry.index, _OUTCOMES[entry.status]
        succeeded = entry.items if self._is_whole(entry) else entry.succeeded
        self._by_outcome[self._outcome[index]] -= 1
        self._by_outcome[outcome] += 1
        self._item_sum += entry.items - self._items[index]
        self._succeeded_sum += succeeded - self._succeeded[index]
        self._row_sum += entry.rows - self._rows[index]
        self._unanswered.set(index, succeeded - entry.succeeded)
        self._outcome[index] = outcome
        self._items[index], self._succeeded[index], self._rows[index] = entry.items, succeeded, entry.rows
        self._object[index], self._position[index] = number, position
        self._start[index], self._length[index], self._crc[index] = entry.start, entry.length, entry.crc
        self._header[index] = self._header_number(entry.header)
        self._files.pop(index, None)
        if entry.files and (staged := self._staged(number, entry)) is not None:
            self._files[index] = staged

    def _is_whole(self, entry: Entry) -> bool:
        return entry.status is Status.SUCCEEDED and not self._checks_items

    def _staged(self, number: int, entry: Entry) -> StagedFiles | None:
        if not entry.files:
            return None
        found = self._objects[number]
        return StagedFiles(staged_folder(folder_of(entry), found.node, found.seq), entry.files, found.round)

    def _has_failed(self, index: int) -> bool:
        return self._outcome[index] in (_FAILED, _DEAD, _SHORT) or self.has_failed_parts(index)

    def _header_number(self, header: str | None) -> int:
        if header not in self._header_numbers:
            self._header_numbers[header] = len(self._headers)
            self._headers.append(header)
        return self._header_numbers[header]

    def _grow(self, size: int) -> None:
        size = max(size, self.plan_total or 2 * len(self._outcome), 1024)
        more = size - len(self._outcome)
        if more <= 0:
            return
        self._by_outcome[_NONE] += more
        self._outcome.extend(bytes(more))
        self._tries.extend(bytes(more))
        places = self._object, self._position, self._crc, self._header
        for column in (*places, self._items, self._succeeded, self._rows):
            column.extend(array("I", bytes(4 * more)))
        for column in (self._start, self._length):
            column.extend(array("Q", bytes(8 * more)))
