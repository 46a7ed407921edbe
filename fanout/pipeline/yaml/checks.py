"""Checks of single values: take a node, return its value, raise `CheckFailed` with a sentence about what was expected.

Written by hand rather than on a library of types: each problem needs the place of its own node, keys may be bound to
pipeline inputs, relative paths start from the file they stand in, and a key without effect earns a notice instead of an
error.
"""

import re
from collections.abc import Callable, Mapping

from fanout.pipeline.yaml.diagnostics import Check, CheckFailed, join, shorten
from fanout.pipeline.yaml.tree import ListNode, MapNode, Node, ScalarNode, is_null

INT_MAX = 2**31 - 1

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


def found(node: Node) -> str:
    """What stands there, for a message."""
    if isinstance(node, ListNode):
        return "a list"
    if isinstance(node, MapNode):
        return "a mapping"
    what = "nothing" if node.value is None else f"'{shorten(node.text)}'"
    return f"{what} (the value of {shorten(node.via)})" if node.via else what


def expected(what: str, node: Node) -> CheckFailed:
    """The error that says what would be right and what was found."""
    return CheckFailed(f"expected {what}, found {found(node)}", node.origin)


def mapping(node: Node) -> MapNode:
    """A check: a mapping."""
    if isinstance(node, MapNode):
        return node
    raise expected("a mapping", node)


def text(node: Node) -> str:
    """A check: text, as it was written; numbers and booleans are text here."""
    if isinstance(node, ScalarNode) and node.value is not None and node.text.strip():
        return node.text
    raise expected("text", node)


def any_text(node: Node) -> str:
    """A check: text that may be empty."""
    return node.text if isinstance(node, ScalarNode) and node.text == "" else text(node)


def flag(node: Node) -> bool:
    """A check: true or false, also quoted, also yes/no/on/off."""
    # Program arguments are quoted once by the shell rules and often once more by their writer.
    word = node.text.strip().strip("'\"").strip().lower() if isinstance(node, ScalarNode) else ""
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise expected("true or false", node)


def whole(low: int, high: int = INT_MAX) -> Check[int]:
    """A check: a whole number in `[low, high]`, also quoted."""
    span = f"from {low} to {high}" if high < INT_MAX else f"of at least {low}" if low > -INT_MAX else ""

    def check(node: Node) -> int:
        value = _number(node, _WHOLE)
        if value is not None and value > high == INT_MAX:
            raise expected(f"a whole number of at most {INT_MAX}", node)
        if value is None or not low <= value <= high:
            raise expected(f"a whole number {span}".rstrip(), node)
        return int(value)

    return check


def number(low: float, high: float, *, above: bool = False) -> Check[float]:
    """A check: a number in `[low, high]`, or `(low, high]` when `above`, also quoted."""
    span = f"above {low:g} and at most {high:.15g}" if above else f"from {low:g} to {high:.15g}"

    def check(node: Node) -> float:
        value = _number(node, _NUMBER)
        if value is None or not low <= value <= high or (above and value == low):
            raise expected(f"a number {span}", node)
        return value

    return check


def _number(node: Node, pattern: re.Pattern[str]) -> float | None:
    if not isinstance(node, ScalarNode) or isinstance(node.value, bool):
        return None
    if isinstance(node.value, int) or (isinstance(node.value, float) and pattern is _NUMBER):
        return node.value
    # Program arguments are quoted once by the shell rules and often once more by their writer.
    written = node.text.strip().strip("'\"").strip()
    if not pattern.fullmatch(written):
        return None
    return int(written) if pattern is _WHOLE else float(written)


def choice(*words: str) -> Check[str]:
    """A check: exactly one of `words`."""

    def check(node: Node) -> str:
        if isinstance(node, ScalarNode) and node.text in words:
            return node.text
        raise expected(join(words), node)

    return check


def word_of(*words: str) -> Check[str]:
    """A check: one of `words`, which are in lower case, in whatever case it is written."""

    def check(node: Node) -> str:
        if isinstance(node, ScalarNode) and node.text.lower() in words:
            return node.text.lower()
        raise expected(join(words), node)

    return check


def texts(node: Node) -> tuple[str, ...]:
    """A check: a list of different texts."""
    if not isinstance(node, ListNode):
        raise expected("a list of texts", node)
    values = tuple(text(item) for item in node.items)
    if len(set(values)) < len(values):
        twice = next(value for i, value in enumerate(values) if value in values[:i])
        raise CheckFailed(f"'{shorten(twice)}' is in the list twice")
    return values


def text_map(resolve: Callable[[Node], Node] = lambda node: node) -> Check[Mapping[str, str]]:
    """A check: a mapping of names to texts, each of which `resolve` may replace first."""

    def check(node: Node) -> Mapping[str, str]:
        return {key: "" if is_null(value) else any_text(resolve(value)) for key, value in mapping(node).values()}

    return check
