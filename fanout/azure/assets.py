"""`MLClient.data`, `models`, `environments` and `components`: the registry of the store as objects of Azure's SDK."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fanout.api.assets import Registry
from fanout.azure.documents import absolute, component_document, environment_document
from fanout.azure.sdk import entities, library
from fanout.errors import InputError
from fanout.pipeline.asset_kinds import AssetKind
from fanout.pipeline.assets import LATEST, AssetName
from fanout.pipeline.data.locations import uri_of
from fanout.registry.assets import Asset

_NO_ARCHIVE = "assets are not archived here; a version that is not named has no effect"


class AssetOperations:
    """Assets of one kind: `create_or_update`, `get`, `list`."""

    kind: AssetKind

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def create_or_update(self, entity: Any, **_more: Any) -> Any:
        """Registers the asset, without a version under the next number; nothing is copied.

        InputError when this version stands for something else.
        """
        return self._entity(self._registry.register(self._asset(entity)))

    def get(self, name: str, version: str | None = None, label: str | None = None) -> Any:
        """The asset of this version, or with `label="latest"` the newest; ResourceNotFoundError without one."""
        if label not in (None, LATEST):
            raise InputError(f"{self.kind} {name}: the only label is {LATEST}")
        if version is None and label is None:
            raise InputError(f'{self.kind} {name}: give a version, or label="{LATEST}"')
        try:
            found = self._registry.find(AssetName(name, None if version is None else str(version)), (self.kind,))
        except InputError as error:
            # Notebooks catch Azure's error to create what is missing.
            raise library("azure.core.exceptions").ResourceNotFoundError(str(error)) from error
        return self._entity(found)

    def list(self, name: str | None = None, **_more: Any) -> Iterator[Any]:
        """The newest version of every asset, or every version of one, the newest first."""
        if name is None:
            return map(self._entity, self._registry.newest((self.kind,)))
        return map(self._entity, self._registry.versions(self.kind, name)[::-1])

    def archive(self, name: str, **_more: Any) -> None:
        """Refused: see the message."""
        raise InputError(f"{self.kind} {name}: {_NO_ARCHIVE}")

    def _asset(self, entity: Any) -> Asset:
        """The entity as it is registered."""
        said = {str(key): str(value) for key, value in (entity.tags or {}).items()}
        version = "" if entity.version is None or getattr(entity, "_auto_increment_version", False) else entity.version
        if not entity.name:
            raise InputError(f"a {self.kind} needs a name to be registered")
        return Asset(
            self.kind,
            entity.name,
            str(version),
            0.0,
            description=entity.description or "",
            tags=said,
            **self._of(entity),
        )

    def _of(self, entity: Any) -> dict[str, str]:
        """The fields of the asset that say what it stands for."""
        raise NotImplementedError

    def _entity(self, asset: Asset) -> Any:
        """The object of the SDK."""
        raise NotImplementedError


class DataOperations(AssetOperations):
    """`MLClient.data`."""

    kind = AssetKind.DATA

    def _of(self, entity: Any) -> dict[str, str]:
        return {"type": str(entity.type), "uri": _uri(entity)}

    def _entity(self, asset: Asset) -> Any:
        return _identified(entities().Data(type=asset.type, **_described(asset)), asset)


class ModelOperations(AssetOperations):
    """`MLClient.models`."""

    kind = AssetKind.MODEL

    def _of(self, entity: Any) -> dict[str, str]:
        return {"type": str(entity.type or "custom_model"), "uri": _uri(entity)}

    def _entity(self, asset: Asset) -> Any:
        kind = asset.type if asset.type.endswith("_model") else "custom_model"
        return _identified(entities().Model(type=kind, **_described(asset)), asset)


class EnvironmentOperations(AssetOperations):
    """`MLClient.environments`."""

    kind = AssetKind.ENVIRONMENT

    def _of(self, entity: Any) -> dict[str, str]:
        document = {key: value for key, value in environment_document(entity).items() if key not in ("name", "version")}
        return {"definition": _yaml(document), "folder": str(Path.cwd())}

    def _entity(self, asset: Asset) -> Any:
        return _identified(_loaded("load_environment", asset), asset)


class ComponentOperations(AssetOperations):
    """`MLClient.components`; a component that was got is called as one that was loaded from its file."""

    kind = AssetKind.COMPONENT

    def create_or_update(self, entity: Any, *, version: str | None = None, **_more: Any) -> Any:
        """As of the others; a function with `@command_component` or `@dsl.pipeline` stands for its component."""
        component = getattr(entity, "component", None) if callable(entity) and not hasattr(entity, "_to_dict") else None
        asset = self._asset(component or _builder_component(entity))
        if version is not None:
            asset = Asset(**{**{name: getattr(asset, name) for name in Asset.__slots__}, "version": str(version)})
        return self._entity(self._registry.register(asset))

    def _of(self, entity: Any) -> dict[str, str]:
        document = {key: value for key, value in component_document(entity).items() if key not in ("name", "version")}
        return {"type": str(entity.type), "definition": _yaml(document), "folder": str(Path.cwd())}

    def _entity(self, asset: Asset) -> Any:
        return _identified(_loaded("load_component", asset), asset)


def _builder_component(entity: Any) -> Any:
    """The component behind a function that makes pipelines, or the entity itself."""
    builder = getattr(entity, "_pipeline_builder", None)
    return entity if builder is None else builder.build(user_provided_kwargs={})


def _described(asset: Asset) -> dict[str, Any]:
    return {
        "name": asset.name,
        "version": asset.version,
        "description": asset.description or None,
        "tags": dict(asset.tags),
        "path": asset.uri.removeprefix("file://"),
    }


def _identified(entity: Any, asset: Asset) -> Any:
    """The entity with the name that pipelines use for it in the place of Azure's id."""
    entity._id = str(asset)
    return entity


def _loaded(load: str, asset: Asset) -> Any:
    import yaml

    document = {**yaml.safe_load(asset.definition), "name": asset.name, "version": asset.version}
    if asset.description:
        document["description"] = asset.description
    if asset.tags:
        document["tags"] = dict(asset.tags)
    text = io.StringIO(_yaml(document))
    return getattr(library("azure.ai.ml"), load)(text, relative_origin=f"{asset.folder}/{asset.name}.yml")


def _yaml(document: object) -> str:
    import yaml

    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _uri(entity: Any) -> str:
    """Where the data is, as an absolute URI; InputError when it is not there."""
    from fanout.pipeline.data.locations import local_path
    from fanout.pipeline.yaml.diagnostics import CheckFailed

    if not entity.path:
        raise InputError(f"{entity.name}: has no path")
    base = Path(entity.base_path or Path.cwd())
    try:
        uri = uri_of(str(absolute(str(entity.path), base)), base)
    except CheckFailed as wrong:
        raise InputError(f"{entity.name}: {wrong}") from wrong
    path = local_path(uri)
    if path is not None and not path.exists():
        raise InputError(f"{entity.name}: '{path}' does not exist")
    return uri
