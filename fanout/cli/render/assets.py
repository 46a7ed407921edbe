"""Registered assets as `fanout assets` shows them. Pure."""

from collections.abc import Iterator, Sequence

from fanout.files.uris import display
from fanout.formatting import moment
from fanout.registry.assets import Asset


def asset_lines(assets: Sequence[Asset]) -> Iterator[str]:
    """One line an asset: kind, name with version, type, place."""
    names = max((len(str(asset)) for asset in assets), default=0)
    types = max((len(asset.type) for asset in assets), default=0)
    for asset in assets:
        yield f"{asset.kind:<11}  {asset!s:<{names}}  {asset.type:<{types}}  {_place(asset)}".rstrip()


def asset_details(asset: Asset) -> Iterator[str]:
    """A version: what it is, where, since when, and what is said about it."""
    kind = f"{asset.kind}, {asset.type}" if asset.type else str(asset.kind)
    yield f"{asset}  {kind}  {moment(asset.created)}"
    if asset.uri:
        yield f"  {display(asset.uri)}"
    if asset.description:
        yield f"  {asset.description}"
    if asset.tags:
        yield "  " + ", ".join(f"{key}={value}" for key, value in asset.tags.items())
    yield from (f"  {line}" for line in asset.definition.splitlines())


def asset_fields(asset: Asset) -> dict[str, object]:
    """An asset for programs; the names of the fields stay."""
    return {
        "kind": str(asset.kind),
        "name": asset.name,
        "version": asset.version,
        "created": asset.created,
        "type": asset.type or None,
        "uri": asset.uri or None,
        "definition": asset.definition or None,
        "description": asset.description or None,
        "tags": dict(asset.tags),
    }


def _place(asset: Asset) -> str:
    return display(asset.uri) if asset.uri else f"defined in {asset.folder}"
