"""`MLClient.compute`, `.datastores` and `.workspaces`: everything is this machine, under any name."""

import os
from collections.abc import Iterator
from typing import Any

from fanout.azure.polling import Finished
from fanout.azure.sdk import entities
from fanout.config.settings import Settings
from fanout.errors import InputError
from fanout.storage.datastores import Datastores

DEFAULT_DATASTORE = "workspaceblobstore"


class ComputeOperations:
    """Computes: steps run on this machine, whatever compute they name."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        """A compute of any name: the one that was created under it, or a cluster as large as this machine."""
        return self._made.get(name) or _ready(_cluster(name))

    def list(self, *, compute_type: str | None = None) -> Iterator[Any]:  # noqa: ARG002 - as Azure's
        """The computes that were created."""
        return iter(list(self._made.values()))

    def begin_create_or_update(self, compute: Any, **_more: Any) -> Finished[Any]:
        """Remembers the compute; nothing is started."""
        self._made[compute.name] = _ready(compute)
        return Finished(compute)

    begin_attach = begin_update = begin_create_or_update

    def begin_delete(self, name: str, *, action: str = "Delete") -> Finished[None]:  # noqa: ARG002 - as Azure's
        """Forgets the compute."""
        self._made.pop(name, None)
        return Finished(None)

    def begin_start(self, name: str) -> Finished[None]:  # noqa: ARG002 - as Azure's
        """Nothing is to be started."""
        return Finished(None)

    begin_stop = begin_restart = begin_start


class DatastoreOperations:
    """Datastores: those of fanout.toml, and any other name as a folder of the store."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get(self, name: str, *, include_secrets: bool = False) -> Any:  # noqa: ARG002 - as Azure's
        """A datastore of any name; its description says where it is."""
        uri = self._roots.uri(name, "") or name
        return entities().AzureBlobDatastore(
            name=name, account_name="fanout", container_name=name, description=uri.rstrip("/")
        )

    def get_default(self, *, include_secrets: bool = False) -> Any:  # noqa: ARG002 - as Azure's
        """The datastore workspaceblobstore."""
        return self.get(DEFAULT_DATASTORE)

    def list(self, *, include_secrets: bool = False) -> Iterator[Any]:  # noqa: ARG002 - as Azure's
        """Those of fanout.toml, and the default."""
        return (self.get(name) for name in sorted({DEFAULT_DATASTORE, *self._settings.datastores}))

    def create_or_update(self, datastore: Any) -> Any:
        """Refused: where a datastore is, fanout.toml says."""
        raise InputError(
            f"datastore {datastore.name}: where it is here is said in fanout.toml, in [datastores]: "
            f'{datastore.name} = "s3://bucket/prefix" or a folder'
        )

    @property
    def _roots(self) -> Datastores:
        return self._settings.roots


class WorkspaceOperations:
    """Workspaces: the store, under the name that the client was given."""

    def __init__(self, name: str, location: str) -> None:
        self._name = name
        self._location = location

    def get(self, name: str | None = None, **_more: Any) -> Any:
        """The workspace, whose location is the store."""
        return entities().Workspace(name=name or self._name, location=self._location)

    def list(self, **_more: Any) -> Iterator[Any]:
        """The one workspace."""
        return iter([self.get()])


def _cluster(name: str) -> Any:
    return entities().AmlCompute(name=name, size="this machine", min_instances=0, max_instances=os.cpu_count() or 1)


def _ready(compute: Any) -> Any:
    compute._provisioning_state = "Succeeded"
    return compute
