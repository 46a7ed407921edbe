"""The simulation finds what is broken: each rule of the product that is taken away shows within 200 seeds."""

from collections.abc import Callable

import pytest

from tests.simulation.runner import run, run_seed
from tests.simulation.scenario import Scenario, draw
from tests.simulation.variants import VARIANTS

ENOUGH = 200
SOME = 12


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_broken_rule_is_found(variant: str) -> None:
    """Some world breaks a promise, and not because the variant patches what is not there any more."""
    broken = next(filter(None, (run_seed(seed, variant).broken for seed in range(ENOUGH))), ())
    assert broken
    assert not any("AttributeError" in text for text in broken), broken


@pytest.mark.parametrize("where", sorted({v.where for v in VARIANTS.values()}, key=lambda where: where.__name__))
def test_the_rule_holds_where_it_was_broken(where: Callable[[Scenario], Scenario]) -> None:
    """It is the broken rule that shows: with it in place the same worlds break no promise."""
    for seed in range(SOME):
        assert not run(where(draw(seed))).broken, seed
