"""`fanout assets`: names and versions for data, models, components and environments."""

import json as json_format
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.api.where import Where
from fanout.cli import options
from fanout.pipeline.asset_kinds import AssetKind

if TYPE_CHECKING:
    from fanout.api.assets import Registry
    from fanout.pipeline.assets import AssetName

assets = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Register and show data, models, components, environments.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Kind = Annotated[
    AssetKind | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="data, model, component or environment; by default as it looks.",
        show_default=False,
    ),
]
OnlyKind = Annotated[
    AssetKind | None,
    typer.Option("--kind", metavar="KIND", help="data, model, component or environment.", show_default=False),
]
Name = Annotated[str | None, typer.Option(metavar="NAME", help="By default as the file says.", show_default=False)]
Version = Annotated[str | None, typer.Option(metavar="V", help="By default the next number.", show_default=False)]
Type = Annotated[
    str | None,
    typer.Option(
        "--type", metavar="TYPE", show_default=False, help="uri_file, uri_folder or mltable; by default as it looks."
    ),
]
Described = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="A sentence.", show_default=False)]
Place = Annotated[str, typer.Argument(metavar="PATH", help="A path, a URI, or a YAML file.", show_default=False)]
Shown = Annotated[str, typer.Argument(metavar="NAME", help="NAME, NAME:VERSION or NAME@latest.", show_default=False)]


@assets.command()
def add(
    path: Place,
    name: Name = None,
    version: Version = None,
    kind: Kind = None,
    type_: Type = None,
    description: Described = None,
    store: options.Store = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Register an asset; nothing is copied.

    PATH is where data or a model is, or a YAML file that defines a component, an environment or an asset.
    """
    from fanout.cli.render.assets import asset_fields
    from fanout.registry.described import Wanted, asset_of

    made = asset_of(path, Wanted(name, version, kind, type_, description))
    asset = _registry(store, profile).register(made)
    typer.echo(json_format.dumps(asset_fields(asset)) if json else str(asset))


@assets.command("list")
def list_(
    kind: OnlyKind = None,
    store: options.Store = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """List the newest version of every asset."""
    from fanout.cli.render.assets import asset_fields, asset_lines
    from fanout.cli.render.output import output_to

    found = _registry(store, profile).newest((kind,) if kind else tuple(AssetKind))
    if json:
        typer.echo(json_format.dumps({"assets": [asset_fields(asset) for asset in found]}))
        return
    output = output_to(sys.stdout)
    for line in asset_lines(found):
        output.line(line)


@assets.command()
def show(
    name: Shown,
    kind: OnlyKind = None,
    store: options.Store = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Show the versions of an asset, or one of them."""
    from fanout.cli.render.assets import asset_details, asset_fields
    from fanout.cli.render.output import output_to

    registry, kinds = _registry(store, profile), (kind,) if kind else tuple(AssetKind)
    wanted = _wanted(name)
    newest = registry.find(wanted, kinds)
    bare = wanted.version is None and "@" not in name
    found = registry.versions(newest.kind, newest.name) if bare else [newest]
    if json:
        typer.echo(json_format.dumps({"assets": [asset_fields(asset) for asset in found]}))
        return
    output = output_to(sys.stdout)
    for asset in found:
        for line in asset_details(asset):
            output.line(line)


def _registry(store: str | None, profile: str | None) -> "Registry":
    from fanout.api import context
    from fanout.api.assets import Registry

    return Registry(context.settings_of(Path.cwd(), Where(store, profile=profile)))


def _wanted(name: str) -> "AssetName":
    from fanout.errors import InputError
    from fanout.pipeline.assets import asset_name
    from fanout.pipeline.yaml.diagnostics import CheckFailed

    try:
        found = asset_name(name if name.startswith("azureml:") else f"azureml:{name}")
    except CheckFailed as wrong:
        raise InputError(str(wrong)) from wrong
    if found is None:
        raise InputError(f"'{name}' names no asset; expected NAME, NAME:VERSION or NAME@latest")
    return found
