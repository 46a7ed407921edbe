"""Who watches a watcher: the view implements this, the watch calls it. Calls are quick and never fail anything."""

from typing import Protocol

from fanout.pipeline.model import Trigger
from fanout.scheduler.observer import RunObserver, RunReport
from fanout.triggers.start import StartResult


class WatchObserver(Protocol):
    """What there is to see, as it happens."""

    def watching(self, trigger: Trigger, told_by: str, taken_up: int) -> None:
        """It has begun; `told_by` says where events come from, `taken_up` counts runs left by an earlier watcher."""
        ...

    def arrived(self, start: StartResult) -> None:
        """This became of events."""
        ...

    def start_failed(self, objects: int, reason: str, pause: float | None) -> None:
        """No run could be started for so many objects; tried again after `pause` seconds, None: given up."""
        ...

    def refused(self, reason: str) -> None:
        """A message that nobody understands is a dead letter now."""
        ...

    def trouble(self, text: str) -> None:
        """Something went wrong that the watch goes on after."""
        ...

    def run_begins(self, run: str) -> RunObserver:
        """A run is being carried out; who watches it."""
        ...

    def run_ended(self, report: RunReport) -> None:
        """It has its verdict."""
        ...

    def stopping(self, runs: int) -> None:
        """Nothing new is begun any more; so many runs are finished yet."""
        ...
