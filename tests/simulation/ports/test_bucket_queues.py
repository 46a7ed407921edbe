"""Worlds whose queue is `bucket:`, in the store that everything goes wrong with: the promises are the same."""

from functools import cache

import pytest

from tests.simulation.runner import Ended, run
from tests.simulation.scenario import Act, Scenario, UserCode, draw, with_queue_in_store
from tests.simulation.world import Death

WORLDS = 60
AT_ONCE = 20
SMALL = Scenario(
    seed=5,
    files=8,
    nodes=2,
    slots=1,
    max_receives=100,
    in_store=True,
    user=UserCode(11, flaky=0.3, acts=(Act.RAISES, Act.DIES)),
)


@pytest.mark.parametrize("first", range(0, WORLDS, AT_ONCE))
def test_no_world_breaks_a_promise(first: int) -> None:
    """I1-I7, whatever the seed draws."""
    for seed in range(first, first + AT_ONCE):
        ended = run(with_queue_in_store(draw(seed)))
        assert not ended.broken, "\n".join(map(str, (seed, *ended.broken, *ended.history[-60:])))


def test_the_worlds_are_troubled_enough() -> None:
    """Messages come again, are lost to their holders, and become dead letters."""
    seen: set[str] = set()
    for seed in range(WORLDS):
        ended = run(with_queue_in_store(draw(seed)))
        seen |= {event.what for event in ended.history}
        seen |= {f"to {event.about[0]}"[:7] for event in ended.history if event.what == "sent"}
        if {"refused", "unanswered", "killed", "not held", "delivered", "deleted", "to dead"} <= seen:
            return
    pytest.fail(f"only {sorted(seen)}")


def test_a_world_without_trouble() -> None:
    """Every mini-batch is executed once, and the queue leaves nothing in the store."""
    ended = run(Scenario(1, files=20, nodes=2, in_store=True))
    assert not ended.broken
    assert ended.verdict == "Completed"
    assert sum(event.what == "executes" for event in ended.history) == 20
    left = {event.about[0] for event in ended.history if event.what == "put" and "messages/" in str(event.about[0])}
    assert left <= {event.about[0] for event in ended.history if event.what == "removed"}
    assert ended.seconds < 3


@cache
def _undisturbed() -> Ended:
    ended = run(SMALL)
    assert not ended.broken
    assert ended.verdict == "Completed"
    return ended


@pytest.mark.parametrize("name", ["supervisor0", "node0"])
def test_a_process_may_die_at_its_calls(name: str) -> None:
    """Right before or right after every third of its calls to the store: the same end, byte for byte (I7)."""
    calls = _undisturbed().calls[name]
    for call in range(1, calls + 1, 3):
        ended = run(SMALL, {name: Death(call, after=call % 2 == 0)})
        assert not ended.broken, "\n".join(map(str, (call, *ended.broken, *ended.history[-60:])))
        assert ended.output == _undisturbed().output
