"""The engine port: engines only place nodes, and never see a mini-batch; completion is read from the store."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from fanout.storage.keys import StepRound
from fanout.supervision.workforce import Workforce


class Engine(Protocol):
    """Somewhere nodes can be started."""

    def nodes(self, at: StepRound, count: int) -> AbstractAsyncContextManager[Workforce]:
        """`count` nodes work on the step until the context ends; then none of them is left."""
        ...
