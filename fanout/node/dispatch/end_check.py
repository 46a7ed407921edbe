"""Reads from the store whether a node still has work. Needed by nodes without a supervisor on their machine."""

import logging
from enum import Enum, auto

from obstore.store import ObjectStore

from fanout.errors import DamagedRecordError, StoreError
from fanout.results.fences import Fence, read_fence
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read

log = logging.getLogger(__name__)


class StepEnding(Enum):
    """Why nothing is left to do."""

    SETTLED = auto()  # or sealed
    CANCELED = auto()


async def check_for_end(store: ObjectStore, at: StepRound, node: int | None) -> StepEnding | Fence | None:
    """Whether the step is settled or canceled or the node is fenced; None while it continues or the store does not
    answer. `node` None: one that has no number yet."""
    try:
        if await read(store, keys.settled(at)):
            return StepEnding.SETTLED
        if node is not None and (fence := await read_fence(store, at, node)) is not None:
            return fence
        if await read(store, keys.cancel(at.run, at.round)):
            return StepEnding.CANCELED
        if await read(store, keys.verdict(at)):
            return StepEnding.SETTLED
    except (StoreError, DamagedRecordError) as exc:
        log.warning("cannot look for the end of the step: %s", exc)
    return None
