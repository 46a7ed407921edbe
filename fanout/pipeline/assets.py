"""Names of registered assets in pipeline files (`azureml:name:version`, `azureml:name@latest`) and what they stand for.

Inputs name data and models, steps name components and environments. What a name stands for is asked of a `Lookup`; the
registry of a store is one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from fanout.pipeline.asset_kinds import AssetKind
from fanout.pipeline.yaml.diagnostics import CheckFailed, Report
from fanout.pipeline.yaml.parser import DocumentSource, parse_document
from fanout.pipeline.yaml.tree import ListNode, MapEntry, MapNode, Node, ScalarNode

LATEST = "latest"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"
VERSION = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_SHORT = re.compile(rf"azureml:(?P<name>{NAME})(?::(?P<version>{VERSION})|@(?P<label>[A-Za-z0-9_-]+))?")
_IN_A_WORKSPACE = re.compile(
    r"(?:azureml:)?/subscriptions/\S*/(?:data|models|components|environments)/"
    rf"(?P<name>{NAME})/(?:versions/(?P<version>{VERSION})|labels/(?P<label>[A-Za-z0-9_-]+))"
)


@dataclass(frozen=True, slots=True)
class AssetName:
    """What a pipeline file asks for: a version of an asset, or without one the newest."""

    name: str
    version: str | None = None

    def __str__(self) -> str:
        return f"azureml:{self.name}:{self.version}" if self.version else f"azureml:{self.name}@{LATEST}"


@dataclass(frozen=True, slots=True)
class Definition:
    """The YAML text of a component or environment; relative paths in it start from `folder`."""

    text: str
    folder: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an asset stands for: the URI of data, or a definition; `label` names it in messages."""

    label: str
    uri: str = ""
    definition: Definition | None = None


Lookup = Callable[[AssetName, tuple[AssetKind, ...]], Meaning]
"""The asset of this name that is of one of these kinds; CheckFailed, with the cure, when there is none."""


def asset_name(text: str) -> AssetName | None:
    """The asset that `text` names, if it names one; CheckFailed for a label other than latest."""
    match = _SHORT.fullmatch(text.strip()) or _IN_A_WORKSPACE.fullmatch(text.strip())
    if match is None:
        return None
    if match["label"] not in (None, LATEST):
        raise CheckFailed(f"'{text.strip()}': the only label is @{LATEST}; else write a version, azureml:name:version")
    return AssetName(match["name"], match["version"])


def with_assets(node: Node, lookup: Lookup | None, report: Report) -> Node:
    """The tree with the URI of data in the place of each name of data, and definitions in that of environments.

    A name of data that means nothing is a problem. One of an environment stays: images are not used here.
    """
    if lookup is None:
        return node
    if isinstance(node, ListNode):
        return replace(node, items=tuple(with_assets(item, lookup, report) for item in node.items))
    if not isinstance(node, MapNode):
        return node
    entries: dict[str, MapEntry] = {}
    for key, entry in node.entries.items():
        value = entry.value
        if key == "inputs" and isinstance(value, MapNode):
            value = _inputs(value, lookup, report)
        elif key == "environment" and isinstance(value, ScalarNode):
            value = _environment(value, lookup, report)
        else:
            value = with_assets(value, lookup, report)
        entries[key] = replace(entry, value=value)
    return replace(node, entries=entries)


def component_of(meaning: Meaning, report: Report) -> Node:
    """The document of a registered component."""
    return _document(meaning, report)


def _inputs(inputs: MapNode, lookup: Lookup, report: Report) -> MapNode:
    entries = {key: replace(entry, value=_input(entry.value, lookup, report)) for key, entry in inputs.entries.items()}
    return replace(inputs, entries=entries)


def _input(node: Node, lookup: Lookup, report: Report) -> Node:
    if isinstance(node, MapNode) and (path := node.entries.get("path")) is not None:
        return replace(node, entries={**node.entries, "path": replace(path, value=_data(path.value, lookup, report))})
    return _data(node, lookup, report)


def _data(node: Node, lookup: Lookup, report: Report) -> Node:
    if not isinstance(node, ScalarNode):
        return node

    def check(_node: Node) -> Node:
        name = asset_name(node.text)
        if name is None:
            return node
        uri = lookup(name, (AssetKind.DATA, AssetKind.MODEL)).uri
        return replace(node, value=uri, text=uri, via=node.text.strip())

    # A place that is not looked at now: what uses the input has no problem of its own.
    elsewhere = replace(node, value=_ELSEWHERE, text=_ELSEWHERE)
    return report.attempt(node, check, elsewhere)


_ELSEWHERE = "azureml://datastores/unknown/paths/asset"


def _environment(node: ScalarNode, lookup: Lookup, report: Report) -> Node:
    try:
        name = asset_name(node.text)
        meaning = lookup(name, (AssetKind.ENVIRONMENT,)) if name else None
    except CheckFailed:
        return node
    return node if meaning is None else _document(meaning, report)


def _document(meaning: Meaning, report: Report) -> Node:
    if meaning.definition is None:
        raise CheckFailed(f"{meaning.label} has no definition")
    source = DocumentSource(meaning.label, Path(meaning.definition.folder))
    return parse_document(meaning.definition.text.encode(), source, report)
