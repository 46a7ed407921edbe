"""What a path, a URI or a YAML file of Azure's CLI is as an asset: its kind, its type and its name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fanout.errors import InputError
from fanout.pipeline.asset_kinds import AssetKind
from fanout.pipeline.data.locations import local_path, uri_of
from fanout.pipeline.yaml.diagnostics import CheckFailed
from fanout.registry.assets import Asset

_COMPONENTS = ("command", "parallel", "pipeline")
_DATA_TYPES = ("uri_file", "uri_folder", "mltable")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command line says of an asset; None: as its file says, or what the place looks like."""

    name: str | None = None
    version: str | None = None
    kind: AssetKind | None = None
    type: str | None = None
    description: str | None = None


def asset_of(place: str, wanted: Wanted) -> Asset:
    """The asset that a path, a URI or a YAML file of Azure's CLI is; InputError when it can be none, or has no name.

    A YAML file that defines a component or an environment is one; one with a `path` says where data is.
    """
    content = _yaml_of(place)
    kind = wanted.kind or _kind_of(content)
    if kind in (AssetKind.COMPONENT, AssetKind.ENVIRONMENT):
        return _defined(Path(place), content or {}, kind, wanted)
    folder = Path.cwd()
    said: Mapping[str, Any] = {}
    if content is not None and "path" in content and "name" in content:
        said, folder, place = content, Path(place).absolute().parent, str(content["path"])
    uri = _uri(place, folder)
    kind_of_data = wanted.type or _text(said, "type") or _type_of(uri)
    if kind is AssetKind.DATA and kind_of_data not in _DATA_TYPES:
        raise InputError(f"{place}: type {kind_of_data} is none of data; there is {', '.join(_DATA_TYPES)}")
    return _named(Asset(kind, "?", "", 0.0, kind_of_data, uri), said, wanted, place)


def _defined(file: Path, content: Mapping[str, Any], kind: AssetKind, wanted: Wanted) -> Asset:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{file}: a {kind} is defined by a YAML file, and this one cannot be read: {exc}") from exc
    kind_of_it = (_text(content, "type") or "command") if kind is AssetKind.COMPONENT else ""
    folder = str(file.absolute().parent)
    return _named(Asset(kind, "?", "", 0.0, kind_of_it, "", text, folder), content, wanted, str(file))


def _named(asset: Asset, said: Mapping[str, Any], wanted: Wanted, place: str) -> Asset:
    name = wanted.name or _text(said, "name")
    if not name:
        raise InputError(f"{place}: has no name; give it one with --name")
    tags = said.get("tags") if isinstance(said.get("tags"), dict) else {}
    return replace(
        asset,
        name=name,
        version=wanted.version or _text(said, "version"),
        description=wanted.description or _text(said, "description"),
        tags={str(key): str(value) for key, value in (tags or {}).items()},
    )


def _kind_of(content: Mapping[str, Any] | None) -> AssetKind:
    if content is None:
        return AssetKind.DATA
    if content.get("type") in _COMPONENTS or "command" in content or "task" in content:
        return AssetKind.COMPONENT
    if ("image" in content or "conda_file" in content or "build" in content) and "path" not in content:
        return AssetKind.ENVIRONMENT
    return AssetKind.MODEL if str(content.get("type", "")).endswith("_model") else AssetKind.DATA


def _yaml_of(place: str) -> Mapping[str, Any] | None:
    """The mapping in a YAML file of this machine; None when it is anything else."""
    import yaml

    path = Path(place)
    if path.suffix not in (".yml", ".yaml") or not path.is_file():
        return None
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return content if isinstance(content, dict) else None


def _text(said: Mapping[str, Any], key: str) -> str:
    return "" if said.get(key) is None else str(said[key])


def _uri(place: str, folder: Path) -> str:
    try:
        uri = uri_of(place, folder)
    except CheckFailed as wrong:
        raise InputError(f"{place}: {wrong}") from wrong
    path = local_path(uri)
    if path is not None and not path.exists():
        raise InputError(f"'{path}' does not exist")
    return uri


def _type_of(uri: str) -> str:
    """What the data looks like; a place that is not on this machine is a folder unless its name has an ending."""
    path = local_path(uri)
    if path is None:
        return "uri_file" if "." in uri.rstrip("/").rpartition("/")[2] and not uri.endswith("/") else "uri_folder"
    if (path / "MLTable").is_file():
        return "mltable"
    return "uri_folder" if path.is_dir() else "uri_file"
