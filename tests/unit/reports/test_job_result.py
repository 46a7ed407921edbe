from typing import Any

from fanout.pipeline.model import Thresholds
from fanout.records.seal import Seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.reports.failure_groups import Occurrence, StepSource, group
from fanout.reports.job_result import JobEnd, job_error, job_result, one_failure, user_errors
from fanout.results.codec import Cause, Failure

SOURCE = StepSource("r", "s", "/home/me/src")


def failed(index: int, message: str = "ValueError: no", traceback: str = "", *, final: bool = True) -> Occurrence:
    return Occurrence(Failure(Cause.EXCEPTION, message, traceback), 0, "process001", index, 2, final=final)


def end(*found: Occurrence, status: VerdictStatus = VerdictStatus.COMPLETED, **counts: Any) -> JobEnd:
    seal = Seal(Verdict(status, "so it is"), Counts(**{"total": 9, "succeeded": 9, **counts}), seconds=12.34)
    return JobEnd(SOURCE, seal, Thresholds(error_threshold=5), 11, group(found, SOURCE))


def test_result_says_how_why_and_by_which_thresholds() -> None:
    """Verdict, reason, counts and thresholds stand at the top."""
    text = job_result(end())
    assert text.startswith("s: Completed\nWhy: so it is\nTook 12.3 seconds in all.\n")
    assert "  succeeded: 9\n" in text
    assert (
        "  error_threshold: 5\n  mini_batch_error_threshold: -1 (any number may fail)\n"
        "  allowed_failed_percent: 100 % (any number may fail)\n"
    ) in text
    assert "WARNING" not in text


def test_result_warns_of_an_output_that_is_not_complete() -> None:
    """Completed with failures within the thresholds is no quiet success."""
    assert "WARNING: the step is Completed although" in job_result(end(failed(3), succeeded=8, failed=1))


def test_result_names_what_failed_most_and_where_to_start() -> None:
    """The first failure's process leads to the files to read."""
    text = job_result(end(failed(3), failed(4), status=VerdictStatus.FAILED))
    assert "2 failed attempts, 2 mini-batches given up: exception: ValueError: no" in text
    assert "user/error/0/process001.txt" in text


def test_no_failure_is_said_in_words() -> None:
    """Files of errors are never empty."""
    assert job_error(end()) == user_errors(end()) == "Nothing failed.\n"


def test_tracebacks_name_the_authors_files_and_no_secrets() -> None:
    """What user code says is shown with paths one can open, and credentials taken out."""
    trace = '  File "/tmp/r-s-0-abc/code/score.py", line 1, in run\nValueError: secret_access_key=abcdef'
    text = user_errors(end(failed(3, traceback=trace)))
    assert '"/home/me/src/score.py", line 1' in text
    assert "secret_access_key=[hidden]" in text


def test_alike_failures_are_told_once() -> None:
    """One traceback, how often it happened, and for which mini-batches."""
    text = user_errors(end(*(failed(n) for n in range(15))))
    assert text.count("ValueError: no") == 1
    assert "mini-batches 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 5 more" in text


def test_all_retried_is_no_loss() -> None:
    """A kind of failure that no mini-batch ended with says so."""
    assert job_error(end(failed(1, final=False))) == "1 failed attempt, all retried: exception: ValueError: no\n"


def test_one_failure_has_its_place() -> None:
    """Time, mini-batch, attempt, node and process precede each traceback of a process."""
    text = one_failure(failed(7), SOURCE, "2023-01-01T00:00:00.000000")
    assert text.startswith("2023-01-01T00:00:00.000000 mini-batch 7, attempt 3, node 0, process001\n")
