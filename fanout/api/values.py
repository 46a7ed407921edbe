"""What a run says of itself from Python: steps, failures and events, as values that do not change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from fanout.api.output import Output
from fanout.errors import Problem
from fanout.pipeline.model import Step
from fanout.records.verdict import Counts, Verdict


@dataclass(frozen=True, slots=True)
class RunStep:
    """One step of a run as it stood when it was read.

    `state` is a verdict (`Completed`, `Failed`, `Canceled`) or what the step is doing: `waiting`, `not started`,
    `under way`, `did not run`. `counts` are None for commands and before the step starts. `nodes` are those alive now.
    `seconds` are those that the step took, 0 before its end. `settings` are the step's values from the pipeline file.
    """

    name: str
    kind: str  # parallel or command
    state: str
    verdict: Verdict | None
    counts: Counts | None
    outputs: Mapping[str, Output]
    nodes: int
    seconds: float
    settings: Step = field(repr=False)

    @property
    def reason(self) -> str:
        """Why the step ended as it did; "" before its end."""
        return "" if self.verdict is None else self.verdict.reason


@dataclass(frozen=True, slots=True)
class FailedMiniBatch:
    """A mini-batch that failed for good, or has failed and not succeeded yet; what its last try said.

    `items` name what failed: files, rows of a table, or `item 17` by its position in what a function was called over.
    `attempts` counts failed tries. `cause` is a word, such as `exception` or `time_limit`. `traceback` is the script's
    own, of the first failure that is alike.
    """

    step: str
    index: int
    items: tuple[str, ...]
    status: str
    attempts: int
    cause: str
    message: str
    traceback: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step has begun."""

    step: str


@dataclass(frozen=True, slots=True)
class StepProgress:
    """The counts of a step have changed."""

    step: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step has its verdict, or will never run (None)."""

    step: str
    verdict: Verdict | None
    counts: Counts | None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run has its verdict; nothing follows."""

    run: str
    verdict: Verdict


Event: TypeAlias = StepStarted | StepProgress | StepEnded | RunEnded
"""What `Run.events` gives."""


@dataclass(frozen=True, slots=True)
class Validation:
    """What is wrong with a pipeline file, each problem with file, line and column, and what else there is to say."""

    problems: tuple[Problem, ...]
    notices: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.valid
