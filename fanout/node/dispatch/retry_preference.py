"""Retries go to other nodes where there are any: what failed here because of this machine succeeds there."""

from dataclasses import dataclass, field, replace

from obstore.store import ObjectStore

from fanout.clock import Clock
from fanout.errors import StoreError
from fanout.records.node_status import others_alive
from fanout.slot.lease import Lease
from fanout.storage.keys import StepRound

MOST_PASSED_ON = 3
"""How often a node leaves a mini-batch to others before it tries it once more itself: they may all be busy."""
PASS_DELAYS = (0.5, 1.0, 2.0)
"""Seconds that it then waits for them."""
KNOWN_FOR = 5.0
"""Seconds for which the answer to whether there are others holds."""


@dataclass(slots=True)
class Preference:
    """Which deliveries the node `number` leaves to others."""

    number: int
    at: StepRound
    store: ObjectStore
    clock: Clock
    _asked: float | None = None
    _others: bool = field(default=False)

    async def deferral(self, lease: Lease) -> float | None:
        """In how many seconds others are to have it, whose message then says so; None when it is tried here."""
        message = lease.message
        if message.failed_on[-1] != self.number or message.passed_on >= MOST_PASSED_ON or not await self._has_others():
            return None
        lease.message = replace(message, passed_on=message.passed_on + 1)
        return PASS_DELAYS[message.passed_on]

    async def _has_others(self) -> bool:
        now = self.clock.monotonic()
        if self._asked is None or now - self._asked > KNOWN_FOR:
            try:
                self._others = await others_alive(self.store, self.at, self.number)
            except StoreError:
                self._others = False
            self._asked = now
        return self._others
