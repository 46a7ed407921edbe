"""Runs that functions carry out keep every promise, whoever dies at whichever call, and whatever goes wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

import pytest

from tests.simulation import promises
from tests.simulation.functions import FunctionWorld
from tests.simulation.loop import StuckError
from tests.simulation.scenario import Act, Scenario, UserCode, draw, with_hostile_sender
from tests.simulation.simulate import Simulation, simulated
from tests.simulation.world import Death, Event

SMALL = Scenario(
    seed=5,
    files=8,
    nodes=2,
    slots=1,
    max_receives=100,
    user=UserCode(11, flaky=0.3, acts=(Act.RAISES, Act.DIES), writes_files=True),
)
LONGEST = 3600.0
"""Virtual seconds: what a killed supervisor had comes back after half a minute, and what a command had later."""


class Ended:
    """What became of one world of functions."""

    def __init__(self, scenario: Scenario, deaths: Mapping[str, Death] | None = None) -> None:
        with simulated(scenario, deaths) as simulation:
            simulation.world.loop.give_more_time(scenario.troubled_until + LONGEST)
            functions = FunctionWorld(simulation)
            try:
                simulation.world.loop.run_until_complete(functions.play())
            except StuckError as exc:
                simulation.world.defects.append(f"hangs: {exc}")
            self.broken = tuple(_broken(simulation, functions))
            self.output = simulation.bucket.look(f"out/{scenario.output}") if scenario.output else None
            self.history: tuple[Event, ...] = tuple(simulation.world.history)
            self.calls = {process.name: process.calls for process in simulation.world.processes if process.calls}

    @property
    def told(self) -> str:
        return "\n".join(map(str, (*self.broken, *self.history[-80:])))


def _broken(simulation: Simulation, functions: FunctionWorld) -> Iterator[str]:
    """A sentence for each promise that is broken; what is deleted after the seal nobody misses."""
    whole = simulation.world.history
    sealed = functions.history_at_seal
    yield from (text for text in promises.broken(simulation) if not text.startswith("I5"))
    simulation.world.history = whole[:sealed]
    yield from promises._i5(simulation)
    simulation.world.history = whole


@cache
def _undisturbed() -> Ended:
    ended = Ended(SMALL)
    assert not ended.broken, ended.told
    return ended


@pytest.mark.parametrize("function", ["supervisor0", "worker0", "worker1", "reducer0"])
def test_a_function_may_die_at_every_call(function: str) -> None:
    """Planning, sending, looking, sealing; receiving, committing, sending again; reducing: the same bytes.

    Every third call, before and after in turn: all of them were tried once, and take a minute.
    """
    calls = _undisturbed().calls[function]
    assert calls > 10
    for call in range(1, calls + 1, 3):
        ended = Ended(SMALL, {function: Death(call, after=call % 2 == 0)})
        assert not ended.broken, (call, ended.told)
        assert ended.output == _undisturbed().output


@pytest.mark.parametrize("block", range(3))
def test_no_world_of_functions_breaks_a_promise(block: int) -> None:
    """Messages lost, doubled, delayed and out of order, servers that refuse or do not answer, user code that fails."""
    for seed in range(20 * block, 20 * (block + 1)):
        ended = Ended(replace(draw(seed), strikes=()))
        assert not ended.broken, (seed, ended.told)


def test_a_sender_without_the_key_breaks_no_promise_of_functions() -> None:
    """What it forges and replays is in all queues of the deployment."""
    for seed in range(12):
        ended = Ended(with_hostile_sender(replace(draw(seed), strikes=())))
        assert not ended.broken, (seed, ended.told)
