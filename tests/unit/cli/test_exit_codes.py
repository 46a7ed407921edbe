import errno

import pytest

from fanout.cli.exit_codes import exit_code, report_error, the_one_inside
from fanout.errors import (
    DiskFullError,
    ExitCode,
    Place,
    Problem,
    QueueError,
    QueueFullError,
    RunError,
    SpecError,
    StoreError,
)
from fanout.records.verdict import Verdict, VerdictStatus


@pytest.mark.parametrize(("status", "code"), [("Completed", 0), ("Failed", 1), ("Canceled", 130)])
def test_verdicts_have_exit_codes(status: str, code: int) -> None:
    """As the design's section on what a run shows says."""
    assert exit_code(Verdict(VerdictStatus(status), "")) == code


def test_what_failed_within_the_thresholds_fails_a_strict_run() -> None:
    """As the thresholds would have, had they been 0."""
    assert exit_code(Verdict(VerdictStatus.COMPLETED, ""), failed=True) == ExitCode.FAILED


def test_a_users_mistake_is_its_sentence_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, exit code 2."""
    assert report_error(RunError("there is no run named r")) is ExitCode.USAGE
    assert capsys.readouterr() == ("", "there is no run named r\n")


def test_problems_of_a_file_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the source when nobody looks at a terminal."""
    assert report_error(SpecError([Problem(Place("p.yml", 3, 1), "k", "no")])) is ExitCode.USAGE
    assert capsys.readouterr().err == "p.yml:3:1: k: no\n"


@pytest.mark.parametrize(
    "error",
    [
        DiskFullError("cannot write x: no space left in /x"),
        QueueFullError("queue x: no space left in /x"),
        ExceptionGroup("", [ValueError("else"), OSError(errno.ENOSPC, "No space left on device", "/dev/null")]),
    ],
)
def test_no_room_is_a_sentence(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever finds it first; with the advice, and what goes on with the run."""
    error.add_note("go on with the run: fanout resume r")
    assert report_error(error) is ExitCode.INTERNAL
    err = capsys.readouterr().err
    assert "no space left in /" in err
    assert "Make room there first.\n" in err
    assert "Traceback" not in err
    assert isinstance(error, ExceptionGroup) or err.endswith("go on with the run: fanout resume r\n")


@pytest.mark.parametrize(
    "error", [StoreError("cannot write x: password=hunter2"), QueueError("gone: password=hunter2")]
)
def test_infrastructure_trouble_says_what_to_try(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence, then what to do about it; credentials taken out."""
    assert report_error(error) is ExitCode.INTERNAL
    err = capsys.readouterr().err
    assert "hunter2" not in err
    assert "fanout resume" not in err, "where no run is under way, there is nothing to go on with"


@pytest.mark.parametrize(
    ("said", "check"),
    [
        ("cannot list runs/: no answer", "Check that the store can be reached"),
        (
            "https://a.example:1/x.csv: cannot be read: no answer",
            "Check that the data at https://a.example:1/x.csv can",
        ),
        ("cannot read s3://b/k: no answer", "Check that the data at s3://b/k can be reached."),
    ],
)
def test_what_to_check_is_what_failed(said: str, check: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The store of runs, or data that is elsewhere."""
    assert report_error(StoreError(said)) is ExitCode.INTERNAL
    assert check in capsys.readouterr().err


def test_an_error_in_a_run_names_the_command_that_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Also a bug of ours, and errors in groups."""
    for error in (QueueError("gone"), ZeroDivisionError("no"), ExceptionGroup("", [StoreError("no")])):
        the_one_inside(error).add_note("go on with the run: fanout resume r")
        report_error(error)
        err = capsys.readouterr().err
        assert err.count("go on with the run: fanout resume r\n") == 1


def test_a_bug_is_called_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    """With its traceback, and what became of the run."""
    assert report_error(ZeroDivisionError("division by zero")) is ExitCode.INTERNAL
    err = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in err
    assert "This is a bug in fanout." in err


def test_an_interrupt_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever presses Ctrl-C knows."""
    assert report_error(KeyboardInterrupt()) is ExitCode.CANCELED
    assert capsys.readouterr() == ("", "")


def test_errors_of_tasks_come_out_of_their_group() -> None:
    """The one with a sentence for the user is told, not that tasks failed."""
    known, bug = StoreError("no"), ValueError("bug")
    assert the_one_inside(ExceptionGroup("", [ExceptionGroup("", [known])])) is known
    assert the_one_inside(ExceptionGroup("", [bug, known])) is known
    assert the_one_inside(ExceptionGroup("", [bug])) is bug
    both = ExceptionGroup("", [bug, TypeError()])
    assert the_one_inside(both) is both
