"""A step's `component:`: a local file, with or without `file:`, or a mapping on the spot.

The step's keys win over the component's, each as a whole (`resources`, `retry_settings` and `task` are not mixed key by
key), as Azure's SDK does; unlike there an explicit 0 stays. Paths in a component file start from that file's folder.
"""

import os.path
import re
from dataclasses import replace
from pathlib import Path

from fanout.spec.check import choice, expected, mapping
from fanout.spec.document import read_document
from fanout.spec.fields import Fields
from fanout.spec.nodes import Entry, MapNode, Node, ScalarNode, is_null
from fanout.spec.report import Report, Wrong, shorten

_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,254}")
_OWN_KEYS = ("$schema", "name", "version", "type", "display_name", "description", "tags", "inputs", "outputs")


def load_component(node: Node, report: Report) -> MapNode:
    """The component that a step names; Wrong when it is of a kind that fanout cannot run or is not there."""
    if isinstance(node, MapNode):
        return _checked(node, report)
    if not isinstance(node, ScalarNode) or not node.text.strip():
        raise expected("the path of a component file", node)
    reference = node.text.strip()
    if reference.startswith("azureml:"):
        raise Wrong(
            f"'{shorten(reference)}' is in an Azure workspace or registry; give the path of a local component file"
        )
    path = reference.removeprefix("file:").removeprefix("//")
    if Path(path).name == "flow.dag.yaml":
        raise Wrong(
            "a prompt flow (flow.dag.yaml) is not supported as a component; write a parallel or command component"
        )
    return _checked(mapping(_read(path, node, report)), report)


def merge(node: MapNode, component: MapNode) -> MapNode:
    """The step's keys over those of its component."""
    inherited = {key: entry for key, entry in component.entries.items() if key not in _OWN_KEYS}
    own: dict[str, Entry] = {
        key: entry
        for key, entry in node.entries.items()
        if key != "component" and not (key in inherited and is_null(entry.value))
    }
    return replace(node, entries={**inherited, **own})


def component_type(component: MapNode) -> str:
    """`parallel` or `command`; command is what a component without a type is."""
    kind = component.get("type")
    return kind.text if isinstance(kind, ScalarNode) else "command"


def _read(path: str, node: Node, report: Report) -> Node:
    full = Path(os.path.normpath(node.origin.folder / path))
    try:
        if not full.is_file():
            raise Wrong(f"there is no component file '{full}'")
    except OSError as exc:
        raise Wrong(f"'{shorten(path)}' is no path of a component file: {exc.strerror}") from exc
    here = node.origin.place.file
    name = str(full) if here.startswith("--set ") else os.path.normpath(Path(here).parent / path)
    return read_document(full, name, report)


def _checked(component: MapNode, report: Report) -> MapNode:
    fields = Fields(component, report)
    fields.take("name", _name, "")
    if (kind := fields.get("type")) is not None:
        _type(kind)
    return component


def _type(node: Node) -> str:
    if isinstance(node, ScalarNode) and node.text == "pipeline":
        message = "a pipeline component is not supported; write its steps into the pipeline file"
        raise Wrong(message, node.origin)
    return choice("command", "parallel")(node)


def _name(node: Node) -> str:
    if isinstance(node, ScalarNode) and _NAME.fullmatch(node.text):
        return node.text
    raise expected("a name of lower-case letters, digits and underscores", node)
