import csv
import io

from fanout.records.seal import Seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.reports.progress_files import COLUMNS, Overview, remaining_seconds
from fanout.supervision.progress import Progress

START = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def at(seconds: float, **counts: int | None) -> Progress:
    return Progress("s", Counts(**{"total": 100, **counts}), planned=100, seconds=seconds)


def lines(overview: Overview) -> list[str]:
    return [line for text in overview.texts().values() for line in text.splitlines()]


def test_lines_say_how_far_the_step_is() -> None:
    """A time in UTC, how many of how many, in what time, and what is left at that pace."""
    overview = Overview(START)
    overview.open("host")
    overview.note(START + 10, at(10, succeeded=25))
    assert lines(overview) == [
        "2023-11-14T22:13:20.000000 The supervisor on host started.",
        "2023-11-14T22:13:30.000000 Planning finished. There are 100 mini batches.",
        "2023-11-14T22:13:30.000000 Processed 25 of 100 mini batches in 0:00:10. Estimated remaining time 0:00:30.",
    ]


def test_nothing_processed_yet_is_said() -> None:
    """Before the first news, while planning, and before the first result."""
    overview = Overview(START)
    overview.note(START, None)
    overview.note(START, at(0, total=None))
    said = [line.partition(" ")[2] for line in lines(overview)]
    assert said[0] == "No mini batch has been created yet."
    assert said[1:] == ["Planning: 100 mini batches so far.", "No mini batch has been processed yet."]


def test_a_new_file_begins_each_day() -> None:
    """Files are named by the hour of their first line, and a day's lines stay together."""
    overview = Overview(START)
    for hours in (0, 1, 2, 26):
        overview.note(START + 3600 * hours, at(3600.0 * hours))
    assert list(overview.texts()) == [
        "job_progress_overview.2023111422.txt",
        "job_progress_overview.2023111500.txt",
        "job_progress_overview.2023111600.txt",
    ]


def test_the_end_is_told() -> None:
    """The last lines are the counts and the verdict; what was canceled was not processed."""
    overview = Overview(START)
    seal = Seal(Verdict(VerdictStatus.FAILED, "too much"), Counts(10, succeeded=3, failed=2, canceled=5), seconds=65.2)
    overview.close(START + 65, seal)
    assert [line.partition(" ")[2] for line in lines(overview)] == [
        "Processed 5 of 10 mini batches in 0:01:05.",
        "The step ended: Failed: too much",
    ]


def test_progress_csv_has_the_numbers() -> None:
    """One row a note, for programs that follow it."""
    overview = Overview(START)
    overview.note(START + 10, at(10, succeeded=25, failed=5, retried=1, items=60, items_succeeded=50, items_failed=10))
    [row] = csv.DictReader(io.StringIO(overview.progress_csv()))
    assert tuple(row) == COLUMNS
    assert row["Remaining Mini Batches"] == "70"
    assert (row["Failed Mini Batches"], row["Failed Items"]) == ("5", "10")
    assert overview.metrics_name == "sys/metrics/20231114221320/progress.csv"


def test_nobody_can_tell_what_is_left_at_first() -> None:
    """Without a total or a first result there is no estimate."""
    assert remaining_seconds(Counts(None, succeeded=3), 1) is None
    assert remaining_seconds(Counts(10), 1) is None
    assert remaining_seconds(Counts(10, succeeded=5), 7) == 7
