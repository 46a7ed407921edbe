"""Explores the decisions of the run machine: graphs of steps that end in every way, with and without a process that
stays; and of both machines together, so many states."""

import contextlib
import random
from collections.abc import Iterator, Sequence

from fanout.pipeline.model import CommandStep
from fanout.records.seal import Seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.scheduler.observer import StepReport
from fanout.scheduler.run_machine import Action, Begin, Conclude, LookAgain, RunFacts, SkipStep, decide
from tests.simulation.exploration.broken_machines import BROKEN
from tests.simulation.exploration.explorer import BrokenError, explore

NO_COUNTS = Counts(total=None)


def explore_runs(seed: int) -> Iterator[int]:
    """Runs without end; yields how many states each had. BrokenError names the run."""
    chance = random.Random(seed)
    while True:
        number = chance.randrange(2**48)
        try:
            yield walk_run(random.Random(number))
        except BrokenError as exc:
            raise BrokenError(f"run {number}: {exc}") from None


def walk_run(chance: random.Random) -> int:
    """One run to its verdict; how many states it had."""
    steps = _steps(chance)
    ended: dict[str, StepReport] = {}
    skipped: set[str] = set()
    under_way: dict[str, float | None] = {}
    for state in range(20 * len(steps) + 20):
        actions = decide(steps, RunFacts(ended, skipped, under_way))
        for action in actions:
            _check(action, steps, ended, skipped, under_way)
            match action:
                case Conclude():
                    return state
                case Begin(step):
                    under_way[step.name] = None
                case SkipStep(step):
                    skipped.add(step.name)
                case LookAgain():
                    under_way.update(dict.fromkeys(under_way))  # the next look works on each of them
        if not actions and None not in under_way.values():
            raise BrokenError("nothing is decided, and nothing is under way: the run hangs")
        _happen(chance, steps, ended, under_way)
    raise BrokenError("the run does not come to an end")


def _steps(chance: random.Random) -> Sequence[CommandStep]:
    names = [f"s{number}" for number in range(chance.randint(1, 6))]
    steps = [
        CommandStep(name=name, command="", depends_on=tuple(n for n in names[:place] if chance.random() < 0.4))
        for place, name in enumerate(names)
    ]
    chance.shuffle(steps)
    return steps


def _happen(
    chance: random.Random,
    steps: Sequence[CommandStep],
    ended: dict[str, StepReport],
    under_way: dict[str, float | None],
) -> None:
    """A step that is worked on ends, or is left to others until the next look."""
    working = [step for step in steps if step.name in under_way and under_way[step.name] is None]
    if not working:
        return
    step = chance.choice(working)
    if chance.random() < 0.3:
        under_way[step.name] = chance.choice((1.0, 30.0, 300.0))
        return
    status = chance.choice((VerdictStatus.COMPLETED, VerdictStatus.COMPLETED, *VerdictStatus))
    del under_way[step.name]
    ended[step.name] = StepReport(step, Seal(Verdict(status, "because"), NO_COUNTS))


def _check(
    action: Action,
    steps: Sequence[CommandStep],
    ended: dict[str, StepReport],
    skipped: set[str],
    under_way: dict[str, float | None],
) -> None:
    completed = {name for name, report in ended.items() if report.seal.verdict.completed}
    over = ended.keys() | skipped
    match action:
        case Begin(step) | SkipStep(step, _) if step.name in over or step.name in under_way:
            raise BrokenError(f"{step.name} begins or is left out a second time")
        case Begin(step) if not step.after <= completed:
            raise BrokenError(f"{step.name} begins before its data is there")
        case SkipStep(step, _) if step.after <= completed or not step.after <= over:
            raise BrokenError(f"{step.name} is left out, though it could run")
        case LookAgain() if None in under_way.values() or not under_way:
            raise BrokenError("the look ends while steps are worked on")
        case Conclude(verdict, _):
            if over != {step.name for step in steps}:
                raise BrokenError("the run is over, and steps are not")
            if verdict.completed != (len(completed) == len(steps)):
                raise BrokenError(f"the run is {verdict.status}; completed: {sorted(completed)}")


def explored(seed: int, states: int, broken: str | None) -> tuple[int, str]:
    """How many states were explored, one in ten of them of the run machine; and what was found broken."""
    seen = 0
    with BROKEN[broken]() if broken else contextlib.nullcontext():
        try:
            for machine, share in ((explore_runs(seed), 0.1), (explore(seed), 1.0)):
                while seen < share * states:
                    seen += next(machine)
        except BrokenError as exc:
            return seen, f"seed {seed}: {exc}"
    return seen, ""
