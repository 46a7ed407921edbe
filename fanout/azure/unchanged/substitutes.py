"""Replaces Azure's classes in the process of a notebook or script: our client, and credentials that are never sent.

A finder of modules waits for the import of Azure's packages; nothing is loaded before the script asks for it.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, NamedTuple

FAR = 4_102_444_800  # 2100-01-01 in epoch seconds


class Token(NamedTuple):
    """As `azure.core.credentials.AccessToken`."""

    token: str
    expires_on: int


class LocalCredential:
    """Takes what any of Azure's credentials takes, contacts no server, and gives a token that means nothing."""

    def __init__(self, *_positional: Any, **_named: Any) -> None:
        """Everything is taken, and nothing is kept."""

    def get_token(self, *_scopes: str, **_named: Any) -> Token:
        """A token for no server."""
        return Token("fanout", FAR)

    def close(self) -> None:
        """There is nothing to be closed."""

    def __enter__(self) -> "LocalCredential":
        return self

    def __exit__(self, *_what: object) -> None:
        self.close()


def substitute() -> None:
    """From here on `azure.ai.ml.MLClient` and the credentials of `azure.identity` are ours in this process."""
    sys.meta_path.insert(0, _Finder({"azure.ai.ml": _replace_client, "azure.identity": _replace_credentials}))


def _replace_client(module: ModuleType) -> None:
    from fanout.azure.client import MLClient

    module.MLClient = MLClient  # type: ignore[attr-defined]


def _replace_credentials(module: ModuleType) -> None:
    for name in [name for name in vars(module) if name.endswith("Credential")]:
        setattr(module, name, type(name, (LocalCredential,), {"__module__": module.__name__}))


class _Finder(MetaPathFinder):
    """Finds the modules that are changed once they are loaded, where the others look for them."""

    def __init__(self, changes: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self._changes = changes

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of the module, whose loader changes it afterwards; None for all other modules."""
        if fullname not in self._changes:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Changing(spec.loader, self._changes[fullname])
        return spec


class _Changing(Loader):
    """Loads as another loader does, and then changes the module."""

    def __init__(self, loader: Loader, change: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._change = change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the other."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the other, then the change."""
        self._loader.exec_module(module)
        self._change(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
