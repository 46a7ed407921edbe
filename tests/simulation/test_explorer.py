"""The decisions of both machines keep every promise in many states, and the explorer finds machines that do not."""

from collections import Counter
from itertools import islice
from typing import Any

import pytest

from fanout.supervision import step_machine
from fanout.supervision.step_machine import Do
from tests.simulation.exploration.broken_machines import BROKEN
from tests.simulation.exploration.explorer import BrokenError, explore
from tests.simulation.exploration.run_explorer import explore_runs

WORLDS = 1500
"""About a quarter of a million states."""


def test_no_decision_about_a_step_breaks_a_promise() -> None:
    """Every action and every kind of verdict is among what is explored."""
    seen = Counter[str]()

    def counting(*facts: Any) -> Any:
        action, memory = step_machine.decide(*facts)
        seen[action.name if isinstance(action, Do) else type(action).__name__] += 1
        if isinstance(action, step_machine.SealStep):
            seen[action.verdict.status] += 1
        return action, memory

    states = sum(islice(explore(1, counting), WORLDS))
    assert states > 100_000
    kinds = {action.name for action in Do} | {"Weigh", "Speculate", "StopNodes", "LookAgain", "SealStep"}
    assert seen.keys() == kinds | {"Completed", "Failed", "Canceled"}
    assert min(seen.values()) > 20, seen


def test_no_decision_about_a_run_breaks_a_promise() -> None:
    """Steps begin when their data is there, each once, and the run ends when all have."""
    assert sum(islice(explore_runs(1), 5000)) > 20_000


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_machine_is_found(name: str) -> None:
    """Each rule that is broken on purpose shows within a few thousand worlds."""
    with BROKEN[name](), pytest.raises(BrokenError, match=r"world \d+: "):
        sum(islice(explore(1), 4 * WORLDS))
