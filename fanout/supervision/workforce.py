"""The nodes of a step, as a supervisor sees them."""

from collections.abc import Sequence
from typing import Protocol


class Workforce(Protocol):
    """The nodes of a step, as far as a supervisor needs them."""

    async def finish(self) -> None:
        """The step is settled: nodes run shutdown() and leave; returns when they have, or after a while."""
        ...

    async def stop(self) -> None:
        """Nodes leave now, whatever they are doing."""
        ...

    def trouble(self) -> str | None:
        """Why no node is left and none will come, in a sentence; None while there are nodes."""
        ...

    def news(self) -> Sequence[str]:
        """What has happened to nodes since the last call and people want to know at once, a sentence each."""
        ...
