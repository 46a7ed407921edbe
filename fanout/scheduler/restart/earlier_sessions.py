"""Finds out what a resumed run or step owes to the time before this process: how long it has run already.

It also counts the attempts that nodes were working on when they were stopped. Neither number is in any result.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.clock import Clock
from fanout.errors import StoreError
from fanout.records.node_status import read_statuses
from fanout.storage.keys import StepRound
from fanout.storage.objects import list_changed
from fanout.supervision.workforce import Workforce

if TYPE_CHECKING:
    from obstore.store import ObjectStore


async def seconds_since(store: "ObjectStore", key: str, now: float) -> float:
    """Returns the seconds from the creation of the object, by the store's clock, to `now`; 0 when it is not there."""
    try:
        changed = await list_changed(store, key[: key.rindex("/") + 1])
    except StoreError:
        return 0.0
    return max(0.0, now - changed[key]) if key in changed else 0.0


async def attempts_under_way(store: "ObjectStore", at: StepRound, clock: Clock) -> int:
    """Returns how many attempts nodes are working on, by what they have reported lately."""
    try:
        seen = await read_statuses(store, at, clock.now())
    except StoreError:
        return 0
    return sum(len(node.status.running) for node in seen if node.alive)


@dataclass(slots=True)
class CountedWorkforce:
    """The nodes of a step; when they are stopped, `killed` becomes the number of attempts that they were working on."""

    workforce: Workforce
    count: Callable[[], Awaitable[int]]
    killed: int = 0

    async def finish(self) -> None:
        await self.workforce.finish()

    async def stop(self) -> None:
        self.killed = await self.count()
        await self.workforce.stop()

    def trouble(self) -> str | None:
        return self.workforce.trouble()

    def news(self) -> Sequence[str]:
        return self.workforce.news()
