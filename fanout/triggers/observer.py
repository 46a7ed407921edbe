"""The observer of a watch: views implement it, the watch calls it. Calls return quickly and raise nothing."""

from typing import Protocol

from fanout.pipeline.model import Trigger
from fanout.scheduler.observer import RunObserver, RunReport
from fanout.triggers.start import StartResult


class WatchObserver(Protocol):
    """Callbacks, one for each kind of news."""

    def watching(self, trigger: Trigger, event_source: str, taken_up: int) -> None:
        """The watch has begun. `event_source`: where events come from; `taken_up`: runs left by an earlier watch."""
        ...

    def arrived(self, start: StartResult) -> None:
        """Events were received; `start` says what followed from them."""
        ...

    def start_failed(self, objects: int, reason: str, pause: float | None) -> None:
        """No run could be started for so many objects; tried again after `pause` seconds, None: given up."""
        ...

    def refused(self, reason: str) -> None:
        """A message could not be read and was dead-lettered."""
        ...

    def trouble(self, text: str) -> None:
        """Something went wrong; the watch continues."""
        ...

    def run_begins(self, run: str) -> RunObserver:
        """A run is being carried out; returns its observer."""
        ...

    def run_ended(self, report: RunReport) -> None:
        """The run has its verdict."""
        ...

    def stopping(self, runs: int) -> None:
        """No new run is begun; `runs` that are under way are finished."""
        ...
