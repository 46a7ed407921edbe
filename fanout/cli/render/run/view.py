"""The port of all views of a run: an observer that also shows how the run ended."""

from typing import Protocol

from fanout.queries.failures import MiniBatches
from fanout.queries.running import Watcher
from fanout.scheduler.observer import RunObserver, RunReport


class RunView(RunObserver, Watcher, Protocol):
    """An observer that shows what it hears."""

    @property
    def run(self) -> str:
        """The run that is shown; "" before it exists."""
        ...

    def conclude(self, report: RunReport, batches: MiniBatches) -> None:
        """Tells the end of the run; `batches` are those mini-batches of its failures that could be read."""
        ...

    def interrupted(self) -> None:
        """Tells that the run was stopped by a signal, and how to go on with it."""
        ...

    def close(self) -> None:
        """Gives the terminal back, however the run ended; no error when that was done before."""
        ...
