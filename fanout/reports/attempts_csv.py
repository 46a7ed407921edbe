"""sys/job_report: one row an attempt, written as results come in, and their sums by process and node.

Called for every mini-batch, so nothing is kept but sums, and a row costs a few microseconds.
"""

import csv
import io
import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import add
from pathlib import Path

from fanout.records.parts import ItemRange
from fanout.results.codec import STATUSES, Entries, Entry, Status
from fanout.results.columns import Columns
from fanout.security.redaction import redact

COLUMNS = (
    "Mini-batch Id",
    "Picked Count",
    "Process",
    "Process Start Time",
    "Total",
    "Succeeded",
    "Failed",
    "Elapsed Seconds",
    "Process Seconds",
    "Run Method Seconds",
    "Status",
    "Error Category",
    "Error Message",
    "Mini-batch Detail",
)
SUMMARY_COLUMNS = (
    "Mini-batches",
    "Succeeded",
    "Failed",
    "Retried",
    "Items",
    "Items Succeeded",
    "Rows",
    "Elapsed Seconds",
    "Run Method Seconds",
    "First Start Time",
    "Last End Time",
)


@dataclass(slots=True)
class ProcessTotals:
    """What one process, or one node, did."""

    attempts: int = 0
    succeeded: int = 0
    retried: int = 0
    items: int = 0
    items_succeeded: int = 0
    rows: int = 0
    elapsed: float = 0.0
    run: float = 0.0
    first: float = math.inf
    last: float = 0.0

    @classmethod
    def of(cls, columns: Columns, places: Sequence[int]) -> "ProcessTotals":
        """Of the attempts at these places."""
        statuses = [STATUSES[columns.status[place]] for place in places]
        started = [columns.started[place] for place in places]
        load, run = ([column[place] for place in places] for column in (columns.load_seconds, columns.run_seconds))
        return cls(
            attempts=len(places),
            succeeded=statuses.count(Status.SUCCEEDED),
            retried=statuses.count(Status.RETRIED) + statuses.count(Status.SPLIT),
            items=sum([columns.items[place] for place in places]),
            items_succeeded=sum([columns.succeeded[place] for place in places]),
            rows=sum([columns.rows[place] for place in places]),
            elapsed=sum(load) + sum(run),
            run=sum(run),
            first=min(started),
            last=max(map(sum, zip(started, load, run, strict=True))),
        )

    def add(self, other: "ProcessTotals") -> None:
        """Adds the totals of another process."""
        self.attempts += other.attempts
        self.succeeded += other.succeeded
        self.retried += other.retried
        self.items += other.items
        self.items_succeeded += other.items_succeeded
        self.rows += other.rows
        self.elapsed += other.elapsed
        self.run += other.run
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)

    @property
    def cells(self) -> tuple[object, ...]:
        """The sums in the order of SUMMARY_COLUMNS."""
        failed = self.attempts - self.succeeded - self.retried
        return (
            self.attempts,
            self.succeeded,
            failed,
            self.retried,
            self.items,
            self.items_succeeded,
            self.rows,
            f"{self.elapsed:.6f}",
            f"{self.run:.6f}",
            _moment(self.first),
            _moment(self.last),
        )


class AttemptsFile:
    """processed_mini-batches.csv at `path`, open until it is closed, and the sums of its rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w", encoding="utf-8", newline="", errors="backslashreplace", buffering=256 * 1024)
        self._file.write(_line(COLUMNS))
        self._sums: dict[tuple[int, str], ProcessTotals] = {}

    def add(self, node: int, entries: Entries) -> None:
        """The rows of these attempts."""
        lines = self._plain_lines(node, entries)
        for place, entry in entries.special.items():
            lines[place] = self._special_line(node, entry)
        self._file.writelines(lines)
        places: dict[int, list[int]] = {}
        for place, process in enumerate(entries.columns.process):
            places.setdefault(process, []).append(place)
        for process, theirs in places.items():
            self._sums.setdefault((node, entries.processes[process]), ProcessTotals()).add(
                ProcessTotals.of(entries.columns, theirs)
            )

    def close(self) -> None:
        """Every row is in the file; no error when it was closed before."""
        self._file.close()

    def process_rows(self) -> Iterator[tuple[object, ...]]:
        """process_summary.csv, its header first."""
        yield "Node", "Process", *SUMMARY_COLUMNS
        for (node, process), sums in sorted(self._sums.items()):
            yield node, process, *sums.cells

    def node_rows(self) -> Iterator[tuple[object, ...]]:
        """node_summary.csv, its header first."""
        yield "Node", "Processes", *SUMMARY_COLUMNS
        for node in sorted({node for node, _ in self._sums}):
            of_node = [sums for (whose, _), sums in self._sums.items() if whose == node]
            whole = ProcessTotals()
            for sums in of_node:
                whole.add(sums)
            yield node, len(of_node), *whole.cells

    def _plain_lines(self, node: int, entries: Entries) -> list[str]:
        """A line for each attempt, without what is special. Composed by hand: there is one for every mini-batch."""
        c, processes = entries.columns, [_cell(process) for process in entries.processes]
        end = f",,,{_cell(_detail(node))}\n"
        run = _microseconds(c.run_seconds)
        whole = _microseconds(map(add, c.load_seconds, c.run_seconds)) if any(c.load_seconds) else run
        columns = zip(
            c.index, c.attempt, c.process, _stamps(c.started), c.items, c.succeeded, whole, run, c.status, strict=True
        )
        return [
            f"{index},{attempt + 1},{processes[process]},{stamp},{items},{succeeded},{items - succeeded},"
            f"{elapsed},{elapsed},{inner},{STATUSES[status]._value_}{end}"
            for index, attempt, process, stamp, items, succeeded, elapsed, inner, status in columns
        ]

    def _special_line(self, node: int, entry: Entry) -> str:
        failure, elapsed = entry.failure, f"{entry.load_seconds + entry.run_seconds:.6f}"
        cells = (
            entry.index,
            entry.attempt + 1,
            entry.process,
            *_stamps([entry.started]),
            entry.items,
            entry.succeeded,
            entry.items - entry.succeeded,
            elapsed,
            elapsed,
            f"{entry.run_seconds:.6f}",
            entry.status.value,
            "" if failure is None else failure.cause.value,
            "" if failure is None else redact(failure.message),
            _detail(node, entry.part),
        )
        return _line(cells)


def _microseconds(column: Iterable[float]) -> list[str]:
    """Seconds, to the microsecond."""
    return [f"{seconds:.6f}" for seconds in column]


_THOUSANDTHS = [f".{number:03d}" for number in range(1000)]


def _stamps(times: Sequence[float]) -> list[str]:
    """Epoch seconds as times of day, to the millisecond; each second is formatted once."""
    thousandths = [int(1000 * at) for at in times]
    seconds = {second: _moment(second) for second in {at // 1000 for at in thousandths}}
    return [seconds[at // 1000] + _THOUSANDTHS[at % 1000] for at in thousandths]


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def _detail(node: int, part: ItemRange | None = None) -> str:
    return json.dumps({"node": node} if part is None else {"node": node, "items": [part.start, part.stop]})


def _line(cells: Sequence[object]) -> str:
    """One line of CSV, with its newline."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _cell(text: str) -> str:
    """One cell of a line."""
    return _line([text]).removesuffix("\n")
