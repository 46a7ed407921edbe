"""A failed attempt, as results tell of it."""

from dataclasses import dataclass

from fanout.records.parts import ItemRange
from fanout.results.codec import Entry, Failure, Status


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A failure as people want to see it."""

    index: int
    attempt: int
    status: Status
    process: str
    node: int
    failure: Failure
    part: ItemRange | None = None

    @classmethod
    def of(cls, entry: Entry, failure: Failure, node: int) -> "FailedAttempt":
        """That of an entry, which has this failure."""
        return cls(entry.index, entry.attempt, entry.status, entry.process, node, failure, entry.part)
