"""What a supervisor reports while a step is running."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fanout.records.verdict import Counts
from fanout.results.codec import Event, ResultIndex
from fanout.results.failed_attempt import FailedAttempt


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a step stands, for people and for logs."""

    step: str
    counts: Counts
    planned: int
    seconds: float
    events: Sequence[tuple[int, Event]] = ()
    failures: Sequence[FailedAttempt] = ()


@dataclass(frozen=True, slots=True)
class Observers:
    """The callbacks of a supervisor.

    `progress` is called at each look with news, `results` with each index (for the job report), and `notice` with
    sentences about what happens to nodes.
    """

    progress: Callable[[Progress], None]
    results: Callable[[int, ResultIndex], None]
    notice: Callable[[str], None] = lambda _: None
