"""A failed attempt, as results tell of it."""

from dataclasses import dataclass

from fanout.plan.parts import Part
from fanout.step.results import Failure, Status


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A failure as people want to see it."""

    index: int
    attempt: int
    status: Status
    process: str
    node: int
    failure: Failure
    part: Part | None = None
