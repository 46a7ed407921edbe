"""YAML text to a tree of marked nodes, within bounds that no hostile file gets around.

PyYAML parses to events, which say nothing but what is written; from those the tree is built here, so no Python object
is ever constructed, no recursion is deeper than the depth limit, and what aliases unfold to is counted. After a
syntax error nothing can be said about the rest; duplicate keys, tags and the like are collected.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fanout.errors import Place, SpecError
from fanout.pipeline.yaml.diagnostics import Report, shorten
from fanout.pipeline.yaml.tree import (
    ListNode,
    MapEntry,
    MapNode,
    Node,
    Origin,
    ScalarNode,
    child_key,
    core_value,
    is_null,
)

SIZE_LIMIT = 1024 * 1024
DEPTH_LIMIT = 50
NODE_LIMIT = 50_000
KEY_LIMIT = 200

# The C parser where the wheel has one: a megabyte takes it less than a second.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_PLAIN = ""  # the tag of a plain scalar, whose value the core schema decides
_PLAIN_TAGS = frozenset({_TAG + name for name in ("int", "float", "bool", "null")})
_OTHER_TAGS = {yaml.ScalarNode: {"!", _TAG + "str"}, yaml.SequenceNode: {"!", _TAG + "seq"}}
_MAP_TAGS = frozenset({"!", _TAG + "map"})


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """A text: the name to show for it, and the folder that relative paths in it start from."""

    name: str
    folder: Path


def read_document(path: Path, name: str, report: Report) -> Node:
    """The tree of the file at `path`, called `name` in messages; SpecError when it is no readable YAML at all."""
    try:
        with path.open("rb") as file:
            text = file.read(SIZE_LIMIT + 1)
    except OSError as exc:
        inside = next((file.name for file in sorted(path.glob("*.yml")) if path.is_dir()), "")
        hint = f"; name the file: {Path(name) / inside}" if inside else ""
        raise report.fatal(Place(name, 1, 1), "", f"cannot be read: {exc.strerror}{hint}") from exc
    return parse_document(text, DocumentSource(name, path.absolute().parent), report)


def parse_document(
    text: bytes, source: DocumentSource, report: Report, key: str = "", *, control: str = "\t\n\r"
) -> Node:
    """The tree of one YAML document, which stands at the key path `key`; SpecError when it is not one.

    `control` are the control characters that texts may hold.
    """
    decoded = _decode(text, source, report)
    root = _Composer(source, report).compose(decoded)
    if root is None:
        raise report.fatal(Place(source.name, 1, 1), "", "the file is empty")
    return _Tree(source, report, control).node(root, key, 0)


def _decode(text: bytes, source: DocumentSource, report: Report) -> str:
    start = Place(source.name, 1, 1)
    if len(text) > SIZE_LIMIT:
        raise report.fatal(start, "", f"larger than {SIZE_LIMIT // 1024} KiB; a pipeline file has no need for that")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = text[: exc.start]
        place = Place(source.name, before.count(b"\n") + 1, exc.start - (before.rfind(b"\n") + 1) + 1)
        raise report.fatal(place, "", f"byte 0x{text[exc.start]:02x} is not UTF-8; save the file as UTF-8") from exc


_ADVICE = {
    "mapping values are not allowed": "text with ': ' in it stands in quotes, or below '>-'; or the indentation is off",
    "did not find expected key": "look at the indentation of this line and of those before it",
    "found a tab character": "indent with spaces",
    "cannot start any token": "text that begins so stands in quotes",
}
"""What usually is the matter, by what the parser says."""


def _advice(sentence: str) -> str:
    return next((f"; {advice}" for said, advice in _ADVICE.items() if said in sentence), "")


class _Composer:
    """Events to PyYAML's own bare nodes, aliases shared, without recursion."""

    def __init__(self, source: DocumentSource, report: Report) -> None:
        self._source = source
        self._report = report
        self._anchors: dict[str, yaml.Node] = {}
        self._open: list[yaml.CollectionNode] = []
        self._root: yaml.Node | None = None

    def compose(self, text: str) -> yaml.Node | None:
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._take(event)
        except yaml.reader.ReaderError as exc:
            raise self._unreadable(text, exc) from exc
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            sentence = ": ".join(part for part in (exc.context, exc.problem) if part)
            raise self._report.fatal(self._inside(text, mark), "", f"not YAML: {sentence}{_advice(sentence)}") from exc
        return self._root

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            if self._root is not None:
                raise self._fatal(event.start_mark, "a second document starts here; one file holds one document")
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._attach(self._aliased(event))
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            self._start(event)

    def _start(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        node = self._bare(event)
        if event.anchor:
            self._anchors[event.anchor] = node
        self._attach(node)
        if isinstance(node, yaml.CollectionNode):
            self._open.append(node)
            if len(self._open) > DEPTH_LIMIT:
                raise self._fatal(event.start_mark, f"nested more than {DEPTH_LIMIT} levels deep")

    def _bare(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> yaml.Node:
        mark: Any = event.start_mark
        if isinstance(event, yaml.ScalarEvent):
            return yaml.ScalarNode(event.tag or (_PLAIN if event.implicit[0] else "!"), event.value, mark)
        kind = yaml.SequenceNode if isinstance(event, yaml.SequenceStartEvent) else yaml.MappingNode
        return kind(event.tag or "!", [], mark)

    def _attach(self, node: yaml.Node) -> None:
        if self._open:
            self._open[-1].value.append(node)
        else:
            self._root = node

    def _aliased(self, event: yaml.AliasEvent) -> yaml.Node:
        name = event.anchor or ""
        node = self._anchors.get(name)
        if node is None:
            raise self._fatal(event.start_mark, f"alias *{shorten(name)} has no anchor &{shorten(name)} before it")
        if node in self._open:
            raise self._fatal(event.start_mark, f"alias *{shorten(name)} stands inside its own anchor")
        return node

    def _inside(self, text: str, mark: Any) -> Place:
        """The place of a mark; the end of the last line for one behind it, where an unclosed bracket is noticed."""
        lines = text.splitlines() or [""]
        if mark is None or mark.line < len(lines):
            return _place(self._source, mark)
        return Place(self._source.name, len(lines), len(lines[-1]) + 1)

    def _unreadable(self, text: str, exc: yaml.reader.ReaderError) -> SpecError:
        # The C reader counts bytes, the other one characters; the first bad character is found either way.
        before = text.partition(chr(exc.character) if isinstance(exc.character, int) else exc.character)[0]
        place = Place(self._source.name, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        return self._report.fatal(place, "", f"not YAML: control character U+{exc.character:04X}")

    def _fatal(self, mark: Any, message: str) -> SpecError:
        return self._report.fatal(_place(self._source, mark), "", message)


class _Tree:
    """Bare nodes to ours: aliases unfolded and counted, key paths written in, keys and tags checked."""

    def __init__(self, source: DocumentSource, report: Report, control: str) -> None:
        self._source = source
        self._report = report
        self._control = control
        self._count = 0

    def node(self, bare: yaml.Node, key: str, depth: int) -> Node:
        origin = Origin(_place(self._source, bare.start_mark), key, self._source.folder)
        self._count += 1
        if self._count > NODE_LIMIT or depth > DEPTH_LIMIT:
            raise self._report.fatal(
                origin.place, key, f"too large once aliases are unfolded (over {NODE_LIMIT} values)"
            )
        if isinstance(bare, yaml.ScalarNode):
            return self._scalar(bare, origin)
        if (inner := _in_double_braces(bare)) is not None:
            self._report.problem(origin, f"{{{{{shorten(inner)}}}}} lacks its dollar sign: ${{{{{shorten(inner)}}}}}")
            return ScalarNode(origin, f"${{{{{inner}}}}}", f"${{{{{inner}}}}}")
        self._check_tag(
            bare, origin, _MAP_TAGS if isinstance(bare, yaml.MappingNode) else _OTHER_TAGS[yaml.SequenceNode]
        )
        if isinstance(bare, yaml.MappingNode):
            return MapNode(origin, dict(self._entries(bare, origin, depth)))
        return ListNode(
            origin, tuple(self.node(item, child_key(key, i), depth + 1) for i, item in enumerate(bare.value))
        )

    def _check_tag(self, bare: yaml.Node, origin: Origin, allowed: frozenset[str] | set[str]) -> None:
        if bare.tag not in allowed:
            tag = bare.tag.replace(_TAG, "!!")
            self._report.problem(origin, f"tag {shorten(tag)} is not allowed; a pipeline file holds plain values only")

    def _scalar(self, bare: yaml.ScalarNode, origin: Origin) -> ScalarNode:
        text: str = bare.value
        if any(ord(c) < 32 and c not in self._control for c in text) or any(0xD800 <= ord(c) < 0xE000 for c in text):
            self._report.problem(origin, "holds a control character (an escape such as \\0 in quotes)")
        if bare.tag == _PLAIN or bare.tag in _PLAIN_TAGS:
            try:
                return ScalarNode(origin, core_value(text), text)
            except ValueError as exc:
                self._report.problem(origin, str(exc))
        else:
            self._check_tag(bare, origin, _OTHER_TAGS[yaml.ScalarNode])
        return ScalarNode(origin, text, text)

    def _entries(self, bare: yaml.MappingNode, origin: Origin, depth: int) -> Iterator[tuple[str, MapEntry]]:
        merged: list[yaml.Node] = []
        seen: set[str] = set()
        for key, value in zip(bare.value[::2], bare.value[1::2], strict=True):
            if isinstance(key, yaml.ScalarNode) and key.tag == _PLAIN and key.value == "<<":
                merged.append(value)
            elif (name := self._name(key, origin, seen)) is not None:
                seen.add(name)
                node = self.node(value, child_key(origin.key, name), depth + 1)
                yield name, MapEntry(_place(self._source, key.start_mark), node)
        for value in merged:
            yield from self._merged(value, origin, seen, depth)

    def _name(self, key: yaml.Node, origin: Origin, seen: set[str]) -> str | None:
        """The text of a key; None, with a problem, when it cannot be one."""
        place = _place(self._source, key.start_mark)
        if not isinstance(key, yaml.ScalarNode) or is_null(self._scalar(key, origin)):
            self._report.problem_at(place, origin.key, "a key must be text")
        elif len(key.value) > KEY_LIMIT:
            self._report.problem_at(place, origin.key, f"a key of more than {KEY_LIMIT} characters")
        elif key.value in seen:
            self._report.problem_at(
                place, child_key(origin.key, key.value), "written twice; a key stands once in a mapping"
            )
        else:
            return str(key.value)
        return None

    def _merged(self, value: yaml.Node, origin: Origin, seen: set[str], depth: int) -> Iterator[tuple[str, MapEntry]]:
        """What `<<: *anchor` brings in: keys that are not written out beside it."""
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for source in sources:
            node = self.node(source, origin.key, depth + 1)
            if not isinstance(node, MapNode):
                self._report.problem(node.origin, "'<<' merges mappings only")
                continue
            for key, entry in node.entries.items():
                if key not in seen:
                    seen.add(key)
                    yield key, entry


def _in_double_braces(bare: yaml.Node) -> str | None:
    """What stands in `{{x}}`, which YAML takes for a mapping whose key is a mapping; None for anything else."""
    only = bare.value[0] if isinstance(bare, yaml.MappingNode) and len(bare.value) == 2 else None
    if isinstance(only, yaml.MappingNode) and len(only.value) == 2 and isinstance(only.value[0], yaml.ScalarNode):
        return str(only.value[0].value)
    return None


def _place(source: DocumentSource, mark: Any) -> Place:
    return Place(source.name, mark.line + 1, mark.column + 1) if mark else Place(source.name, 1, 1)
