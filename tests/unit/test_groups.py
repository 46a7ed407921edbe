"""Tests that share something costly stay on one worker: pytest-xdist says so by a suffix of their names."""

import pytest


@pytest.mark.xdist_group("groups")
def test_groups_reach_the_scheduler(request: pytest.FixtureRequest) -> None:
    """A version of pytest that ignores the suffix would make each worker do what is meant to be done once."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("not run with --dist=loadgroup")
    assert request.node.nodeid.endswith("@groups")
