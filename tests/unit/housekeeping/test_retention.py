"""Which runs go: the whole rule, as a table."""

import pytest

from fanout.housekeeping.retention import Kept, RunAge, expired

DAY = 86400.0


def run(name: str, days: float, *, over: bool = True, needs: tuple[str, ...] = ()) -> RunAge:
    """A run that was created, and changed last, so many days before day 100."""
    at = (100 - days) * DAY
    return RunAge(name, at, over, at, frozenset(needs))


@pytest.mark.parametrize(
    ("runs", "keep", "going", "kept"),
    [
        ([], 0, [], ()),
        ([run("old", 31), run("new", 29)], 0, ["old"], ()),
        ([run("older", 40), run("old", 31)], 0, ["old", "older"], ()),
        ([run("older", 40), run("old", 31)], 1, ["older"], ()),
        ([run("older", 40), run("old", 31)], 2, [], ()),
        ([run("old", 31, over=False)], 0, [], (Kept("old", "is not over"),)),
        ([run("old", 31), run("new", 1, needs=("old",))], 0, [], (Kept("old", "run new has taken over what it made"),)),
        ([run("old", 40), run("user", 31, needs=("old",))], 0, ["user", "old"], ()),
        (
            [run("a", 50), run("b", 40, needs=("a",)), run("c", 1, needs=("b",))],
            0,
            [],
            (Kept("b", "run c has taken over what it made"), Kept("a", "run b has taken over what it made")),
        ),
        ([run("new", 1, needs=("gone",))], 0, [], ()),
    ],
)
def test_runs_that_go(runs: list[RunAge], keep: int, going: list[str], kept: tuple[Kept, ...]) -> None:
    """Over, old, not among the newest, and not needed by one that stays."""
    assert expired(runs, 100 * DAY, 30 * DAY, keep) == (going, kept)


def test_a_run_that_was_redriven_lately_is_not_old() -> None:
    """What counts is when it changed last, not when it was created."""
    assert expired([RunAge("r", 99 * DAY, True, 1 * DAY)], 100 * DAY, 30 * DAY, 0) == ([], ())
