"""Which runs of a store are meant: by verdict, age, tags and trigger. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fanout.queries.runs import ListedRun
from fanout.records.verdict import VerdictStatus
from fanout.triggers.run_naming import is_of_trigger


class RunState(StrEnum):
    """How runs are chosen by their end."""

    COMPLETED = "completed"  # with or without failures
    WITH_FAILURES = "with-failures"  # Completed, and something failed within the thresholds
    FAILED = "failed"
    CANCELED = "canceled"
    NOT_ENDED = "not-ended"


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Runs that were created at `since` (epoch seconds) or later, that ended so, and have all these tags.

    A tag with the value None may have any value.
    """

    states: frozenset[RunState] = frozenset()  # empty: all
    since: float | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    trigger: str | None = None

    def takes(self, run: ListedRun) -> bool:
        """Whether the run is one of them."""
        tags = run.record.pipeline.tags
        return (
            (not self.states or bool(self.states & states_of(run)))
            and (self.since is None or run.record.created >= self.since)
            and all(name in tags and value in (None, tags[name]) for name, value in self.tags.items())
            and (self.trigger is None or is_of_trigger(run.record.name, self.trigger))
        )


def states_of(run: ListedRun) -> frozenset[RunState]:
    """All that is true of the run."""
    if run.seal is None:
        return frozenset({RunState.NOT_ENDED})
    if run.seal.verdict.status is VerdictStatus.FAILED:
        return frozenset({RunState.FAILED})
    if run.seal.verdict.status is VerdictStatus.CANCELED:
        return frozenset({RunState.CANCELED})
    some_failed = run.seal.counts.has_failures
    return frozenset({RunState.COMPLETED, *([RunState.WITH_FAILURES] if some_failed else [])})
