"""Which node is to blame, from counts alone; and what its failures are worth then."""

from dataclasses import replace

import pytest
from obstore.store import MemoryStore

from fanout.records.verdict import Counts
from fanout.results.codec import Cause, Entries, Entry, Failure, ResultIndex, Status
from fanout.results.fences import Fence, Fences, create_fence, fenced_nodes, read_fence, read_fences
from fanout.results.ledger import Ledger
from fanout.storage.keys import StepRound
from fanout.supervision.fence_rules import LEAST, Evidence, Tallies, does_harm

AT = StepRound("r", "s")
LOST = Failure(Cause.MISSING, "/in/a is in the plan, and not on this machine")
ALONE = Evidence(row=10, succeeded=0, refuted=1, confirmed=0, others_succeeded=50, others_failed=0)


def _entry(index: int, status: Status = Status.SUCCEEDED, attempt: int = 0, failed_on: tuple[int, ...] = ()) -> Entry:
    failure = None if status is Status.SUCCEEDED else LOST
    return Entry(index, attempt, status, 1, 1, "process000", 0.0, 0.0, 0.0, 1, failure=failure, failed_on=failed_on)


def _index(*entries: Entry) -> ResultIndex:
    return ResultIndex(Entries.of(entries), (), 0)


@pytest.mark.parametrize(
    ("evidence", "retries", "hinges", "fenced"),
    [
        (ALONE, True, False, True),
        (replace(ALONE, row=LEAST), True, False, True),
        (replace(ALONE, row=LEAST - 1), True, True, False),  # too little to tell
        (replace(ALONE, refuted=0), True, False, False),  # the next try will tell
        (replace(ALONE, refuted=0), True, True, True),  # there will be no next one
        (replace(ALONE, refuted=0), False, False, True),  # nothing is tried again
        (replace(ALONE, others_succeeded=0), True, True, False),  # everything fails everywhere: the script
        (replace(ALONE, others_succeeded=50, others_failed=50), True, False, False),  # a script that often fails
        (replace(ALONE, row=100, others_succeeded=50, others_failed=50), True, False, True),
        (replace(ALONE, confirmed=1), True, False, False),  # it fails elsewhere, too
        (replace(ALONE, refuted=6, confirmed=2), True, False, True),  # bad data on top
        (replace(ALONE, succeeded=20), True, False, True),
        (replace(ALONE, row=4, succeeded=20), True, False, False),  # it has worked well: more is needed
    ],
)
def test_which_node_does_harm(evidence: Evidence, *, retries: bool, hinges: bool, fenced: bool) -> None:
    """One on which everything fails, and not elsewhere, more often in a row than chance would have it."""
    assert does_harm(evidence, retries=retries, hinges=hinges) is fenced


def test_the_evidence_grows_with_what_nodes_commit() -> None:
    """Successes elsewhere refute a node's failures, failures elsewhere confirm them, and its own success ends a row."""
    tallies = Tallies()
    tallies.absorb(0, _index(*map(_entry, range(10))))
    tallies.absorb(1, _index(*(_entry(index, Status.RETRIED) for index in range(20, 24))))
    assert tallies.evidence(1) == Evidence(4, 0, 0, 0, 10, 0)
    tallies.absorb(0, _index(_entry(20, attempt=1), _entry(21, attempt=1)))
    tallies.absorb(2, _index(_entry(22, Status.RETRIED, 1)))
    assert tallies.evidence(1) == Evidence(4, 0, 2, 1, 12, 1)
    assert list(tallies.lacking()) == [(1, 20), (2, 22)]
    tallies.absorb(1, _index(_entry(30), _entry(31, Status.RETRIED)))
    assert tallies.evidence(1) == Evidence(1, 1, 0, 0, 12, 1)


def test_a_row_of_one_mini_batch_is_none() -> None:
    """What fails three times in a row may be the fault of the one mini-batch."""
    tallies = Tallies()
    tallies.absorb(0, _index(*map(_entry, range(99))))
    for attempt in range(3):
        tallies.absorb(1, _index(_entry(99, Status.RETRIED, attempt)))
    assert list(tallies.suspects(retries=True, hinges=True)) == []


