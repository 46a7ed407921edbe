"""The kinds of failures of a step, taken in as results are read: each with its first occurrence and its count.

Of a failure only its kind and its message are kept, and the traceback of the first of each kind.
"""

from array import array
from dataclasses import dataclass, field

from fanout.records.parts import ItemRange
from fanout.reports.failure_groups import Kind, StepSource, kind_of
from fanout.results.codec import Entry, Event, Failure

MOST_KINDS = 250
"""Kinds that are counted separately; all further ones are counted as one more. Their numbers are bytes."""
MOST_MESSAGES = 5000
"""Failed attempts of which the own message is kept."""


@dataclass(slots=True)
class FailureKind:
    """Failures that are alike; `number` is 1 or more. `first` was the first, with `place` among the attempts."""

    number: int
    first: Failure
    node: int
    process: str
    at: float  # epoch seconds
    index: int | None  # None: trouble of a node
    count: int = 0
    given_up: int = 0
    indexes: "array[int]" = field(default_factory=lambda: array("I"))


@dataclass(slots=True)
class FailureKinds:
    """All kinds so far, in the order in which they were found."""

    source: StepSource
    kinds: list[FailureKind] = field(default_factory=list)
    messages: dict[int, str] = field(default_factory=dict)  # by place of the attempt
    parts: dict[int, ItemRange] = field(default_factory=dict)  # likewise
    _by_kind: dict[Kind, FailureKind] = field(default_factory=dict)

    def add(self, place: int, node: int, entry: Entry, failure: Failure) -> int:
        """Takes in a failed attempt, which has this place among the attempts; the number of its kind."""
        kind = self._kind(failure, node, entry.process, entry.started, entry.index)
        kind.count += 1
        kind.given_up += entry.status.is_final
        kind.indexes.append(entry.index)
        if len(self.messages) < MOST_MESSAGES:
            self.messages[place] = failure.message
        return kind.number

    def add_event(self, node: int, event: Event) -> None:
        """Takes in trouble of a node: a failed init(), the end of a slot."""
        if event.failure is not None:
            self._kind(event.failure, node, event.process, event.at, None).count += 1

    def _kind(self, failure: Failure, node: int, process: str, at: float, index: int | None) -> FailureKind:
        key = kind_of(failure, self.source)
        found = self._by_kind.get(key)
        if found is None and len(self.kinds) < MOST_KINDS:
            found = self._by_kind[key] = FailureKind(len(self.kinds) + 1, failure, node, process, at, index)
            self.kinds.append(found)
        elif found is None:
            found = self.kinds[-1]
        if at < found.at:
            found.at = at
        return found
