"""`--set a.b.c=value`: one value of the file replaced before anything is checked."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fanout.errors import Place
from fanout.pipeline.yaml.diagnostics import Report, shorten, suggest
from fanout.pipeline.yaml.parser import DocumentSource, parse_document
from fanout.pipeline.yaml.tree import ListNode, MapEntry, MapNode, Node, Origin, ScalarNode, child_key, is_null

_DEPTH_LIMIT = 20


def apply_overrides(root: Node, overrides: Sequence[str], folder: Path, report: Report) -> Node:
    """`root` with each override applied in turn; relative paths in a value start from `folder`.

    The path is a dotted one, list indexes included, and is created where it is missing. The value is YAML.
    """
    for override in overrides:
        name = f"--set {shorten(override)}"
        path, value = _read(override, DocumentSource(name, folder), report)
        if path and _is_known(root, path, name, report):
            root = _put(root, path, value, _Context(name, folder, report), "")
    return root


class _Context:
    """What every step of one override needs to place its problems."""

    def __init__(self, name: str, folder: Path, report: Report) -> None:
        self.name = name
        self.folder = folder
        self.report = report

    def origin(self, key: str) -> Origin:
        # The option shows the dotted path first, so a key's column is where its own part of the path starts.
        return Origin(Place(self.name, 1, key.rfind(".") + 2), key, self.folder)


def _read(override: str, source: DocumentSource, report: Report) -> tuple[list[str], Node]:
    dotted, equals, text = override.partition("=")
    path = dotted.split(".")
    value: Node = ScalarNode(Origin(Place(source.name, 1, len(dotted) + 2), dotted, source.folder), None, "")
    if not equals or not all(path) or len(path) > _DEPTH_LIMIT:
        report.problem_at(
            Place(source.name, 1, 1), "", "expected a dotted path, '=' and a value: jobs.score.compute=local"
        )
        return [], value
    if text.strip():
        # Spaces in place of the path: so every column is the option's own.
        padded = " " * (len(dotted) + 1) + text
        value = parse_document(padded.encode("utf-8", "replace"), source, report, key=dotted)
    return path, value


def is_option(origin: Origin) -> bool:
    """Whether a value comes from the command line."""
    return origin.place.file.startswith("--set ")


def _is_known(root: Node, path: Sequence[str], name: str, report: Report) -> bool:
    """Whether there is a step of this name, when the override is about part of one: steps are not made in pieces."""
    jobs = root.get("jobs") if isinstance(root, MapNode) else None
    if path[0] != "jobs" or len(path) < 3 or not isinstance(jobs, MapNode) or path[1] in jobs.entries:
        return True
    place = Place(name, 1, len("jobs.") + 1)
    report.problem_at(place, ".".join(path), f"there is no step '{shorten(path[1])}'{suggest(path[1], jobs.entries)}")
    return False


def _put(node: Node | None, path: Sequence[str], value: Node, context: _Context, key: str) -> Node:
    """`node` with `value` at `path` below it."""
    if not path:
        return value
    if node is None or is_null(node):
        node = MapNode(context.origin(key))
    if isinstance(node, MapNode):
        return _put_key(node, path, value, context, key)
    if isinstance(node, ListNode):
        return _put_item(node, path, value, context, key)
    if isinstance(node, ScalarNode):
        context.report.problem(
            context.origin(child_key(key, path[0])), f"{key or 'the file'} is '{shorten(node.text)}', no mapping"
        )
    return node


def _put_key(node: MapNode, path: Sequence[str], value: Node, context: _Context, key: str) -> MapNode:
    path_here = child_key(key, path[0])
    old = node.entries.get(path[0])
    place = old.place if old else context.origin(path_here).place
    new = _put(old.value if old else None, path[1:], value, context, path_here)
    return replace(node, entries={**node.entries, path[0]: MapEntry(place, new)})


def _put_item(node: ListNode, path: Sequence[str], value: Node, context: _Context, key: str) -> ListNode:
    path_here = child_key(key, path[0])
    index = int(path[0]) if path[0].isascii() and path[0].isdigit() and len(path[0]) < 6 else -1
    if not 0 <= index <= len(node.items):
        message = f"expected an index from 0 to {len(node.items)} into a list, found '{shorten(path[0])}'"
        context.report.problem(context.origin(path_here), message)
        return node
    old = node.items[index] if index < len(node.items) else None
    items = [*node.items[:index], _put(old, path[1:], value, context, path_here), *node.items[index + 1 :]]
    return replace(node, items=tuple(items))