def test_what_failed_here_before_a_success_is_no_new_evidence() -> None:
    """The last mini-batches of a step are those that always fail: a node that is alone with them did no harm."""
    tallies = Tallies()
    tallies.absorb(0, _index(*map(_entry, range(13))))
    tallies.absorb(1, _index(*(_entry(index, Status.RETRIED) for index in range(20, 40)), _entry(13)))
    tallies.absorb(1, _index(*(_entry(index, Status.FAILED, 1) for index in range(20, 40))))
    assert tallies.evidence(1).row == 0
    assert list(tallies.suspects(retries=True, hinges=True)) == []
    tallies.absorb(1, _index(*(_entry(index, Status.RETRIED) for index in range(40, 60))))  # first tries count
    assert list(tallies.suspects(retries=True, hinges=True)) == [1]


def test_what_fails_everywhere_fences_nobody() -> None:
    """The script is broken, not the machines."""
    tallies = Tallies()
    for node in range(3):
        tallies.absorb(node, _index(*(_entry(index, Status.RETRIED) for index in range(50))))
    assert list(tallies.suspects(retries=True, hinges=True)) == []


def _ledger(fenced: frozenset[int], max_retries: int = 2) -> Ledger:
    ledger = Ledger(3)
    ledger.fences = Fences(fenced, max_retries)
    return ledger


def test_what_failed_on_a_fenced_node_counts_for_nothing() -> None:
    """Its mini-batches are open again, and wait for a message; what succeeded there stays."""
    ledger = _ledger(frozenset({1}))
    ledger.absorb(1, 0, _index(_entry(0), _entry(1, Status.FAILED, 2), _entry(2, Status.RETRIED)))
    assert ledger.counts == Counts(3, succeeded=1, items=1, items_succeeded=1, rows=1)
    assert ledger.reopened == {1}
    assert ledger.next_attempts == {}
    assert [failed.index for failed in ledger.voided] == [1, 2]
    assert ledger.failures == []


def test_tries_on_a_fenced_node_were_none() -> None:
    """A last try whose tries before were on a fenced node was not the last."""
    ledger = _ledger(frozenset({1}))
    ledger.absorb(0, 0, _index(_entry(0, Status.FAILED, 2, failed_on=(1, 1))))
    assert ledger.outcome(0) is None
    assert ledger.next_attempts == {0: 1}
    assert ledger.reopened == {0}
    ledger.absorb(0, 1, _index(_entry(0, Status.FAILED, 2, failed_on=(0, 0))))
    assert ledger.outcome(0) is Status.FAILED


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_any_order_of_reading_gives_the_same_ledger(order: tuple[int, ...]) -> None:
    """With the same fences the same results count."""
    objects = {
        0: (0, _index(_entry(0, Status.FAILED, 2, failed_on=(1, 1)), _entry(1))),
        1: (1, _index(_entry(0, Status.RETRIED), _entry(0, Status.RETRIED, 1), _entry(2, Status.FAILED, 2))),
        2: (2, _index(_entry(2, attempt=1), _entry(0, Status.FAILED, 2, failed_on=(0, 1)))),
    }
    ledger = _ledger(frozenset({1}))
    for number in order:
        node, index = objects[number]
        ledger.absorb(node, 0, index)
    assert [ledger.outcome(index) for index in range(3)] == [None, Status.SUCCEEDED, Status.SUCCEEDED]
    assert ledger.counts.retried == 2


def test_without_fences_everything_counts() -> None:
    """Nodes are named in results all the same."""
    ledger = _ledger(frozenset())
    ledger.absorb(0, 0, _index(_entry(0, Status.FAILED, 2, failed_on=(1, 1))))
    assert ledger.outcome(0) is Status.FAILED


async def test_a_fence_is_created_once() -> None:
    """Two supervisors agree why."""
    store, first = MemoryStore(), Fence(1, "host", "all 5 mini-batches failed", "ValueError", 1.0)
    assert await create_fence(store, AT, first) == first
    assert await create_fence(store, AT, replace(first, reason="another")) == first
    assert await read_fence(store, AT, 1) == first
    assert await read_fence(store, AT, 2) is None
    assert await fenced_nodes(store, AT) == {1}
    assert await read_fences(store, AT) == (first,)
    assert str(first) == "node 1 (host) is fenced: all 5 mini-batches failed"
