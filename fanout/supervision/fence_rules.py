"""Decides which nodes do harm: everything fails on such a node while mini-batches succeed on others. Pure.

A node fails for reasons of its own when its machine lacks the data, a library, memory or space. Such a node fails fast,
so it takes more than its share of the mini-batches. A script that fails often is no reason to blame a node. So the
rules compute how likely the node's row of failures is by chance.

The computation holds for first tries only. A mini-batch that failed on a node before the node's last success and fails
there again is no new evidence: towards the end of a step, the mini-batches that are left are those that always fail.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from fanout.results.codec import Cause, Entry, ResultIndex, Status

LEAST = 3
"""Mini-batches, at the least, that have failed on a node in a row before it is suspected."""
UNLIKELY = 1e-4
"""How likely the row may be, at the most, by the share of failures on other nodes: for a node that never succeeded."""
FAR_UNLIKELIER = 1e-9
"""The same for a node on which something has succeeded before."""
REFUTED = 3
"""Times as many of its failures must have succeeded elsewhere as have failed there, too."""
MOST_KEPT = 1_000
"""Mini-batches of a row that are remembered; more than that prove nothing more."""
MOST_EARLIER = 100_000
"""Mini-batches that are remembered of earlier rows; with so many the share of failures speaks for the script itself."""
_NO_TRY = frozenset({Cause.VANISHED, Cause.DAMAGED})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a node: `row` mini-batches, and nothing else, have failed on it since its last success.

    Of these, `refuted` succeeded on other nodes and `confirmed` failed on other nodes, too. `succeeded` mini-batches
    succeeded on this node before the row.
    """

    row: int
    succeeded: int
    refuted: int
    confirmed: int
    others_succeeded: int
    others_failed: int


def does_harm(evidence: Evidence, *, retries: bool, hinges: bool) -> bool:
    """Returns whether the node is to blame for what fails on it.

    Where mini-batches are tried again (`retries`), at least one of the row must have succeeded elsewhere. This is not
    asked for when the verdict depends on the node (`hinges`), since there is nothing more to wait for then.
    """
    e = evidence
    if e.row < LEAST or not e.others_succeeded or e.refuted < REFUTED * e.confirmed:
        return False
    if retries and not e.refuted and not hinges:
        return False
    share = (e.others_failed + 1) / (e.others_succeeded + e.others_failed + 2)
    return share ** (e.row - e.confirmed) < (FAR_UNLIKELIER if e.succeeded else UNLIKELY)


@dataclass(slots=True)
class _Tally:
    """What one node has committed."""

    succeeded: int = 0
    failed: int = 0
    row: set[int] = field(default_factory=set)  # mini-batches that failed since its last success
    refuted: set[int] = field(default_factory=set)
    confirmed: set[int] = field(default_factory=set)
    first: str = ""  # how the row began
    missing: set[int] = field(default_factory=set)  # of the row: whose data this machine does not have
    earlier: set[int] = field(default_factory=set)  # mini-batches that failed here before its last success

    def end_row(self) -> None:
        if len(self.earlier) < MOST_EARLIER:
            self.earlier |= self.row
        for known in (self.row, self.refuted, self.confirmed, self.missing):
            known.clear()
        self.first = ""


@dataclass(slots=True)
class Tallies:
    """What each node of a step has committed, as evidence."""

    _nodes: dict[int, _Tally] = field(default_factory=dict)
    _changed: bool = False

    def absorb(self, node: int, index: ResultIndex) -> None:
        """Takes in one result object of a node."""
        entries = index.entries
        if not len(entries):
            return
        mine = self._nodes.setdefault(node, _Tally())
        if entries.are_plain:
            mine.succeeded += len(entries)
            mine.end_row()
            self._refute(node, set(entries.columns.index))
            return
        for entry in entries:
            self._take(node, mine, entry)

    @property
    def suspicious(self) -> bool:
        """Whether attempts have failed since the last call of `suspects`, or nodes lack data of the plan."""
        return self._changed or any(tally.missing for tally in self._nodes.values())

    def suspects(self, *, retries: bool, hinges: bool) -> Iterator[int]:
        """Yields the nodes that do harm, as far as is known by now."""
        if self._changed or hinges:
            self._changed = False
            for node, tally in self._nodes.items():
                if len(tally.row) >= LEAST and does_harm(self.evidence(node), retries=retries, hinges=hinges):
                    yield node

    def missing(self, node: int) -> set[int]:
        """Returns the mini-batches of the node's row of failures whose data the node does not have."""
        return self._nodes[node].missing

    def lacking(self) -> Iterator[tuple[int, int]]:
        """Yields each node that could not find data of the plan, with the first mini-batch that it lacks data of."""
        yield from ((node, min(tally.missing)) for node, tally in self._nodes.items() if tally.missing)

    def evidence(self, node: int) -> Evidence:
        """Returns what is known of a node."""
        mine = self._nodes[node]
        others = [tally for number, tally in self._nodes.items() if number != node]
        succeeded, failed = sum(t.succeeded for t in others), sum(t.failed for t in others)
        return Evidence(len(mine.row), mine.succeeded, len(mine.refuted), len(mine.confirmed), succeeded, failed)

    def first_failure(self, node: int) -> str:
        """Returns the message of the first failure in the node's row."""
        return self._nodes[node].first

    def failed(self, node: int) -> int:
        """Returns how many attempts have failed on the node."""
        return self._nodes[node].failed

    def forget(self, node: int) -> None:
        """Forgets a node that was fenced: it is no longer compared with others."""
        self._nodes.pop(node, None)

    def believe(self, node: int) -> None:
        """Forgets what the node lacks, because that data is missing on other machines, too."""
        self._nodes[node].missing.clear()

    def _take(self, node: int, mine: _Tally, entry: Entry) -> None:
        if entry.status is Status.SUCCEEDED:
            mine.succeeded += 1
            mine.end_row()
            self._refute(node, {entry.index})
        elif entry.failure is not None and entry.failure.cause not in _NO_TRY:
            mine.failed += 1
            self._changed = True
            mine.first = mine.first or entry.failure.message
            if len(mine.row) < MOST_KEPT and entry.index not in mine.earlier:
                mine.row.add(entry.index)
                if entry.failure.cause is Cause.MISSING:
                    mine.missing.add(entry.index)
            for number, other in self._nodes.items():
                if number != node and entry.index in other.row:
                    other.confirmed.add(entry.index)
                    mine.confirmed.add(entry.index)

    def _refute(self, node: int, succeeded: set[int]) -> None:
        for number, other in self._nodes.items():
            if number != node and (found := other.row & succeeded):
                other.refuted |= found
                other.confirmed -= found
                self._changed = True
