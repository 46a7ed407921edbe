"""Whoever dies, right before or right after whichever call: what is resumed has the same end, byte for byte (I7)."""

from functools import cache

import pytest

from tests.simulation.runner import Ended, run
from tests.simulation.scenario import Act, Scenario, UserCode
from tests.simulation.world import Death

SMALL = Scenario(
    seed=5,
    files=8,
    nodes=2,
    slots=1,
    max_receives=100,
    user=UserCode(11, flaky=0.3, acts=(Act.RAISES, Act.DIES), writes_files=True),
)


@cache
def _undisturbed() -> Ended:
    """The run that nobody dies in."""
    ended = run(SMALL)
    assert not ended.broken
    assert ended.verdict == "Completed"
    assert any(event.about[2:] == ("retried",) for event in ended.history if event.what == "durable")
    return ended


def _check(deaths: dict[str, Death]) -> None:
    ended = run(SMALL, deaths)
    told = "\n".join(map(str, (deaths, *ended.broken, *ended.history[-80:])))
    assert not ended.broken, told
    assert ended.output == _undisturbed().output, told
    killed = [event for event in ended.history if event.what == "killed"]
    assert len(killed) == len(deaths), told


def _points(process: str) -> list[Death]:
    return [Death(call, after) for call in range(1, _undisturbed().calls[process] + 1) for after in (False, True)]


def test_a_supervisor_may_die_at_every_call() -> None:
    """Planning, publishing, supervising, sealing, reducing, concluding: none of it can be cut at a wrong place."""
    points = _points("supervisor0")
    assert len(points) > 80
    for death in points:
        _check({"supervisor0": death})


@pytest.mark.parametrize("node", ["node0", "node1"])
def test_a_node_may_die_at_every_call(node: str) -> None:
    """Registering, receiving, extending, committing, sending again, deleting: what it held comes back."""
    points = _points(node)
    assert len(points) > 30
    for death in points:
        _check({node: death})


def test_who_resumes_may_die_as_well() -> None:
    """A sample of deaths of the first supervisor, each with a sample of deaths of the second."""
    for first in _points("supervisor0")[7::23]:
        for call in range(1, 40, 7):
            ended = run(SMALL, {"supervisor0": first, "supervisor1": Death(call)})
            assert not ended.broken, (first, call, ended.broken)
            assert ended.output == _undisturbed().output
