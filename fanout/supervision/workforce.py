"""The nodes of a step, as a supervisor sees them."""

from collections.abc import Sequence
from typing import Protocol


class Workforce(Protocol):
    """The nodes of a step, with the operations that a supervisor needs."""

    async def finish(self) -> None:
        """Lets the nodes run shutdown() and leave, once the step is settled.

        Returns when they have left, or after a while.
        """
        ...

    async def stop(self) -> None:
        """Makes the nodes leave now, whatever they are doing."""
        ...

    def trouble(self) -> str | None:
        """Returns a sentence that says why no node is left and none will come; None while there are nodes."""
        ...

    def news(self) -> Sequence[str]:
        """Returns what has happened to nodes since the last call and should be shown at once, one sentence each."""
        ...
