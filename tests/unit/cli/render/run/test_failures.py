from typing import Any

import pytest

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import Paint
from fanout.cli.render.run.failures import MOST_LINES, failure_lines
from fanout.queries.failures import MOST_GROUPS, failures_of, items_of
from fanout.records.mini_batch import Cut, MiniBatch, Piece
from fanout.records.parts import ItemRange
from fanout.records.verdict import Counts, VerdictStatus
from fanout.results.codec import Cause, Event, Failure, Status

COMMANDS = Commands()
FAILED = VerdictStatus.FAILED


def told(report: Any, batches: Any = None) -> str:
    [failures] = failures_of(report)
    return "\n".join(failure_lines(failures, batches or {}, COMMANDS, Paint()))


def test_alike_failures_show_one_traceback_with_the_authors_paths(
    run_report: Any, step_report: Any, failed: Any
) -> None:
    """What the author sees: the traceback, where, how often, which items, and the command to look closer."""
    report = run_report(step_report(status=FAILED, failures=(failed(4), failed(7, status=Status.RETRIED))))
    batches = {("score", 4): MiniBatch(4, files=("file:///data/a%20b.png",))}
    assert told(report, batches) == (
        "score: 2 failed attempts, 1 mini-batch given up: mini-batches 4, 7\n"
        "   Traceback (most recent call last):\n"
        '     File "/home/me/src/score.py", line 3\n'
        "   ValueError: no\n"
        "   first in mini-batch 4, attempt 3, node 0, process001: /data/a b.png\n"
        "   look closer: fanout run-one r 4 --step score\n"
    )


def test_a_failure_without_traceback_shows_its_reason(run_report: Any, step_report: Any, failed: Any) -> None:
    """A process that was killed has no traceback; the reason is what there is to say."""
    lone = failed(4, failure=Failure(Cause.SIGNAL, "the slot's process was killed by SIGKILL"))
    text = told(run_report(step_report(status=FAILED, failures=(lone,))))
    assert "   the slot's process was killed by SIGKILL\n   in mini-batch 4," in text


def test_a_script_that_cannot_start_comes_first(run_report: Any, step_report: Any, failed: Any) -> None:
    """It is about no mini-batch, and named for what it is."""
    event = Event("process000", 0.0, Failure(Cause.INIT, "ImportError: x", "Traceback …\nImportError: x"))
    text = told(run_report(step_report(status=FAILED, failures=(failed(1),), events=((0, event),))))
    assert text.startswith("score: the script could not be started, 1 time\n   Traceback …\n   ImportError: x\n")


def test_a_command_shows_its_last_words(run_report: Any, step_report: Any, steps: Any) -> None:
    """What a failed command printed last, not just its exit code."""
    report = step_report("exit code 4", step=steps[0], status=FAILED, error="oh no\npassword=hunter2\n")
    assert told(run_report(report)).startswith(
        "prepare: exit code 4; its last output:\n   oh no\n   password=[hidden]\n   look closer: fanout logs r"
    )


def test_many_kinds_are_cut_short_with_a_place_to_read_on(run_report: Any, step_report: Any, failed: Any) -> None:
    """The first few kinds are shown, and the file that has them all is named."""
    kinds = tuple(failed(n, message=f"Error{chr(65 + n)}: no") for n in range(MOST_GROUPS + 2))
    counts = Counts(100, failed=50, succeeded=50)
    text = told(run_report(step_report(status=FAILED, failures=kinds, counts=counts)))
    assert text.count("Traceback") == MOST_GROUPS
    assert "2 more kinds of failures: fanout failures r" in text
    assert f"{50 - len(kinds)} more failed attempts are not in this list" in text


def test_long_tracebacks_keep_both_ends(run_report: Any, step_report: Any, failed: Any) -> None:
    """A recursion error does not push everything else off the screen."""
    trace = "\n".join(f"line {n}" for n in range(500))
    lone = failed(1, failure=Failure(Cause.EXCEPTION, "RecursionError", trace))
    text = told(run_report(step_report(status=FAILED, failures=(lone,))))
    assert text.count("\n") < MOST_LINES + 10
    assert "   line 0\n" in text
    assert "   line 499\n" in text


def test_what_completed_before_a_resume_is_not_told_again(run_report: Any, step_report: Any, failed: Any) -> None:
    """Failures within the thresholds of a step that had ended are old news; those of a failed one are the reason."""
    old = step_report(failures=(failed(1),), earlier=True)
    assert failures_of(run_report(old)) == []
    assert failures_of(run_report(step_report(status=FAILED, failures=(failed(1),), earlier=True)))


def test_items_are_named_as_people_know_them() -> None:
    """Files by path, partitions by their values, pieces of tables by file and range."""
    assert items_of(None) == ()
    assert items_of(MiniBatch(0, files=("s3://b/x",), partition={"day": "1", "city": "Rome"})) == ("day=1, city=Rome",)
    piece = Piece("file:///t.csv", 0, 2048, Cut.BYTES)
    assert items_of(MiniBatch(0, pieces=(piece,))) == ("/t.csv, bytes 0 to 2,048",)


@pytest.mark.parametrize(
    ("batch", "part", "names"),
    [
        (MiniBatch(0, files=("file:///in/a", "file:///in/b", "file:///in/c")), ItemRange(1, 3), ("/in/b", "/in/c")),
        (MiniBatch(0, files=("file:///in/a",), partition={"day": "1"}), ItemRange(0, 1), ("/in/a",)),
        (
            MiniBatch(0, pieces=(Piece("file:///t.csv", 0, 90, Cut.BYTES),)),
            ItemRange(4, 5),
            ("item 4 of /t.csv, bytes 0 to 90",),
        ),
        (None, ItemRange(4, 6), ("items 4 to 5",)),
    ],
)
def test_the_items_of_a_part(batch: MiniBatch | None, part: ItemRange, names: tuple[str, ...]) -> None:
    """Files by name, rows by their number in the mini-batch, and by what that is."""
    assert items_of(batch, part) == names
