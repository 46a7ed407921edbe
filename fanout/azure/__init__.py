"""Azure's SDK v2 for Python on this machine: its own package, with a client that runs jobs here.

`from fanout.azure import MLClient` takes the place of `from azure.ai.ml import MLClient`; every other name of
`azure.ai.ml` can be imported from here, too, and is Azure's own. Needs the extra `azure`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fanout.azure.client import MLClient

__all__ = ["MLClient"]


def __getattr__(name: str) -> Any:
    """MLClient, or what `azure.ai.ml` has under this name."""
    if name == "MLClient":
        from fanout.azure.client import MLClient

        return MLClient
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fanout.azure.sdk import library

    try:
        return getattr(library("azure.ai.ml"), name)
    except AttributeError:
        raise AttributeError(f"neither {__name__} nor azure.ai.ml has a name {name!r}") from None
