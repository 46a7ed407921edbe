"""What a node holds: deliveries it has received and not yet settled."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from fanout.queues.base import Delivery
from fanout.records.messages import Message


@dataclass(slots=True, eq=False)
class Lease:
    """One delivery in the hands of this node, until it is settled.

    `expires` is when its visibility runs out on this node's monotonic clock. A lost delivery may already be somebody
    else's: it is not started any more, and a failure of it is not acted upon.
    """

    delivery: Delivery
    message: Message
    line: bytes  # the mini-batch as the slot gets it
    expires: float
    items: int = 0  # as far as known
    lost: bool = False
    fetched: tuple[str, ...] = ()  # local copies made for it

    def startable(self, now: float) -> bool:
        """Whether it is certainly still this node's."""
        return not self.lost and now < self.expires


@dataclass(slots=True)
class LeaseTable:
    """Everything a node holds, by receipt."""

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
        """Notes the answer to an extension; those that this node no longer holds."""
        gone = {delivery.receipt for delivery in lost}
        for lease in asked:
            if lease.delivery.receipt in gone:
                lease.lost = True
            else:
                lease.expires = expires
        return [lease for lease in asked if lease.lost]
