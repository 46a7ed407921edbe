"""The kinds of registered assets."""

from enum import StrEnum


class AssetKind(StrEnum):
    """What an asset is."""

    DATA = "data"
    MODEL = "model"
    COMPONENT = "component"
    ENVIRONMENT = "environment"
