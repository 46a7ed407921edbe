import json
from collections.abc import Callable
from pathlib import Path

from fanout.reports.error_files import MOST_OF_A_PROCESS, ErrorFiles
from fanout.reports.failure_groups import StepSource
from fanout.results.codec import Cause, Entry, Event, Failure, Status

MakeEntry = Callable[..., Entry]
SOURCE = StepSource("r", "s", None)


def test_each_process_has_its_file(tmp_path: Path, entry: MakeEntry) -> None:
    """The traceback for people, and the same as a line of JSON."""
    failure = Failure(Cause.TIME_LIMIT, "run() took longer than 60 seconds; password=hunter2")
    errors = ErrorFiles(tmp_path, SOURCE)
    errors.add(4, entry(9, status=Status.FAILED, run_seconds=60.5), failure)
    assert "mini-batch 9, attempt 1, node 4, process000" in (tmp_path / "user/error/4/process000.txt").read_text()
    line = (tmp_path / "sys/error/4/process000.txt").read_text()
    assert "hunter2" not in line
    *_, detail = line.split("|", 4)
    assert json.loads(detail)["run_method_duration"] == 60.5


def test_failures_of_nodes_are_there_too(tmp_path: Path) -> None:
    """A failed init is in the file of the process that tried."""
    failure = Failure(Cause.INIT, "ImportError: x", "Traceback …\nImportError: x")
    ErrorFiles(tmp_path, SOURCE).add_event(0, Event("process002", 5.0, failure, gave_up=True), failure)
    assert "ImportError: x" in (tmp_path / "user/error/0/process002.txt").read_text()


def test_a_file_does_not_grow_without_end(tmp_path: Path, entry: MakeEntry) -> None:
    """Thousands of failures of one process leave its first ones, and a word on where the others are."""
    errors, failure = ErrorFiles(tmp_path, SOURCE), Failure(Cause.EXCEPTION, "again")
    for index in range(MOST_OF_A_PROCESS + 50):
        errors.add(0, entry(index, status=Status.FAILED), failure)
    text = (tmp_path / "user/error/0/process000.txt").read_text()
    assert text.count("mini-batch ") == MOST_OF_A_PROCESS
    assert text.endswith("processed_mini-batches.csv only.\n")
