"""The door to Azure's own SDK, which is loaded when it is first used: that takes seconds."""

import importlib
import logging
from typing import Any

from fanout.errors import MissingExtraError


def library(name: str) -> Any:
    """A module of Azure's SDK; MissingExtraError when the extra `azure` is not installed."""
    # Each class in preview announces itself through this logger on first use.
    logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] != "azure":
            raise
        raise MissingExtraError("fanout.azure", "azure") from exc


def entities() -> Any:
    """`azure.ai.ml.entities`."""
    return library("azure.ai.ml.entities")
