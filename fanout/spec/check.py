"""Checking marked nodes: declared in one line a key, every problem of a file collected, unknown keys answered.

Written by hand rather than on pydantic, which the records and fanout.toml use: here each problem needs the place of its
own node, keys may be bound to pipeline inputs, relative paths start from the file they stand in, and a key without
effect earns a notice instead of an error. A check is a function from a node to a value that raises `Wrong`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from fanout.errors import Place, Problem, SpecError
from fanout.spec.nodes import ListNode, MapNode, Node, Origin, ScalarNode, child_key, is_null

T = TypeVar("T")
D = TypeVar("D")
Check = Callable[[Node], T]

INT_MAX = 2**31 - 1
PROBLEM_LIMIT = 100

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class Wrong(ValueError):  # noqa: N818 - reads as what it says at the point of raising
    """A value that is not what its key takes; the message says what would be right.

    `origin` is the node at fault when that is not the checked one but one inside it.
    """

    def __init__(self, message: str, origin: Origin | None = None) -> None:
        super().__init__(message)
        self.origin = origin


class Report:
    """What was found in a pipeline file and the files it names: problems, and notices worth one line each."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._notices: dict[str, None] = {}

    @property
    def notices(self) -> tuple[str, ...]:
        """Each notice once, in the order they came up."""
        return tuple(self._notices)

    def problem(self, origin: Origin, message: str) -> None:
        """Note something wrong with a node."""
        self.problem_at(origin.place, origin.key, message)

    def problem_at(self, place: Place, key: str, message: str) -> None:
        """Note something wrong at a place; SpecError once there are too many to be of use."""
        problem = Problem(place, shorten(key, 120), message)
        if problem not in self.problems:
            self.problems.append(problem)
        if len(self.problems) >= PROBLEM_LIMIT:
            raise SpecError(self.problems)

    def notice(self, origin: Origin, message: str) -> None:
        """Note something that is accepted, but not done as the writer may think."""
        self._notices[f"{origin.key}: {message}"] = None

    def fatal(self, place: Place, key: str, message: str) -> SpecError:
        """The error to raise when there is no way to go on: this problem and all found before it."""
        return SpecError([*self.problems, Problem(place, shorten(key, 120), message)])

    def finish(self) -> None:
        """SpecError when there is any problem."""
        if self.problems:
            raise SpecError(self.problems)

    def attempt(self, node: Node, check: Check[T], default: D) -> T | D:
        """The value of `node`, or `default` with the problem noted."""
        try:
            return check(node)
        except Wrong as wrong:
            self.problem(wrong.origin or node.origin, str(wrong))
            return default


class Fields:
    """A mapping read key by key; what nobody asked for by the end is an unknown key."""

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

    def no_effect(self, *keys: str, why: str = "has no effect here") -> None:
        """These keys are fine on Azure and do nothing here, which is said."""
        for key in keys:
            node = self.get(key)
            if node is not None:
                self.report.notice(node.origin, why)

    def close(self) -> None:
        """Note every key that nobody asked for."""
        for key, entry in self.node.entries.items():
            if key not in self._known:
                path = child_key(self.origin.key, key)
                self.report.problem_at(entry.place, path, f"unknown key{suggest(key, self._known)}")


def suggest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or what there is to choose from when it is little, or nothing."""
    choices = list(known)
    close = get_close_matches(word[:60].lower(), [choice.lower() for choice in choices], n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{next(choice for choice in choices if choice.lower() == close[0])}'?"
    return f"; there is {join(choices)}" if 0 < len(choices) <= 5 else ""


def join(words: Sequence[str]) -> str:
    """`'a'`, `'a' or 'b'`, `'a', 'b' or 'c'`."""
    quoted = [f"'{shorten(word)}'" for word in words]
    return " or ".join(filter(None, [", ".join(quoted[:-1]), *quoted[-1:]]))


def shorten(text: str, width: int = 60) -> str:
    """`text` in at most `width` characters of one line."""
    line = text.replace("\n", "\\n")
    return line if len(line) <= width else line[: width - 1] + "…"


def found(node: Node) -> str:
    """What stands there, for a message."""
    if isinstance(node, ListNode):
        return "a list"
    if isinstance(node, MapNode):
        return "a mapping"
    what = "nothing" if node.value is None else f"'{shorten(node.text)}'"
    return f"{what} (the value of {shorten(node.via)})" if node.via else what


def expected(what: str, node: Node) -> Wrong:
    """The error that says what would be right and what was found."""
    return Wrong(f"expected {what}, found {found(node)}", node.origin)


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
    word = node.text.strip().lower() if isinstance(node, ScalarNode) else ""
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise expected("true or false", node)


def whole(low: int, high: int = INT_MAX) -> Check[int]:
    """A check: a whole number in `[low, high]`, also quoted."""
    span = f"of at least {low}" if high >= INT_MAX else f"from {low} to {high}"

    def check(node: Node) -> int:
        value = _number(node, _WHOLE)
        if value is None or not low <= value <= high:
            raise expected(f"a whole number {span}", node)
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


def texts(node: Node) -> tuple[str, ...]:
    """A check: a list of different texts."""
    if not isinstance(node, ListNode):
        raise expected("a list of texts", node)
    values = tuple(text(item) for item in node.items)
    if len(set(values)) < len(values):
        twice = next(value for i, value in enumerate(values) if value in values[:i])
        raise Wrong(f"'{shorten(twice)}' is in the list twice")
    return values


def text_map(resolve: Callable[[Node], Node] = lambda node: node) -> Check[Mapping[str, str]]:
    """A check: a mapping of names to texts, each of which `resolve` may replace first."""

    def check(node: Node) -> Mapping[str, str]:
        return {key: "" if is_null(value) else any_text(resolve(value)) for key, value in mapping(node).values()}

    return check
