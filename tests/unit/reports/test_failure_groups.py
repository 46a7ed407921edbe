import pytest

from fanout.records.parts import ItemRange
from fanout.reports.failure_groups import Occurrence, StepSource, group, last_frame, occurrences, shape
from fanout.reports.job_result import headline
from fanout.results.codec import Cause, Event, Failure, Status
from fanout.results.failed_attempt import FailedAttempt

SOURCE = StepSource("r", "s", "/home/me/src")
TRACEBACK = """\
Traceback (most recent call last):
  File "/tmp/r-s-{node}-x7_ab/code/score.py", line 9, in run
    helper({n})
  File "/tmp/r-s-{node}-x7_ab/code/sub/deep.py", line {line}, in helper
    raise ValueError({n})
ValueError: value {n} is odd
"""


def raised(index: int, *, node: int = 0, line: int = 3, attempt: int = 0, final: bool = False) -> Occurrence:
    text = TRACEBACK.format(node=node, line=line, n=index)
    failure = Failure(Cause.EXCEPTION, f"ValueError: value {index} is odd", text)
    return Occurrence(failure, node, "process000", index, attempt, final=final)


def test_failures_that_differ_in_values_only_are_one_group() -> None:
    """Neither the numbers in the message nor the folder of the node's copy of the code tell failures apart."""
    [found] = group([raised(5), raised(3, node=1), raised(3, attempt=1, final=True)], SOURCE)
    assert (found.count, found.mini_batches, found.given_up) == (3, (3, 5), 1)


def test_another_line_of_user_code_is_another_group() -> None:
    """The same message from two places is two kinds of failures, the one that cost more mini-batches first."""
    first, second = group([raised(1), raised(2), raised(3, line=8, final=True)], SOURCE)
    assert (first.count, second.count) == (1, 2)


def test_the_try_that_counted_is_shown() -> None:
    """Of alike failures the first that ended its mini-batch stands for all."""
    [found] = group([raised(1), raised(4, attempt=1, final=True)], SOURCE)
    assert (found.first.index, found.first.attempt) == (4, 1)


def test_what_keeps_the_script_from_starting_comes_first() -> None:
    """A failed init explains everything else, however often that happened."""
    broken = Event("process001", 0.0, Failure(Cause.INIT, "ImportError: no module"))
    files_only = Event("process002", 0.0, None, files=("out/a",))
    found = [*occurrences([], [(2, broken), (2, files_only)]), *(raised(n, final=True) for n in range(5))]
    first, second = group(found, SOURCE)
    assert first.concerns_nodes
    assert (first.count, first.first.node, first.mini_batches) == (1, 2, ())
    assert second.count == 5


def test_only_attempts_that_were_not_sent_anew_are_final() -> None:
    """A retried attempt gives no mini-batch up; a failed, dead-lettered or too short one does."""
    failure = Failure(Cause.EXIT, "gone")
    attempts = [FailedAttempt(n, 0, status, "p", 0, failure) for n, status in enumerate(list(Status)[1:])]
    assert [o.final for o in occurrences(attempts, [])] == [False, False, True, True, True]


def test_paths_of_the_nodes_copy_become_the_authors_own() -> None:
    """A traceback names files one can open, whether the copy was in the store or in the temporary folder."""
    text = 'File "/a b/.fanout/scratch/r-s-12-ab_9/code/x.py", line 1 and File "/tmp/r-s-q1/code/y.py"'
    assert SOURCE.restore(text.replace("a b", "ab")) == (
        'File "/home/me/src/x.py", line 1 and File "/home/me/src/y.py"'
    )


def test_paths_stay_when_nobody_knows_the_folder() -> None:
    """Other runs' copies and steps without a code folder are left as they are."""
    text = 'File "/tmp/other-s-1-q/code/y.py"'
    assert SOURCE.restore(text) == text
    assert StepSource("r", "s", None).restore("/tmp/r-s-1-q/code/y.py") == "/tmp/r-s-1-q/code/y.py"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError: 'a'", "KeyError: 'b'"),
        ("cannot open /data/x.png: broken", "cannot open /other/y.png: broken"),
        ("at 0x7f00 after 1.5 s", "at 0x11aa after 22.75 s"),
    ],
)
def test_shape_leaves_out_values(one: str, other: str) -> None:
    """Quoted texts, paths and numbers do not make messages different."""
    assert shape(one) == shape(other)


def test_shape_keeps_words() -> None:
    """Different sentences stay different."""
    assert shape("disk full") != shape("disk slow")


def test_last_frame_is_the_innermost() -> None:
    """The last frame of a traceback, or nothing where there is none."""
    assert last_frame(TRACEBACK.format(node=0, line=3, n=1)) == "/tmp/r-s-0-x7_ab/code/sub/deep.py:3"
    assert last_frame("no traceback") == ""


def test_items_that_were_isolated_are_counted_as_items() -> None:
    """Mini-batches that were given up whole are told apart from the items that others lost."""
    failure = Failure(Cause.EXCEPTION, "ValueError: no")
    found = [
        Occurrence(failure, 0, "p", 1, 2, final=True),
        Occurrence(failure, 0, "p", 2, 2),
        Occurrence(failure, 0, "p", 2, 0, final=True, part=ItemRange(0, 1)),
        Occurrence(failure, 1, "p", 2, 0, final=True, part=ItemRange(0, 1)),
        Occurrence(failure, 0, "p", 3, 0, final=True, part=ItemRange(4, 7)),
    ]
    [alike] = group(found, StepSource("r", "s", None))
    assert (alike.given_up, alike.items_given_up, alike.mini_batches) == (1, 4, (1, 2, 3))
    assert headline(alike) == "5 failed attempts, 1 mini-batch and 4 items given up"
