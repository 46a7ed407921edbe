"""The lines of job_progress_overview.<time>.txt and of progress.csv (reference, section 11)."""

import csv
import io
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fanout.records.seal import Seal
from fanout.records.verdict import Counts
from fanout.security.redaction import redact
from fanout.supervision.progress import Progress

COLUMNS = (
    "Utc Time",
    "Elapsed Seconds",
    "Total Mini Batches",
    "Processed Mini Batches",
    "Remaining Mini Batches",
    "Failed Mini Batches",
    "Retried Attempts",
    "Processed Items",
    "Succeeded Items",
    "Failed Items",
)

NO_METRICS = 2
"""Columns that say when; the others are metrics."""


def stamp(at: float) -> str:
    """Epoch seconds as people read them in logs: UTC, to the microsecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").removesuffix("+00:00")


def master_line(at: float, text: str) -> str:
    """A line of sys/master_role.<time>.txt, in the form of Azure's."""
    moment = datetime.fromtimestamp(at, UTC)
    when = f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03d}"
    return f"{when}|INFO|{os.getpid()}|{threading.get_ident()}|{redact(' '.join(text.split()))}\n"


def remaining_seconds(counts: Counts, seconds: float) -> float | None:
    """Seconds that are left at the pace so far; None when unknown."""
    if not counts.total or not counts.settled:
        return None
    return seconds * (counts.total - counts.settled) / counts.settled


@dataclass(slots=True)
class Overview:
    """What the overview says so far. A new file begins each day, named by the hour of its first line."""

    started: float
    prefix: str = ""  # in front of the names of all metrics
    files: dict[str, list[str]] = field(default_factory=dict)
    rows: list[tuple[object, ...]] = field(default_factory=list)
    _day: str = ""
    _name: str = ""
    _scheduled: bool = False

    def open(self, host: str) -> None:
        """The first line."""
        self._add_line(self.started, f"The supervisor on {host} started.")

    def note(self, at: float, progress: Progress | None) -> None:
        """Where the step stands at `at`."""
        if progress is None:
            self._add_line(at, "No mini batch has been created yet.")
            return
        for line in self._lines(progress):
            self._add_line(at, line)
        self.rows.append(_row(at, progress.seconds, progress.counts))

    def close(self, at: float, seal: Seal) -> None:
        """The last lines: how it ended."""
        counts = seal.counts
        total = counts.settled if counts.total is None else counts.total
        took = _clock(seal.seconds)
        self._add_line(at, f"Processed {counts.settled - counts.canceled} of {total} mini batches in {took}.")
        self._add_line(at, redact(f"The step ended: {seal.verdict.status}: {seal.verdict.reason}"))
        self.rows.append(_row(at, seal.seconds, counts))

    def texts(self) -> dict[str, str]:
        """The overview files by name."""
        return {name: "".join(lines) for name, lines in self.files.items()}

    def progress_csv(self) -> str:
        """progress.csv."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([*COLUMNS[:NO_METRICS], *(f"{self.prefix}{name}" for name in COLUMNS[NO_METRICS:])])
        writer.writerows(self.rows)
        return buffer.getvalue()

    @property
    def metrics_name(self) -> str:
        """The key of progress.csv below the logs."""
        return f"sys/metrics/{self.begun}/progress.csv"

    @property
    def begun(self) -> str:
        """When this supervisor began, as part of a name."""
        return f"{datetime.fromtimestamp(self.started, UTC):%Y%m%d%H%M%S}"

    def _lines(self, progress: Progress) -> Iterator[str]:
        counts, took = progress.counts, _clock(progress.seconds)
        if counts.total is None:
            yield f"Planning: {progress.planned} mini batches so far."
        elif not self._scheduled:
            self._scheduled = True
            yield f"Planning finished. There are {counts.total} mini batches."
        if not counts.settled:
            yield "No mini batch has been processed yet."
            return
        left = remaining_seconds(counts, progress.seconds)
        total = progress.planned if counts.total is None else counts.total
        estimate = "" if left is None else f" Estimated remaining time {_clock(left)}."
        yield f"Processed {counts.settled} of {total} mini batches in {took}.{estimate}"

    def _add_line(self, at: float, text: str) -> None:
        moment = datetime.fromtimestamp(at, UTC)
        if (day := f"{moment:%Y%m%d}") != self._day:
            self._day, self._name = day, f"job_progress_overview.{moment:%Y%m%d%H}.txt"
        self.files.setdefault(self._name, []).append(f"{stamp(at)} {text}\n")


def _row(at: float, seconds: float, counts: Counts) -> tuple[object, ...]:
    total = counts.settled if counts.total is None else counts.total
    processed = counts.settled - counts.canceled
    return (
        stamp(at),
        f"{seconds:.3f}",
        total,
        processed,
        max(0, total - counts.settled),
        counts.lost,
        counts.retried,
        counts.items,
        counts.items_succeeded,
        counts.items_failed,
    )


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
