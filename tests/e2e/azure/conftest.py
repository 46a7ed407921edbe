"""Notebooks and scripts of Azure's SDK, run by the installed command; the SDK comes with `make setup`."""

import os

import pytest

from tests.differential.gather import is_installed


@pytest.fixture(autouse=True)
def sdk() -> None:
    """Skips where Azure's SDK is not installed; fails where CI must have it."""
    if not is_installed():
        why = "azure-ai-ml is not installed; run: make setup"
        if os.environ.get("CI") or os.environ.get("FANOUT_REQUIRE_SERVERS"):
            pytest.fail(why)
        pytest.skip(why)
