"""Registered assets: a name and a version for data, models, components and environments, kept in the store.

An asset is a name for a place, or a definition: data and code are not copied. A version is made once; after that only
its description and its tags change.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fanout.advice import advised
from fanout.errors import InputError
from fanout.pipeline.asset_kinds import AssetKind
from fanout.pipeline.assets import LATEST, NAME, VERSION, AssetName
from fanout.pipeline.yaml.diagnostics import suggest
from fanout.records.codec import Record, Seconds, Text
from fanout.storage import keys
from fanout.storage.objects import create, list_names, put, read
from fanout.tasks import each

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_NAMED = 5
"""Versions that a message names."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A version of an asset: `uri` says where data or a model is, `definition` is the YAML of anything else.

    `type` is that of data (uri_file, uri_folder, mltable) or of a component; relative paths in a definition start from
    `folder`.
    """

    kind: AssetKind
    name: Text
    version: Text
    created: Seconds  # epoch seconds
    type: str = ""
    uri: str = ""
    definition: str = ""
    folder: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(AssetName(self.name, self.version))

    def is_like(self, other: "Asset") -> bool:
        """Whether both stand for the same, whatever is said about them."""
        return replace(self, created=0.0, description="", tags={}) == replace(
            other, created=0.0, description="", tags={}
        )


ASSETS = Record(Asset, tag="asset")


def check_name(name: str, version: str) -> None:
    """InputError unless an asset can have this name and this version (`""`: the next one)."""
    what = "letters, digits, '_', '-' and '.', starting with a letter or digit"
    if not re.fullmatch(NAME, name) or ".." in name:
        raise InputError(f"{name!r} cannot name an asset: expected up to 255 {what}")
    if version and (not re.fullmatch(VERSION, version) or ".." in version or version == LATEST):
        raise InputError(f"{version!r} cannot be a version: expected up to 64 {what}")


async def register(store: "ObjectStore", asset: Asset) -> Asset:
    """The asset is in the store; without a version (`""`) it gets the next number, unless the newest one is like it.

    InputError when this version stands for something else.
    """
    if not asset.version:
        return await _register_next(store, asset)
    if await _create(store, asset):
        return asset
    there = await read_asset(store, asset.kind, asset.name, asset.version)
    if there is not None and there.is_like(asset):
        changed = replace(asset, created=there.created)
        await put(store, _key(changed), ASSETS.dump(changed))
        return changed
    more = next_version(await versions(store, asset.kind, asset.name))
    raise InputError(
        f"{asset.kind} {asset} stands for something else already; a version does not change: register version {more}, "
        "or name no version to get the next one"
    )


async def read_asset(store: "ObjectStore", kind: AssetKind, name: str, version: str) -> Asset | None:
    """This version; None when there is none."""
    key = keys.asset(kind, name, version)
    body = await read(store, key)
    return None if body is None else ASSETS.load(body, key, kind=str(kind), name=name, version=version)


async def find(store: "ObjectStore", wanted: AssetName, kinds: Iterable[AssetKind]) -> Asset:
    """The asset of this name, of the first kind that has it; InputError names what there is instead."""
    tried = tuple(kinds)
    for kind in tried:
        if wanted.version is None:
            if (newest := await latest(store, kind, wanted.name)) is not None:
                return newest
        elif (found := await read_asset(store, kind, wanted.name, wanted.version)) is not None:
            return found
    raise InputError(await _nothing(store, wanted, tried))


async def latest(store: "ObjectStore", kind: AssetKind, name: str) -> Asset | None:
    """The version that was made last; None when there is none."""
    found = await all_versions(store, kind, name)
    return found[-1] if found else None


async def versions(store: "ObjectStore", kind: AssetKind, name: str) -> list[str]:
    """The versions of an asset, sorted as texts."""
    return [found.removesuffix(".json") for found in await list_names(store, keys.assets(kind, name))]


async def all_versions(store: "ObjectStore", kind: AssetKind, name: str) -> list[Asset]:
    """Every version, oldest first."""
    found = await each(lambda version: read_asset(store, kind, name, version), await versions(store, kind, name))
    return sorted(filter(None, found), key=lambda asset: (asset.created, _number(asset.version), asset.version))


async def list_assets(store: "ObjectStore", kinds: Iterable[AssetKind] = tuple(AssetKind)) -> list[Asset]:
    """The newest version of every asset, by kind and name."""
    found: list[Asset | None] = []
    for kind in kinds:
        names = await list_names(store, keys.assets(kind))
        found += [await latest(store, kind, name) for name in names]
    return [asset for asset in found if asset is not None]


def next_version(taken: Iterable[str]) -> str:
    """The number after the largest one that is taken."""
    return str(max((_number(version) for version in taken), default=0) + 1)


async def _register_next(store: "ObjectStore", asset: Asset) -> Asset:
    newest = await latest(store, asset.kind, asset.name)
    if newest is not None and newest.is_like(replace(asset, version=newest.version)):
        return await register(store, replace(asset, version=newest.version))
    while True:
        made = replace(asset, version=next_version(await versions(store, asset.kind, asset.name)))
        if await _create(store, made):
            return made


async def _create(store: "ObjectStore", asset: Asset) -> bool:
    return await create(store, _key(asset), ASSETS.dump(asset))


def _key(asset: Asset) -> str:
    return keys.asset(asset.kind, asset.name, asset.version)


async def _nothing(store: "ObjectStore", wanted: AssetName, kinds: tuple[AssetKind, ...]) -> str:
    """A sentence: there are other versions, or other names, or none."""
    what = " or ".join(kinds)
    for kind in kinds:
        if there := await versions(store, kind, wanted.name):
            some = ", ".join(there[-MOST_NAMED:])
            return f"'{wanted}': {kind} {wanted.name} has no version {wanted.version}; it has {some}, and @{LATEST}"
    names = [name for kind in kinds for name in await list_names(store, keys.assets(kind))]
    hint = suggest(wanted.name, names) if names else ""
    add = advised().add_asset(wanted.name, wanted.version, kinds[0])
    return f"'{wanted}': no {what} of this name is registered in this store{hint}; register it: {add}"


def _number(version: str) -> int:
    return int(version) if version.isdecimal() and len(version) < 16 else 0
