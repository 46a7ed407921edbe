"""The mini-batches that are settled, as a container that whoever sends messages asks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.results.ledger import Ledger


@dataclass(frozen=True, slots=True)
class SettledIndexes:
    """The mini-batches of a ledger that have a final outcome."""

    ledger: "Ledger"

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and self.ledger.is_settled(index)

    def isdisjoint(self, others: range) -> bool:
        """Whether none of these consecutive mini-batches has one."""
        return not self.ledger.any_settled(others)
