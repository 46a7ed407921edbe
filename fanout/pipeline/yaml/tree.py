"""A YAML text as a tree of values that know where they stand.

Scalars follow the core schema of YAML 1.2, with one lossless exception, so that no value changes unseen:

- `true`/`false`, `null`/`~`/nothing, decimal, `0o17` and `0x1F` whole numbers, and decimal fractions have a type;
- `yes`, `no`, `on`, `off` are text, as are `1:30`, `1_000` and dates, which YAML 1.1 turns into something else;
- a number with leading zeros (`007`) is text: 1.1 reads it as octal, 1.2 as decimal, and most likely it is a code.

Where a setting wants a number or a boolean, text that looks like one is taken (check.py), so nothing is lost by this.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fanout.errors import Place
from fanout.pipeline.model import Scalar

INT_LIMIT = 2**63

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a node comes from: its place, its key path, and the folder that relative paths in it start from."""

    place: Place
    key: str
    folder: Path


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A number, text, boolean or nothing; `text` is how it was written, `via` the expression it came through."""

    origin: Origin
    value: Scalar | None
    text: str
    via: str = ""


@dataclass(frozen=True, slots=True)
class ListNode:
    """A sequence."""

    origin: Origin
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class MapEntry:
    """One key of a mapping, where it is written, and its value."""

    place: Place
    value: "Node"


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping with text keys, in the order of the file."""

    origin: Origin
    entries: Mapping[str, MapEntry] = field(default_factory=dict)

    def get(self, key: str) -> "Node | None":
        """The value under `key`; None when it is missing or null."""
        entry = self.entries.get(key)
        return None if entry is None or is_null(entry.value) else entry.value

    def values(self) -> Iterator[tuple[str, "Node"]]:
        """Keys with their values."""
        return ((key, entry.value) for key, entry in self.entries.items())


Node = ScalarNode | ListNode | MapNode


def is_null(node: Node) -> bool:
    """Whether nothing was written here."""
    return isinstance(node, ScalarNode) and node.value is None


def values(node: Node) -> object:
    """The tree as plain values: mappings, lists and scalars."""
    match node:
        case MapNode(entries=entries):
            return {key: values(entry.value) for key, entry in entries.items()}
        case ListNode(items=items):
            return [values(item) for item in items]
        case ScalarNode(value=value):
            return value


def child_key(parent: str, key: str | int) -> str:
    """The key path of a child, as `--set` takes it: `jobs.score.partition_keys.0`."""
    return f"{parent}.{key}" if parent else str(key)


def core_value(text: str) -> Scalar | None:
    """The value of a plain scalar; ValueError, with a sentence, for a number that no setting could mean."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _DECIMAL.fullmatch(text) or _OTHER_BASE.fullmatch(text):
        return _whole(text)
    if _FRACTION.fullmatch(text):
        return _fraction(text)
    return text


def _whole(text: str) -> int:
    # The length first: turning a megabyte of digits into an int takes time that grows with its square.
    number = int(text, 0) if len(text) <= 66 else INT_LIMIT
    if not -INT_LIMIT <= number < INT_LIMIT:
        raise ValueError("whole number out of range: it needs more than 64 bits; quote it if it is text")
    return number


def _fraction(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("number out of range; quote it if it is text")
    return number
