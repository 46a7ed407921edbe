"""Notebooks and scripts of Azure's SDK, run by the installed command; the SDK comes with `make setup`."""

import importlib.util
import os

import pytest


@pytest.fixture(autouse=True)
def sdk() -> None:
    """Skips where Azure's SDK is not installed; fails where CI must have it."""
    if importlib.util.find_spec("azure") is None or importlib.util.find_spec("azure.ai.ml") is None:
        why = "azure-ai-ml is not installed; run: make setup"
        if os.environ.get("CI") or os.environ.get("FANOUT_REQUIRE_SERVERS"):
            pytest.fail(why)
        pytest.skip(why)
