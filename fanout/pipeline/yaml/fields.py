"""Reads a mapping key by key, in one line a key. A key that was not read by the end is unknown."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

from fanout.pipeline.yaml.checks import mapping
from fanout.pipeline.yaml.diagnostics import Check, Report, suggest
from fanout.pipeline.yaml.tree import MapNode, Node, Origin, child_key, is_null

T = TypeVar("T")
D = TypeVar("D")


class Fields:
    """A mapping that is read key by key. A key that was not read by the end is unknown."""

    def __init__(self, node: MapNode, report: Report, resolve: Callable[[Node], Node] = lambda node: node) -> None:
        self.node = node
        self.origin = node.origin
        self.report = report
        self._resolve = resolve
        self._known: dict[str, None] = {}

    def get(self, key: str) -> Node | None:
        """The node under `key`; None when missing or null."""
        self._known[key] = None
        return self.node.get(key)

    def take(self, key: str, check: Check[T], default: D) -> T | D:
        """The checked value under `key`, or `default` when missing or wrong."""
        node = self.get(key)
        return default if node is None else self.report.attempt(node, check, default)

    def bound(self, key: str, check: Check[T], default: D) -> T | D:
        """As `take`, for a setting that may be bound to an input: `${{parent.inputs.x}}`."""

        def resolved(node: Node) -> T | D:
            # An optional input without a value leaves the setting as if it had not been written.
            there = self._resolve(node)
            return default if is_null(there) else check(there)

        return self.take(key, resolved, default)

    def require(self, key: str, check: Check[T], default: D, expected: str) -> T | D:
        """As `take`, where a missing key is a problem."""
        if self.get(key) is None:
            self.report.problem_at(self.origin.place, child_key(self.origin.key, key), f"missing; expected {expected}")
        return self.take(key, check, default)

    def fields(self, key: str) -> "Fields":
        """The mapping under `key`; an empty one when it is missing or no mapping."""
        empty = MapNode(Origin(self.origin.place, child_key(self.origin.key, key), self.origin.folder))
        return Fields(self.take(key, mapping, empty), self.report, self._resolve)

    def ignore(self, *keys: str) -> None:
        """These keys are fine and change nothing that anybody would miss."""
        self._known.update(dict.fromkeys(keys))

    def no_effect(self, *keys: str, why: str = "") -> None:
        """These keys are fine on Azure and do nothing here, which is said: in a line for all, or with `why` each."""
        for key in keys:
            node = self.get(key)
            if node is None:
                continue
            if why:
                self.report.notice(node.origin, why)
            else:
                self.report.unused(node.origin)

    def close(self, elsewhere: Mapping[str, str] = MappingProxyType({})) -> None:
        """Note every key that was not read; `elsewhere` says of keys that belong in another place in which."""
        for key, entry in self.node.entries.items():
            if key not in self._known:
                path, there = child_key(self.origin.key, key), elsewhere.get(key)
                hint = f" here; {there}" if there else suggest(key, self._known)
                self.report.problem_at(entry.place, path, f"unknown key{hint}")
