"""What the type of a column has made of values that it does not hold as they are written: counted, with an example.

Slots count them where they read (`narrowed`); the counts travel with the result of the attempt, and the ledger adds
them up. Imported by the slot's child process: the standard library only.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fanout.backports import StrEnum, dataclass
from fanout.files import uris
from fanout.records import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

MOST_COLUMNS = 100
"""Columns, at most, that are counted in one mini-batch."""
LONGEST = 60
"""Characters of a name, and of an example."""
FARTHEST = 64 * 1024 * 1024
"""Bytes of a file in which lines are counted, to say in which the example is."""


class How(StrEnum):
    """What became of the values."""

    CUT = "cut"  # a whole number, without the fraction, or the largest or smallest that there is
    ZEROS = "zeros"  # a number, without its leading zeros
    FLAG = "flag"  # 0 and 1: booleans
    NULL = "null"  # nothing
    MISFIT = "misfit"  # nothing, as it was asked for, in plain files


_BECAME = {
    How.CUT: "became whole numbers",
    How.ZEROS: "lost their leading zeros",
    How.FLAG: "became booleans",
    How.NULL: "became null",
    How.MISFIT: "became null, as read.misfits says",
}
_KEEPS = {How.CUT: "float", How.ZEROS: "string", How.FLAG: "int", How.NULL: "string", How.MISFIT: "string"}


@dataclass(frozen=True, slots=True)
class Change:
    """Values of one column that were changed in one way; `text` is the first of them, as it is written.

    It is in line `line` behind byte `start` of the file `uri`; line 0 is where lines do not tell rows apart.
    """

    column: str
    how: How
    count: int
    text: str
    uri: str
    start: int = 0
    line: int = 0

    def to_list(self) -> list[Any]:
        """As JSON holds it."""
        return [self.column, self.how.value, self.count, self.text, self.uri, self.start, self.line]


def from_list(values: Sequence[Any]) -> Change:
    """The change in such a list; ValueError when it is none."""
    column, how, count, text, uri, start, line = values
    if not all(isinstance(each, str) for each in (column, text, uri)):
        raise ValueError("not a change as this version writes it")
    numbers = (fields.whole(each, "a count", below=2**63) for each in (count, start, line))
    count, start, line = numbers
    return Change(column[:LONGEST], How(how), count, text[:LONGEST], uri, start, line)


def by_mini_batch(found: Iterable[Any], indexes: Collection[int]) -> dict[int, tuple[Change, ...]]:
    """The changes that a result object holds, of these mini-batches; ValueError when they are none."""
    by_index = {fields.whole(index, "a mini-batch"): tuple(map(from_list, changes)) for index, changes in found}
    if by_index and not by_index.keys() <= set(indexes):
        raise ValueError("changes of a mini-batch that is not here")
    return by_index


class Changes:
    """The sum of changes; the example of each kind is that of the first mini-batch, in whatever order they come."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, How], tuple[int, Change]] = {}

    def add(self, index: int, changes: Iterable[Change]) -> None:
        """Takes in those of a mini-batch."""
        for change in changes:
            key = change.column, change.how
            first, known = self._found.get(key, (index, replace(change, count=0)))
            example = change if index < first else known
            self._found[key] = min(index, first), replace(example, count=known.count + change.count)

    def take_in(self, changed: Mapping[int, Iterable[Change]], counts: Callable[[int], bool]) -> None:
        """Takes in the changes of those mini-batches that count."""
        for index, changes in changed.items():
            if counts(index):
                self.add(index, changes)

    def all(self) -> tuple[Change, ...]:
        """One for each column and kind, in the order of their names."""
        return tuple(change for _, (_, change) in sorted(self._found.items()))


def lines(changes: Sequence[Change]) -> Iterator[tuple[str, str]]:
    """For people: what was changed, and the setting of the MLTable that keeps it, of each change."""
    for change in changes:
        values = "1 value," if change.count == 1 else f"{change.count:,} values such as"
        what = f"column {change.column}: {values} {change.text} ({place(change)}) {_BECAME[change.how]}"
        yield what, _setting(change)


def _setting(change: Change) -> str:
    kept = _KEEPS[change.how]
    if change.how is How.MISFIT:
        return f"read: {{types: {{{change.column}: {kept}}}}}"
    return f"column_type_overrides: [{{columns: {change.column}, column_type: {kept}}}]"


def located(change: Change) -> Change:
    """The change with its line counted from the start of the file, where that is here and not far."""
    if not change.line or not change.start or not uris.is_local(change.uri) or change.start > FARTHEST:
        return change
    try:
        with open(os.fsencode(uris.to_path(change.uri)), "rb") as file:  # noqa: PTH123 - any name a file can have
            before = file.read(change.start).count(b"\n")
    except OSError:
        return change
    return replace(change, start=0, line=before + change.line)


def place(change: Change) -> str:
    """`part.csv:251`, or as much of it as is known."""
    name = uris.display(change.uri).rstrip("/").rpartition("/")[2]
    if not change.line:
        return name
    return f"{name}, line {change.line} behind byte {change.start}" if change.start else f"{name}:{change.line}"
