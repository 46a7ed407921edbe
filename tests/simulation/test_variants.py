"""The simulation finds what is broken: each rule of the product that is taken away shows within 200 seeds."""

import pytest

from tests.simulation.runner import run_seed
from tests.simulation.variants import VARIANTS

ENOUGH = 200


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_broken_rule_is_found(variant: str) -> None:
    """Some world breaks a promise."""
    assert any(run_seed(seed, variant).broken for seed in range(ENOUGH))
