"""What a run or step that is taken up again owes to the time before: it began earlier than this process.

And what its nodes had under way when they were stopped: neither is in any result.
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
    """Seconds from the creation of the object, by the store's clock, to `now`; 0 when it is not there."""
    try:
        changed = await list_changed(store, key[: key.rindex("/") + 1])
    except StoreError:
        return 0.0
    return max(0.0, now - changed[key]) if key in changed else 0.0


async def attempts_under_way(store: "ObjectStore", at: StepRound, clock: Clock) -> int:
    """How many attempts nodes are working on, as far as they have said so lately."""
    try:
        seen = await read_statuses(store, at, clock.now())
    except StoreError:
        return 0
    return sum(len(node.status.running) for node in seen if node.alive)


@dataclass(slots=True)
class CountedWorkforce:
    """The nodes of a step; when they are stopped it is noted how many attempts they are working on."""

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
