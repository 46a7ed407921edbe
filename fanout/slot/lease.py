"""The leases of a node: deliveries that it has received and not yet acknowledged or requeued."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from fanout.queues.base import Delivery
from fanout.records.messages import Message


@dataclass(slots=True, eq=False)
class Lease:
    """One delivery that this node has received, until it is acknowledged or requeued.

    `expires` is when its visibility runs out on this node's monotonic clock. A lost delivery may already be leased to
    another node: it is not started any more, and its failure has no effect.
    """

    delivery: Delivery
    message: Message
    line: bytes  # the mini-batch as the slot gets it
    expires: float
    items: int = 0  # as far as known
    lost: bool = False
    fetched: tuple[str, ...] = ()  # local copies made for it

    def startable(self, now: float) -> bool:
        """Whether this node certainly still has the lease."""
        return not self.lost and now < self.expires


@dataclass(slots=True)
class LeaseTable:
    """All leases of a node, by receipt."""

    _by_receipt: dict[str, Lease] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._by_receipt)

    def take(self, lease: Lease) -> None:
        self._by_receipt[lease.delivery.receipt] = lease

    def forget(self, settled: Iterable[Lease]) -> None:
        for lease in settled:
            self._by_receipt.pop(lease.delivery.receipt, None)

    def all(self) -> list[Lease]:
        return list(self._by_receipt.values())

    def extended(self, asked: Iterable[Lease], lost: Iterable[Delivery], expires: float) -> list[Lease]:
        """Applies the answer to a renewal; returns the leases that were lost."""
        gone = {delivery.receipt for delivery in lost}
        for lease in asked:
            if lease.delivery.receipt in gone:
                lease.lost = True
            else:
                lease.expires = expires
        return [lease for lease in asked if lease.lost]
