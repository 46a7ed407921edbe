"""What became of placements, and what follows from it."""

import signal

import pytest

from fanout.engines import roster
from fanout.engines.base import Seen, State
from fanout.engines.roster import Roster
from fanout.node.exit_codes import DRAINED, FULL, GAVE_UP

RUNS, WAITS = Seen(State.RUNNING), Seen(State.WAITING)


def _placed(count: int, now: float = 0.0) -> Roster:
    found = Roster(count)
    found.place(found.missing(count), now)
    found.take(dict.fromkeys(range(count), RUNS), now)
    return found


def _dies(code: int | None = 1, **more: object) -> Seen:
    return Seen(State.ENDED, code, **more)  # type: ignore[arg-type]


def test_a_dead_node_is_missing_under_a_new_number() -> None:
    """Numbers are used once: an engine may remember the old one."""
    nodes = _placed(2)
    nodes.take({0: RUNS, 1: _dies()}, 60.0)
    assert list(nodes.missing(2)) == [2]
    assert nodes.count == 1


@pytest.mark.parametrize("code", [0, GAVE_UP, FULL])
def test_one_that_knows_why_it_left_is_not_replaced(code: int) -> None:
    """And when all have left so, it is over."""
    nodes = _placed(2)
    nodes.take({0: _dies(code), 1: RUNS}, 60.0)
    assert list(nodes.missing(2)) == []
    assert not nodes.over
    nodes.take({0: _dies(code), 1: _dies(code)}, 60.0)
    assert nodes.over
    assert nodes.full is (code == FULL)


def test_a_drained_node_is_replaced() -> None:
    """It was preempted; the step goes on."""
    nodes = _placed(1)
    nodes.take({0: _dies(DRAINED)}, 60.0)
    assert list(nodes.missing(1)) == [1]


def test_quick_deaths_in_a_row_end_the_placing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of long lives do not; one that was never seen running died at once."""
    monkeypatch.setattr(roster, "MOST_QUICK_DEATHS", 2)
    nodes, seen = Roster(1), {}
    for number, (born, died) in enumerate([(0, 1), (1, 2), (2, 60), (60, 61), (61, 62), (62, 63)]):
        assert list(nodes.missing(1)) == [number]
        nodes.place([number], born)
        nodes.take({**seen, number: RUNS}, born)
        seen[number] = _dies(reason="no such store")
        nodes.take(seen, died)
    assert nodes.over
    assert (list(nodes.missing(1)), nodes.words) == ([], "no such store")


def test_a_placement_has_some_time_to_appear() -> None:
    """Then its engine has lost it, and it is replaced."""
    nodes = Roster(1)
    nodes.place([0], 0.0)
    nodes.take({}, 14.0)
    assert nodes.count == 1
    nodes.take({}, 15.0)
    assert list(nodes.missing(1)) == [1]
    assert nodes.words == "its engine does not know it any more"


def test_what_an_earlier_process_has_placed_is_adopted() -> None:
    """Those that live count; those that have ended are no news, and their numbers are taken."""
    nodes = Roster(3)
    nodes.adopt({0: _dies(), 4: RUNS, 2: WAITS}, 0.0)
    assert nodes.count == 2
    assert list(nodes.missing(3)) == [5]
    nodes.take({0: _dies(), 4: RUNS, 2: RUNS}, 1.0)
    assert (nodes.words, nodes.running) == ("", 2)


def test_fewer_nodes_release_those_that_wait_first() -> None:
    """Then the newest; their end is no death."""
    nodes = _placed(4)
    nodes.take({0: RUNS, 1: WAITS, 2: RUNS, 3: RUNS}, 1.0)
    surplus = nodes.surplus(1)
    assert surplus == [2, 3, 1]
    nodes.release(surplus)
    nodes.take({0: RUNS, 1: _dies(0), 2: _dies(DRAINED), 3: _dies(-9)}, 2.0)
    assert (nodes.count, nodes.gone, nodes.gave_up) == (1, 0, False)
    assert list(nodes.missing(2)) == [4]


def test_news_is_what_an_engine_wants_people_to_know() -> None:
    """Once for each placement."""
    nodes = _placed(1)
    for _ in range(2):
        nodes.take({0: _dies(-9, notice="memory ran out")}, 60.0)
    assert nodes.news == ["memory ran out"]
    assert nodes.words == "memory ran out"


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (_dies(3), "a node ended with 3"),
        (_dies(3, reason="no room"), "no room"),
        (_dies(-signal.SIGSEGV), "a node was killed by signal 11"),
        (_dies(-9, reason="WARNING slow"), "a node was killed by signal 9; the last it said: WARNING slow"),
        (Seen(State.LOST), "its engine lost it"),
    ],
)
def test_why_a_node_ended(seen: Seen, words: str) -> None:
    """What it said before a signal need not be why."""
    assert roster.reason_of(seen) == words
