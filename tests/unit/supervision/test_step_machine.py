"""The machine of a step: one action at a time, by facts and time. Broader: tests/simulation/test_explorer.py."""

from dataclasses import replace
from typing import Any

import pytest

from fanout.pipeline.model import Thresholds
from fanout.queues.base import Depth
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.supervision.step_machine import (
    SELDOM,
    Do,
    Facts,
    LookAgain,
    Memory,
    Pace,
    Rules,
    SealStep,
    Speculate,
    StopNodes,
    Weigh,
    begin_look,
    decide,
    next_pause,
)
from fanout.supervision.time_limits import TimeLimits

NOW = 100.0
RULES = Rules(Thresholds(), TimeLimits(60.0, 120.0, 4), Pace(0.02, 0.25, growth=1.5))
OPEN = Facts(NOW, Counts(total=4, succeeded=1), attempts=1, planned=4)
FRESH = Memory(90.0, 95.0, seldom=NOW, tail=NOW, settled=1, pause=0.02)
DUE = replace(FRESH, seldom=NOW - SELDOM)
EMPTY, BUSY = Depth(0, 0, 0), Depth(1, 0, 0)


def _actions(rules: Rules, facts: Facts, memory: Memory, answers: list[dict[str, Any]]) -> list[Any]:
    """The actions of a look, to each of which the next of `answers` is what it has found."""
    actions, left = [], iter(answers)
    while True:
        action, memory = decide(rules, facts, memory, NOW)
        actions.append(action)
        if isinstance(action, LookAgain | SealStep) or (found := next(left, None)) is None:
            return actions
        facts = replace(facts, **found)


NO_TROUBLE: dict[str, Any] = {"asked_nodes": True}
QUIET: list[dict[str, Any]] = [{"asked": True}, {"followed": True}, {"drained": True}]


def test_an_ordinary_look_asks_for_nodes_alone() -> None:
    """Nothing else is due; the pause grows while there is no news."""
    assert _actions(RULES, OPEN, FRESH, [NO_TROUBLE]) == [Do.ASK_NODES, LookAgain(0.03)]


def test_what_is_looked_at_seldom() -> None:
    """In this order, two seconds after the last time."""
    found = _actions(RULES, OPEN, DUE, [*QUIET, {"depth": BUSY}, NO_TROUBLE])
    assert found[:5] == [Do.READ_CANCELATION, Do.FOLLOW, Do.DRAIN_DEAD, Do.COUNT_MESSAGES, Do.ASK_NODES]


def test_a_queue_of_many_steps_is_drained_elsewhere() -> None:
    """And what waits there for a worker is no standstill."""
    rules, late = replace(RULES, shares_queue=True), replace(DUE, news=-1000.0)
    answers = [*QUIET[:2], {"depth": BUSY}, NO_TROUBLE]
    found = _actions(rules, OPEN, late, answers)
    assert Do.DRAIN_DEAD not in found
    assert isinstance(found[-1], LookAgain)
    [*_, end] = _actions(rules, OPEN, late, [*QUIET[:2], {"depth": EMPTY}, NO_TROUBLE])
    assert end == StopNodes(graceful=False)


def test_lost_messages_are_sent_again_once_everything_is_read() -> None:
    """After the queue has been empty for as long as its count may lag, and two seconds more."""
    rules = replace(RULES, depth_lag=5.0)
    answers = [*QUIET, {"depth": EMPTY}, {"read_all": True}, {"resent": True}, NO_TROUBLE]
    found = _actions(rules, OPEN, replace(DUE, empty=NOW - 7.0), answers)
    assert found[3:6] == [Do.COUNT_MESSAGES, Do.READ_ALL, Do.RESEND]
    assert Do.READ_ALL not in _actions(rules, OPEN, replace(DUE, empty=NOW - 6.9), [*answers[:4], NO_TROUBLE])


def test_evidence_is_weighed_before_a_failure_ends_the_step() -> None:
    """Then what the counts say holds, and the nodes are stopped."""
    rules = replace(RULES, fences=True, thresholds=Thresholds(mini_batch_error_threshold=0))
    facts = replace(OPEN, counts=Counts(total=4, failed=1), suspicion=True)
    assert _actions(rules, facts, FRESH, [{"weighed": True}]) == [Weigh(hinges=True), StopNodes(graceful=False)]
    reopened = replace(OPEN, reopened=True, weighed=False)
    assert _actions(rules, reopened, FRESH, []) == [Do.SEND_REOPENED]


def test_a_cancelation_ends_the_step() -> None:
    """Its reason is that of the verdict, and what is committed last does not change that."""
    facts = replace(OPEN, asked=True, canceled="ada canceled the run")
    [stop, end] = _actions(RULES, facts, DUE, [{"left": True, "counts": Counts(total=4, succeeded=4)}])
    assert (stop, end) == (StopNodes(graceful=False), SealStep(Verdict(VerdictStatus.CANCELED, "ada canceled the run")))


def test_nodes_that_are_gone_are_believed_after_a_second_look() -> None:
    """At what they have left behind, and at a cancelation."""
    gone = {"asked_nodes": True, "trouble": "no node is left"}
    finished = {"confirmed": True, "counts": Counts(total=4, succeeded=4)}
    assert _actions(RULES, OPEN, FRESH, [gone, finished]) == [
        Do.ASK_NODES,
        Do.CONFIRM_TROUBLE,
        StopNodes(graceful=True),
    ]
    why = {"confirmed": True, "cause": "no module"}
    *_, end = _actions(RULES, OPEN, FRESH, [gone, why, {"left": True}])
    assert end == SealStep(Verdict(VerdictStatus.FAILED, "the entry script cannot be started: no module"))


def test_stragglers_are_looked_for_near_the_end() -> None:
    """Twice a second, and only where that is wanted."""
    rules, due = replace(RULES, speculates=True), replace(FRESH, tail=NOW - 0.5)
    near = replace(OPEN, counts=Counts(total=4, succeeded=3))
    found = _actions(rules, near, due, [{"stragglers": (3,)}, {"stragglers": ()}, NO_TROUBLE])
    assert found[:2] == [Do.FIND_STRAGGLERS, Speculate((3,))]
    assert Do.FIND_STRAGGLERS not in _actions(rules, OPEN, due, [NO_TROUBLE]), "too early"
    assert Do.FIND_STRAGGLERS not in _actions(RULES, near, due, [NO_TROUBLE]), "not wanted"


def test_a_look_begins_with_nothing_done() -> None:
    """What belongs to one look is forgotten, moments are not."""
    after = replace(FRESH, does_seldom=True, does_tail=True, moved=True)
    assert begin_look(after) == FRESH


@pytest.mark.parametrize(
    ("settled", "total", "news", "pause"),
    [(0, 100, False, 0.15), (50, 100, True, 0.25), (99, 100, True, 0.05), (5, None, True, 0.125)],
)
def test_the_pause(settled: int, total: int | None, news: bool, pause: float) -> None:
    """Half of what is left at the pace so far; longer and longer without news; within bounds."""
    counts = Counts(total=total, succeeded=settled)
    assert next_pause(RULES.pace, counts, 9.9, 0.1, news=news) == pytest.approx(pause)
