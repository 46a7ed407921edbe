"""The attempts of a step as columns of numbers: a million of them are thirty megabytes and not a million objects.

Two forms go out. `wire` is what a live page reads: columns as they lie in memory. `packed` is what a report embeds:
fewer bits, differences in the place of large numbers, bytes of one weight together, and deflate over it. Both begin
with a line of JSON that names the columns. All numbers are little-endian.
"""

import json
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import add

from fanout.results.codec import Entries

TICK = 1e-4
"""Seconds: the unit of `start`. 32 bits of it are five days; what lies beyond is cut to that."""
LATEST = 2**32 - 1
MANY = 200_000
"""Attempts up to which a report keeps times to five digits; beyond that to three."""


@dataclass(slots=True)
class Attempts:
    """One number each for every attempt, in the order in which they were read.

    `lane` is a place in `lanes`, the slots (node, process). `start` counts ticks from `base` (epoch seconds). `kind` is
    0 without a failure, else the number of its kind. Seconds are single-precision numbers.
    """

    base: float | None = None
    index: "array[int]" = field(default_factory=lambda: array("I"))
    attempt: "array[int]" = field(default_factory=lambda: array("B"))
    status: "array[int]" = field(default_factory=lambda: array("B"))
    kind: "array[int]" = field(default_factory=lambda: array("B"))
    lane: "array[int]" = field(default_factory=lambda: array("H"))
    start: "array[int]" = field(default_factory=lambda: array("I"))
    load: "array[float]" = field(default_factory=lambda: array("f"))
    run: "array[float]" = field(default_factory=lambda: array("f"))
    items: "array[int]" = field(default_factory=lambda: array("I"))
    rows: "array[int]" = field(default_factory=lambda: array("I"))
    bytes: "array[int]" = field(default_factory=lambda: array("I"))
    lanes: list[tuple[int, str]] = field(default_factory=list)
    _lane_numbers: dict[tuple[int, str], int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)

    def extend(self, node: int, entries: Entries) -> None:
        """Adds the attempts of one result object of the node."""
        c = entries.columns
        if not len(entries):
            return
        if self.base is None:
            self.base = min(c.started) - 600.0  # what other nodes began earlier, and commit later, lies behind it, too
        lanes = [self._lane(node, process) for process in entries.processes]
        self.index.extend(c.index)
        self.status.extend(c.status)
        self.attempt.extend(_bytes(c.attempt))
        self.kind.frombytes(bytes(len(entries)))
        self.lane.extend(array("H", map(lanes.__getitem__, c.process)))
        base, scale = self.base, 1 / TICK
        self.start.extend(array("I", [min(LATEST, max(0, int((at - base) * scale))) for at in c.started]))
        self.load.extend(array("f", c.load_seconds))
        self.run.extend(array("f", c.run_seconds))
        self.items.extend(c.items)
        self.rows.extend(c.rows)
        self.bytes.extend(array("I", c.length) if max(c.length) <= LATEST else _cut(c.length))

    def _lane(self, node: int, process: str) -> int:
        key = node, process
        if key not in self._lane_numbers:
            self._lane_numbers[key] = min(len(self.lanes), 2**16 - 1)
            if len(self.lanes) < 2**16:
                self.lanes.append(key)
        return self._lane_numbers[key]

    def places_of(self, index: int) -> list[int]:
        """Where the attempts on one mini-batch are."""
        found, at = [], -1
        try:
            while True:
                at = self.index.index(index, at + 1)
                found.append(at)
        except ValueError:
            return found

    def ends(self) -> float:
        """Epoch seconds of the latest end of an attempt; 0 when there is none."""
        if not self.index:
            return 0.0
        took = map(add, self.load, self.run)
        return (self.base or 0.0) + float(max(map(add, (TICK * start for start in self.start), took)))


NAMES = ("index", "start", "load", "run", "items", "rows", "bytes", "lane", "attempt", "status", "kind")
"""The columns in the order in which they go out: wide ones first, so that each lies at a multiple of its width."""


def wire(attempts: Attempts, since: int, outcome: bytes, extra: dict[str, object]) -> list[bytes]:
    """The attempts from place `since` on, then `outcome`, as a header and the columns behind it."""
    columns = [(name, getattr(attempts, name)[since:]) for name in NAMES]
    head = {
        **_head(attempts, len(attempts) - since, extra),
        "since": since,
        "columns": [[name, column.typecode, column.itemsize] for name, column in columns],
        "outcome": len(outcome),
    }
    return [_line(head), *(_little(column).tobytes() for _, column in columns), outcome]


def packed(attempts: Attempts, outcome: bytes, extra: dict[str, object]) -> bytes:
    """All attempts, compressed for a report; seconds are rounded to some thousandths of themselves."""
    columns, parts = [], list[bytes]()
    for name in NAMES:
        column = getattr(attempts, name)
        differences = name in ("index", "start")
        data = _little(_differences(column) if differences else column).tobytes()
        width = column.itemsize
        dropped = (1 if len(attempts) <= MANY else 2) if column.typecode == "f" else 0
        parts += [data[plane::width] for plane in range(dropped, width)]
        columns.append([name, column.typecode, width, dropped, int(differences)])
    head = {**_head(attempts, len(attempts), extra), "since": 0, "columns": columns, "outcome": len(outcome)}
    return zlib.compress(b"".join((_line(head), *parts, outcome)), 9)


def _head(attempts: Attempts, count: int, extra: dict[str, object]) -> dict[str, object]:
    return {"v": 1, "count": count, "base": attempts.base or 0.0, "tick": TICK, "lanes": attempts.lanes, **extra}


def _line(head: dict[str, object]) -> bytes:
    """The header, filled up with blanks so that what follows lies at a multiple of eight bytes."""
    text = json.dumps(head, separators=(",", ":")).encode()
    return text + b" " * (-(len(text) + 1) % 8) + b"\n"


def _bytes(column: Sequence[int]) -> "array[int]":
    return array("B", column if max(column) < 256 else [min(255, value) for value in column])


def _cut(column: Iterable[int]) -> "array[int]":
    return array("I", [min(LATEST, value) for value in column])


def _differences(column: "array[int]") -> "array[int]":
    """Each number less the one before it, modulo 2^32."""
    return array("I", [(after - before) & LATEST for before, after in pairwise((0, *column))])


def _little(column: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column
