"""`MLClient` in the place of Azure's: jobs become runs on this machine. No server of Azure is contacted."""

import json
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from fanout.api import context
from fanout.api.assets import Registry
from fanout.api.where import Where
from fanout.azure.assets import ComponentOperations, DataOperations, EnvironmentOperations, ModelOperations
from fanout.azure.jobs import JobOperations
from fanout.azure.places import ComputeOperations, DatastoreOperations, WorkspaceOperations
from fanout.azure.sdk import entities, library
from fanout.errors import InputError

_CONFIG_FOLDERS = ("", ".azureml", "aml_config")
_NOT_HERE = (
    "batch_deployments",
    "batch_endpoints",
    "capability_hosts",
    "connections",
    "evaluators",
    "feature_sets",
    "feature_store_entities",
    "feature_stores",
    "indexes",
    "online_deployments",
    "online_endpoints",
    "registries",
    "schedules",
    "serverless_endpoints",
)


class MLClient:
    """Runs what `azure.ai.ml` builds: pipelines of parallel and command steps.

    The credential and the names of subscription, group and workspace are accepted and not used. `store`, `queue` and
    `profile` mean what they mean on the command line; by default fanout.toml and FANOUT_STORE count.
    """

    def __init__(
        self,
        credential: Any = None,
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
        registry_name: str | None = None,
        *,
        store: str | None = None,
        queue: str | None = None,
        profile: str | None = None,
        **_more: Any,
    ) -> None:
        del credential
        library("azure.ai.ml")
        self.subscription_id = subscription_id or "local"
        self.resource_group_name = resource_group_name or "local"
        self.workspace_name = workspace_name or registry_name or "fanout"
        self._where = Where(store, queue, profile)

    @classmethod
    def from_config(
        cls,
        credential: Any = None,
        *,
        path: str | PathLike[str] | None = None,
        file_name: str | None = None,
        **more: Any,
    ) -> "MLClient":
        """A client with the names in config.json, where there is one at `path` or above it; none is needed."""
        found = _config(Path(path or "."), file_name or "config.json")
        names = {
            "subscription_id": found.get("subscription_id"),
            "resource_group_name": found.get("resource_group"),
            "workspace_name": found.get("workspace_name"),
        }
        return cls(credential, **{**names, **more})

    def __repr__(self) -> str:
        return f"<fanout.azure.MLClient of {self._settings.store}>"

    @cached_property
    def jobs(self) -> JobOperations:
        """Jobs: runs, and the steps of runs."""
        return JobOperations(self._settings, self._where)

    @cached_property
    def compute(self) -> ComputeOperations:
        """Computes: this machine, under any name."""
        return ComputeOperations()

    @cached_property
    def datastores(self) -> DatastoreOperations:
        """Datastores: those of fanout.toml, and folders of the store."""
        return DatastoreOperations(self._settings)

    @cached_property
    def workspaces(self) -> WorkspaceOperations:
        """The workspace: the store."""
        return WorkspaceOperations(self.workspace_name, self._settings.store)

    @cached_property
    def data(self) -> DataOperations:
        """Data in the registry of the store."""
        return DataOperations(self._registry)

    @cached_property
    def models(self) -> ModelOperations:
        """Models in the registry of the store."""
        return ModelOperations(self._registry)

    @cached_property
    def environments(self) -> EnvironmentOperations:
        """Environments in the registry of the store."""
        return EnvironmentOperations(self._registry)

    @cached_property
    def components(self) -> ComponentOperations:
        """Components in the registry of the store."""
        return ComponentOperations(self._registry)

    def create_or_update(self, entity: Any, **more: Any) -> Any:
        """Starts a job or registers an asset, by the class of `entity`; InputError for any other class."""
        known = entities()
        for kind, operations in (
            (known.Data, self.data),
            (known.Model, self.models),
            (known.Environment, self.environments),
            (known.Component, self.components),
        ):
            if isinstance(entity, kind):
                return operations.create_or_update(entity, **more)
        if hasattr(entity, "_to_dict") and getattr(entity, "type", None):
            return self.jobs.create_or_update(entity, **more)
        raise InputError(f"{type(entity).__name__} can be neither run nor registered here")

    def begin_create_or_update(self, entity: Any, **more: Any) -> Any:
        """Creates a compute, which is this machine; InputError for anything that only Azure has."""
        if isinstance(entity, entities().Compute):
            return self.compute.begin_create_or_update(entity, **more)
        raise InputError(f"{type(entity).__name__} cannot be created here: fanout runs jobs, and serves nothing")

    def __getattr__(self, name: str) -> Any:
        if name in _NOT_HERE:
            raise InputError(f"MLClient.{name} is not available: fanout runs pipelines with parallel and command steps")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @cached_property
    def _settings(self) -> Any:
        return context.settings_of(Path.cwd(), self._where)

    @cached_property
    def _registry(self) -> Registry:
        return Registry(self._settings)


def _config(start: Path, file_name: str) -> dict[str, Any]:
    """The content of the configuration file at `start`, in its folder or above it; empty without one."""
    here = start.absolute()
    if here.is_file():
        return _read(here)
    for folder in (here, *here.parents):
        for below in _CONFIG_FOLDERS:
            if (folder / below / file_name).is_file():
                return _read(folder / below / file_name)
    return {}


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise InputError(f"{path}: is no configuration of a workspace: {exc}") from exc
    scope = found.get("Scope") if isinstance(found, dict) else None
    if isinstance(scope, str):  # the older form: an id with all three names
        parts = scope.strip("/").split("/")
        found = dict(zip(("subscription_id", "resource_group", "workspace_name"), parts[1::2], strict=False))
    return found if isinstance(found, dict) else {}
