"""user/error/<node>/<process>.txt and sys/error/<node>/<process>.txt, written as failures come in, within bounds."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fanout.reports.failure_groups import Occurrence, StepSource
from fanout.reports.job_result import one_failure
from fanout.reports.progress_files import stamp
from fanout.results.codec import Entry, Event, Failure
from fanout.security.redaction import redact

MOST_OF_A_PROCESS = 200
"""Failures that are written for one process; all of them are in processed_mini-batches.csv."""
MOST_IN_ALL = 5000


@dataclass(slots=True)
class ErrorFiles:
    """Files below `folder`, one a process and kind; opened for each failure, since failures are few or bounded."""

    folder: Path
    source: StepSource
    _written: Counter[tuple[int, str]] = field(default_factory=Counter)
    _in_all: int = 0

    def add(self, node: int, entry: Entry, failure: Failure) -> None:
        """One failed attempt."""
        occurrence = Occurrence(
            failure, node, entry.process, entry.index, entry.attempt, final=entry.status.is_final, part=entry.part
        )
        at = stamp(entry.started + entry.load_seconds + entry.run_seconds)
        detail = {
            "mini_batch": entry.index,
            "attempt": entry.attempt + 1,
            "status": entry.status.value,
            "cause": failure.cause.value,
            "message": failure.message,
            "items": entry.items,
            **({} if entry.part is None else {"part": [entry.part.start, entry.part.stop]}),
            "run_method_duration": entry.run_seconds,
        }
        self._write(occurrence, at, detail)

    def add_event(self, node: int, event: Event, failure: Failure) -> None:
        """A failure to start or to end the script."""
        detail = {"cause": failure.cause.value, "message": failure.message, "gave_up": event.gave_up}
        self._write(Occurrence(failure, node, event.process), stamp(event.at), detail)

    def _write(self, occurrence: Occurrence, at: str, detail: Mapping[str, object]) -> None:
        process = occurrence.process or "queue"
        key = occurrence.node, process
        self._written[key] += 1
        if self._written[key] > MOST_OF_A_PROCESS or self._in_all >= MOST_IN_ALL:
            return
        self._in_all += 1
        name = f"error/{occurrence.node}/{process}.txt"
        self._append(f"user/{name}", one_failure(occurrence, self.source, at))
        self._append(f"sys/{name}", redact(f"{at}|ERROR|{occurrence.node}|{process}|{json.dumps(detail)}\n"))
        if self._written[key] == MOST_OF_A_PROCESS:
            self._append(f"user/{name}", "Later failures are in sys/job_report/processed_mini-batches.csv only.\n")

    def _append(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
