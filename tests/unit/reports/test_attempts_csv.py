import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fanout.reports.attempts_csv import COLUMNS, AttemptsFile
from fanout.results.codec import Cause, Entries, Entry, Failure, Status

MakeEntry = Callable[..., Entry]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[AttemptsFile]:
    attempts = AttemptsFile(tmp_path / "attempts.csv")
    yield attempts
    attempts.close()


def rows(file: AttemptsFile) -> list[dict[str, str]]:
    file.close()
    with file.path.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_an_attempt_is_a_row(file: AttemptsFile, entry: MakeEntry) -> None:
    """The columns of the reference's section 11, in its order; attempts count from 1."""
    file.add(
        3, Entries.of([entry(7, attempt=1, items=5, load_seconds=0.25, run_seconds=1.5, started=1_700_000_000.25)])
    )
    [row] = rows(file)
    assert tuple(row) == COLUMNS
    assert row == {
        "Mini-batch Id": "7",
        "Picked Count": "2",
        "Process": "process000",
        "Process Start Time": "2023-11-14T22:13:20.250",
        "Total": "5",
        "Succeeded": "5",
        "Failed": "0",
        "Elapsed Seconds": "1.750000",
        "Process Seconds": "1.750000",
        "Run Method Seconds": "1.500000",
        "Status": "succeeded",
        "Error Category": "",
        "Error Message": "",
        "Mini-batch Detail": '{"node": 3}',
    }


def test_a_failure_is_told_without_secrets(file: AttemptsFile, entry: MakeEntry) -> None:
    """Cause and message stand in the row, even of several lines, credentials taken out."""
    failure = Failure(Cause.EXCEPTION, 'ValueError: "a",\npassword=hunter2')
    file.add(0, Entries.of([entry(0, status=Status.FAILED, failure=failure)]))
    [row] = rows(file)
    assert row["Error Category"] == "exception"
    assert row["Error Message"] == 'ValueError: "a",\npassword=[hidden]'
    assert row["Failed"] == "2"


def test_text_that_is_no_text_is_written_all_the_same(file: AttemptsFile, entry: MakeEntry) -> None:
    """A message may quote a file name that is not UTF-8."""
    file.add(0, Entries.of([entry(0, status=Status.FAILED, failure=Failure(Cause.EXCEPTION, "bad \udcff name"))]))
    assert rows(file)[0]["Error Message"] == "bad \\udcff name"


def test_sums_by_process_and_by_node(file: AttemptsFile, entry: MakeEntry) -> None:
    """The summaries add up what the rows say."""
    failure = Failure(Cause.EXIT, "gone")
    file.add(0, Entries.of([entry(0, rows=2), entry(1, process="process001", status=Status.RETRIED, failure=failure)]))
    file.add(0, Entries.of([entry(1, started=1_700_000_010.0, run_seconds=2.0)]))
    file.add(1, Entries.of([entry(2, status=Status.FAILED, failure=failure)]))
    _, *processes = file.process_rows()
    assert [row[:6] for row in processes] == [
        (0, "process000", 2, 2, 0, 0),
        (0, "process001", 1, 0, 0, 1),
        (1, "process000", 1, 0, 1, 0),
    ]
    header, first, second = file.node_rows()
    named = dict(zip(header, first, strict=True))
    assert named["Processes"] == 2
    assert named["Items"] == 6
    assert named["Items Succeeded"] == 4
    assert named["Rows"] == 2
    assert named["Run Method Seconds"] == "3.000000"
    assert (named["First Start Time"], named["Last End Time"]) == ("2023-11-14T22:13:20", "2023-11-14T22:13:32")
    assert second[:2] == (1, 1)
