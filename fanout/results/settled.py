"""The settled mini-batches as a container, for code that sends messages."""

from dataclasses import dataclass
from typing import Protocol


class Outcomes(Protocol):
    """What knows which mini-batches have a final outcome: a ledger."""

    def is_settled(self, index: int) -> bool:
        """Whether the mini-batch has one."""
        ...

    def any_settled(self, indexes: range) -> bool:
        """Whether one of these consecutive mini-batches has one."""
        ...


@dataclass(frozen=True, slots=True)
class SettledIndexes:
    """The mini-batches of a ledger that have a final outcome."""

    ledger: Outcomes

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and self.ledger.is_settled(index)

    def isdisjoint(self, others: range) -> bool:
        """Whether none of these consecutive mini-batches has one."""
        return not self.ledger.any_settled(others)
