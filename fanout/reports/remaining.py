"""What a step that is taken up again still has to do, and why: for people who wonder why something runs again. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.planning.index_ranges import spans
from fanout.reports.failure_groups import shape
from fanout.results.failed_attempt import FailedAttempt
from fanout.results.ledger import Ledger

if TYPE_CHECKING:
    from fanout.results.codec import Cause

NO_RESULT = "no result in the store: waiting or under way when the run stopped"


@dataclass(frozen=True, slots=True)
class Again:
    """Mini-batches that are run for one reason: the first and last of each piece without gaps."""

    spans: tuple[tuple[int, int], ...]
    reason: str

    @property
    def count(self) -> int:
        """How many they are."""
        return sum(last - first + 1 for first, last in self.spans)

    def indexes(self) -> Iterator[int]:
        """Each of them, ascending."""
        return (index for first, last in self.spans for index in range(first, last + 1))


@dataclass(frozen=True, slots=True)
class Remaining:
    """`done` mini-batches have their outcome and stay; `total` is None when planning was cut off and goes on."""

    done: int
    total: int | None
    again: tuple[Again, ...]


def remaining(ledger: Ledger, total: int | None, max_retries: int) -> Remaining:
    """What is left of a step of `total` mini-batches, of which `ledger` holds the results so far.

    Without a total only those are named that have failed before.
    """
    left = [index for index in range(total or 0) if not ledger.is_settled(index)]
    tries = ledger.next_attempts
    waiting = [index for index in left if index not in tries]
    groups = [Again(tuple(spans(waiting)), NO_RESULT)] if waiting else []
    groups += _failed(tries, _last_failures(ledger.failures), max_retries + 1)
    return Remaining(ledger.counts.settled, total, tuple(groups))


def _failed(tries: Mapping[int, int], failures: Mapping[int, FailedAttempt], most: int) -> Iterator[Again]:
    """Those that failed and were not tried again before the run stopped, by how often and with what."""
    alike: dict[tuple[int, Cause | None, str], list[int]] = {}
    for index in sorted(tries):
        found = failures.get(index)
        cause, text = (None, "") if found is None else (found.failure.cause, shape(found.failure.message))
        alike.setdefault((tries[index], cause, text), []).append(index)
    for (tried, _, _), indexes in alike.items():
        first = failures.get(indexes[0])
        what = "" if first is None else f" ({' '.join(first.failure.message.split())})"
        yield Again(tuple(spans(indexes)), f"failed in attempt {tried} of {most}{what}; tried again")


def _last_failures(failures: Sequence[FailedAttempt]) -> dict[int, FailedAttempt]:
    """The last known failure of each mini-batch."""
    found: dict[int, FailedAttempt] = {}
    for failed in failures:
        known = found.get(failed.index)
        if known is None or known.attempt <= failed.attempt:
            found[failed.index] = failed
    return found
