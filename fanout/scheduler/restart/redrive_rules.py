"""Decides for each step of a run whether the next round keeps it, continues it, or restarts it. Pure.

A step that continues keeps the successes of its last round and tries the rest again. A step that reads from a step that
runs again is restarted, since its input may have changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from graphlib import TopologicalSorter

from fanout.errors import RunError
from fanout.pipeline.model import ParallelStep, Step
from fanout.records.run import RunRecord, StepPlace
from fanout.records.seal import Seal
from fanout.records.step import Continued


class RedriveAction(StrEnum):
    """What the next round does with a step."""

    KEEP = "stays as it is"
    CONTINUE = "goes on"
    RESTART = "is run again from the start"


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended.

    `unsuccessful` holds the mini-batches that did not succeed. It is None when these are not known; they are known when
    the step was planned to the end, and then `total` is the number of all mini-batches.
    """

    seal: Seal | None = None
    begun: bool = False  # a parallel step has been planned, at least in part
    total: int | None = None
    unsuccessful: Sequence[int] | None = None

    @property
    def to_try_again(self) -> bool:
        """Whether there are mini-batches that did not succeed, or may be such mini-batches."""
        return self.begun and (self.unsuccessful is None or len(self.unsuccessful) > 0)

    @property
    def well(self) -> bool:
        """Whether the step completed and every mini-batch succeeded."""
        return self.seal is not None and self.seal.verdict.completed and not self.to_try_again


@dataclass(frozen=True, slots=True)
class Choice:
    """The one step to run again, with the steps that need it.

    `mini_batches` are the ones to run again; None: all that did not succeed.
    """

    step: str
    mini_batches: tuple[int, ...] | None = None


def next_round(
    record: RunRecord, ends: Mapping[str, StepEnd], choice: Choice | None = None
) -> dict[str, tuple[RedriveAction, StepPlace]]:
    """Returns the action and the place of each step in round `record.round + 1`."""
    number = record.round + 1
    ways: dict[str, tuple[RedriveAction, StepPlace]] = {}
    steps = {step.name: step for step in record.pipeline.steps}
    for step_name in TopologicalSorter({name: sorted(step.after) for name, step in steps.items()}).static_order():
        step = steps[step_name]
        before_stay = all(ways[name][0] is RedriveAction.KEEP for name in step.after)
        way = _way(step, ends[step.name], choice, before_stay=before_stay)
        former = record.place(step.name)
        match way:
            case RedriveAction.KEEP:
                place = former
            case RedriveAction.CONTINUE:
                mini_batches = choice.mini_batches if choice and choice.step == step.name else None
                place = StepPlace(number, former.planned_in, Continued(former.round, mini_batches))
            case RedriveAction.RESTART:
                place = StepPlace(number, number)
        ways[step.name] = way, place
    return ways


def check_choice(record: RunRecord, choice: Choice, end: StepEnd) -> None:
    """Raises RunError when the chosen mini-batches do not exist, have succeeded, or are unknown."""
    if choice.mini_batches is None:
        return
    if end.total is None or end.unsuccessful is None:
        raise RunError(
            f"step {choice.step} of run {record.name} was not planned to the end, so its mini-batches cannot be "
            "chosen; without --mini-batch all that did not succeed are run again"
        )
    for index in choice.mini_batches:
        if index >= end.total:
            raise RunError(f"step {choice.step} has no mini-batch {index}: it has {end.total}, counted from 0")
    done = sorted(set(choice.mini_batches) - set(end.unsuccessful))
    if done:
        raise RunError(f"mini-batch {done[0]} of step {choice.step} has succeeded: its rows are in the output")


def _way(step: Step, end: StepEnd, choice: Choice | None, *, before_stay: bool) -> RedriveAction:
    if not before_stay:
        return RedriveAction.RESTART
    if choice is not None and step.name != choice.step:
        return RedriveAction.KEEP
    if end.well:
        return RedriveAction.KEEP
    if isinstance(step, ParallelStep) and end.seal is not None and end.to_try_again:
        return RedriveAction.CONTINUE
    return RedriveAction.RESTART
