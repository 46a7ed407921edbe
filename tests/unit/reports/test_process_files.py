"""sys/node/<node>/<process>.txt: a line an attempt, and an end to it."""

import json
from pathlib import Path

from fanout.reports.process_files import MOST_OF_A_PROCESS, ProcessFiles
from fanout.results.codec import Entries, Entry, Status


def _entry(index: int, process: str = "process000") -> Entry:
    return Entry(index, 1, Status.SUCCEEDED, 3, 2, process, 1_700_000_000.0, 0.25, 0.5)


def test_a_line_an_attempt(tmp_path: Path) -> None:
    """With what Azure's has: items, start, duration, time of run()."""
    files = ProcessFiles(tmp_path)
    files.add(7, Entries.of([_entry(0), _entry(1, "process001")]))
    files.add(7, Entries.of([_entry(2)]))
    first, second = (tmp_path / "sys/node/7/process000.txt").read_text().splitlines()
    when, level, process, detail = first.split("|", 3)
    assert (when, level, process) == ("2023-11-14T22:13:20.750000", "INFO", "process000")
    assert json.loads(detail) == {
        "mini_batch": 0,
        "attempt": 2,
        "status": "succeeded",
        "total": 3,
        "succeeded": 2,
        "failed": 1,
        "start_time": "2023-11-14T22:13:20.000000",
        "duration": 0.75,
        "process_time": 0.75,
        "run_method_time": 0.5,
    }
    assert json.loads(second.split("|", 3)[3])["mini_batch"] == 2
    assert (tmp_path / "sys/node/7/process001.txt").exists()


def test_it_ends_somewhere(tmp_path: Path) -> None:
    """And says where the rest is."""
    files = ProcessFiles(tmp_path)
    for _ in range(3):
        files.add(0, Entries.of([_entry(index) for index in range(MOST_OF_A_PROCESS)]))
    lines = (tmp_path / "sys/node/0/process000.txt").read_text().splitlines()
    assert len(lines) == MOST_OF_A_PROCESS + 1
    assert "processed_mini-batches.csv" in lines[-1]
