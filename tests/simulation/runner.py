"""Seeds in, broken promises out."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from tests.simulation import promises
from tests.simulation.loop import StuckError
from tests.simulation.scenario import Scenario, draw
from tests.simulation.simulate import Simulation, play, simulated
from tests.simulation.variants import varied
from tests.simulation.world import Death, Event

MOST = 12
"""Broken promises that are told of one world."""
LAST_LINES = 60


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one world."""

    seed: int
    broken: tuple[str, ...]
    history: tuple[Event, ...]
    verdict: str
    seconds: float  # virtual
    output: bytes | None
    calls: Mapping[str, int]  # of store and queue, by process

    @property
    def digest(self) -> str:
        """Equal for equal histories."""
        return hashlib.sha256("\n".join(map(str, self.history)).encode()).hexdigest()


def run_seed(seed: int, variant: str | None = None) -> Ended:
    """The world of a seed, played and looked at."""
    with varied(variant, draw(seed)) as scenario:
        return run(scenario)


def several(seeds: Sequence[int], variant: str | None) -> list[Ended]:
    """What became of these worlds, as `told` tells it."""
    return [told(seed, variant) for seed in seeds]


def told(seed: int, variant: str | None) -> Ended:
    """What became of the world of a seed, with the end of its history when it broke a promise."""
    ended = run_seed(seed, variant)
    return replace(ended, history=ended.history[-LAST_LINES:] if ended.broken else ())


def run(scenario: Scenario, deaths: Mapping[str, Death] | None = None) -> Ended:
    """One world, played and looked at, in which these processes die."""
    with simulated(scenario, deaths) as simulation:
        play(simulation)
        found = tuple(islice(_look(simulation), MOST))
        world, bucket = simulation.world, simulation.bucket
        verdict = str(simulation.reports[0].verdict.status) if simulation.reports else "none"
        output = bucket.look(f"out/{scenario.output}") if scenario.output else None
        calls = {process.name: process.calls for process in world.processes if process.calls}
        return Ended(scenario.seed, found, tuple(world.history), verdict, world.now, output, calls)


def _look(simulation: Simulation) -> Iterator[str]:
    """The promises, before and after somebody resumes the run once more."""
    if simulation.world.defects:
        yield from promises.broken(simulation)
        return
    before = simulation.at_conclusion
    if before != simulation.kept():
        yield "I4: what was sealed has changed since"
    try:
        again = simulation.world.loop.run_until_complete(simulation.resume_in_peace())
    except StuckError as exc:
        yield f"hangs: a run that is over cannot be resumed: {exc}"
        return
    yield from promises.broken(simulation)
    if again is None:
        yield "a run that is over cannot be resumed"
    elif before != simulation.kept():
        yield "I4: resuming again has changed what was sealed"
    elif any(report.verdict != again.verdict for report in simulation.reports):
        yield "I4: two reports of one run differ"
