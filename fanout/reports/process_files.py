"""sys/node/<node>/<process>.txt: what each process did, a line an attempt, within bounds (reference, section 11)."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fanout.reports.progress_files import stamp
from fanout.results.codec import Entries, Entry

MOST_OF_A_PROCESS = 1000
"""Attempts that are written for one process; all of them are in processed_mini-batches.csv."""


@dataclass(slots=True)
class ProcessFiles:
    """Files below `folder`, one a process. Called for every attempt: behind the bound it costs next to nothing."""

    folder: Path
    _written: Counter[tuple[int, str]] = field(default_factory=Counter)

    def add(self, node: int, entries: Entries) -> None:
        """These attempts of one node."""
        if all(self._written[node, process] >= MOST_OF_A_PROCESS for process in entries.processes):
            return
        lines: dict[str, list[str]] = {}
        for entry in entries:
            key = node, entry.process
            if self._written[key] >= MOST_OF_A_PROCESS:
                continue
            self._written[key] += 1
            theirs = lines.setdefault(entry.process, [])
            theirs.append(_line(entry))
            if self._written[key] == MOST_OF_A_PROCESS:
                theirs.append("Later mini-batches are in sys/job_report/processed_mini-batches.csv only.\n")
        for process, written in lines.items():
            path = self.folder / "sys" / "node" / str(node) / f"{process}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(written)


def _line(entry: Entry) -> str:
    took = entry.load_seconds + entry.run_seconds
    detail = {
        "mini_batch": entry.index,
        "attempt": entry.attempt + 1,
        "status": entry.status.value,
        "total": entry.items,
        "succeeded": entry.succeeded,
        "failed": entry.items - entry.succeeded,
        "start_time": stamp(entry.started),
        "duration": round(took, 6),
        "process_time": round(took, 6),
        "run_method_time": round(entry.run_seconds, 6),
        **({} if entry.part is None else {"part": [entry.part.start, entry.part.stop]}),
    }
    return f"{stamp(entry.started + took)}|INFO|{entry.process}|{json.dumps(detail)}\n"
