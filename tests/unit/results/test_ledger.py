"""The ledger: the same sums and the same winners in whatever order results were read."""

import random
import re
from collections.abc import Callable
from dataclasses import asdict
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.errors import DamagedRecordError
from fanout.records.parts import ItemRange
from fanout.results import codec
from fanout.results.codec import Cause, Entries, Entry, Event, Failure, ResultIndex, Status
from fanout.results.ledger import KEPT_FAILURES, Ledger, Winner
from fanout.results.split_tree import StagedFiles

BATCHES = 6
FAILURE = Failure(Cause.EXCEPTION, "ValueError: no")
WITH_ROWS = (Status.SUCCEEDED, Status.SHORT)
attempts = st.builds(
    lambda index, attempt, status, rows, part: Entry(
        index=index,
        attempt=attempt,
        status=Status.FAILED if status is Status.SPLIT and part and part.items == 1 else status,
        items=part.items if part else 3,
        succeeded=(part.items if part else 3) - (status is Status.SHORT) if status in WITH_ROWS else 0,
        process="process000",
        started=0.0,
        load_seconds=0.0,
        run_seconds=0.0,
        rows=rows if status in WITH_ROWS else 0,
        files=(f"out/{attempt}",) if status in WITH_ROWS and attempt else (),
        failure=None if status is Status.SUCCEEDED else FAILURE,
        part=part,
    ),
    st.integers(0, BATCHES - 1),
    st.integers(0, 3),
    st.sampled_from(Status),
    st.integers(0, 9),
    st.sampled_from([None, None, ItemRange(0, 1), ItemRange(1, 3), ItemRange(1, 2), ItemRange(2, 3)]),
)
histories = st.lists(st.lists(attempts, max_size=4), max_size=6)


def _ledger(objects: list[tuple[int, int, ResultIndex]]) -> Ledger:
    ledger = Ledger(BATCHES)
    for node, seq, index in objects:
        ledger.absorb(node, seq, index)
    return ledger


def _succeeded(ledger: Ledger, index: int) -> bool:
    return ledger.outcome(index) is Status.SUCCEEDED


def _rows(ledger: Ledger) -> dict[int, list[Winner]]:
    """Whose rows count of each mini-batch: one result, or one of each part that has succeeded."""
    return {index: list(found) for index, found in groupby(ledger.winners(), lambda winner: winner.index)}


def _of_round(number: int, winners: list[Winner]) -> list[Winner]:
    return [winner for winner in winners if winner.object.round == number]


def _kept_of(partly: set[int], first: Ledger) -> dict[int, list[Winner]]:
    """The rows of those parts that have succeeded: what still counts when all others have in a second round."""
    first.begin_round(2)
    again = [
        Entry(index, 0, Status.SUCCEEDED, part.items, part.items, "process000", 0.0, 0.0, 0.0, part=part)
        for index, parts in first.open_parts.items()
        for part, _ in parts
    ]
    first.absorb(0, 0, codec.decode_index(codec.encode(again, [b""] * len(again)), "key"))
    return {index: _of_round(1, found) for index, found in _rows(first).items() if index in partly}


def _view(ledger: Ledger) -> tuple[Any, ...]:
    return (
        ledger.counts,
        [(w.index, w.object.node, w.object.seq, w.start, w.length, w.crc) for w in ledger.winners()],
        list(ledger.staged()),
        list(ledger.missing()),
        ledger.next_attempts,
        ledger.open_parts,
        list(ledger.unsuccessful()),
        ledger.sealed(),
    )


@settings(max_examples=60)
@given(histories, st.randoms(use_true_random=False))
def test_any_order_of_reading_gives_the_same_ledger(history: list[list[Entry]], shuffle: random.Random) -> None:
    """Counts, winners, files and what is missing do not depend on the order of absorbing."""
    objects = []
    for number, group in enumerate(history):
        rows = [bytes([65 + number]) * entry.rows for entry in group]
        objects.append((number % 2, number // 2, codec.decode_index(codec.encode(group, rows), "key")))
    expected = _view(_ledger(objects))
    shuffle.shuffle(objects)
    assert _view(_ledger(objects)) == expected


@settings(max_examples=60)
@given(histories)
def test_the_counts_add_up(history: list[list[Entry]]) -> None:
    """Every mini-batch is in exactly one outcome or still open, and the items with it (promise I1)."""
    objects = [(0, n, codec.decode_index(codec.encode(g, [b""] * len(g)), "key")) for n, g in enumerate(history)]
    ledger = _ledger(objects)
    counts = ledger.counts
    assert counts.settled + len(list(ledger.missing())) == BATCHES
    assert counts.items == 3 * counts.settled
    assert counts.short <= counts.failed
    assert counts.succeeded <= counts.items_succeeded <= 3 * (counts.succeeded + counts.short)
    assert counts.items_succeeded + counts.items_failed == counts.items
    with_rows = {i for i in range(BATCHES) if ledger.outcome(i) in WITH_ROWS}
    assert {winner.index for winner in ledger.winners()} == with_rows
    assert ledger.attempts == sum(map(len, history))


def test_a_success_beats_a_failure(entry: Callable[..., Entry], ledger_of: Callable[..., Ledger]) -> None:
    """A mini-batch that succeeded anywhere has succeeded, though another node had given it up before."""
    failed = entry(0, status=Status.FAILED, attempt=2, failure=FAILURE)
    for objects in ([(0, 0, [failed]), (1, 0, [entry(0)])], [(1, 0, [entry(0)]), (0, 0, [failed])]):
        counts = ledger_of(*objects).counts
        assert (counts.succeeded, counts.failed, counts.items_failed) == (1, 0, 0)


def short(entry: Callable[..., Entry], index: int, **fields: Any) -> Entry:
    """The last try returned one element for two items."""
    return entry(index, status=Status.SHORT, items=2, succeeded=1, rows=1, failure=FAILURE, **fields)


def test_what_was_too_short_has_failed_and_keeps_its_rows(
    entry: Callable[..., Entry], ledger_of: Callable[..., Ledger]
) -> None:
    """It counts against the thresholds of mini-batches, and its last try is in the output (reference, section 10)."""
    ledger = ledger_of((0, 0, [short(entry, 0, files=("out/a",))], [b"one\n"]), total=1)
    counts = ledger.counts
    assert (counts.succeeded, counts.failed, counts.short, counts.lost) == (0, 1, 1, 1)
    assert (counts.items, counts.items_succeeded, counts.items_failed, counts.rows) == (2, 1, 1, 1)
    assert [(winner.index, winner.length) for winner in ledger.winners()] == [(0, 4)]
    assert [files.names for files in ledger.staged()] == [("out/a",)]
    assert list(ledger.unsuccessful()) == [0]


def test_what_was_too_short_beats_a_failure_and_no_success(
    entry: Callable[..., Entry], ledger_of: Callable[..., Ledger]
) -> None:
    """Whatever was read first."""
    failed, good = entry(0, status=Status.FAILED, failure=FAILURE), entry(0)
    for objects in ([(0, 0, [failed]), (1, 0, [short(entry, 0)])], [(1, 0, [short(entry, 0)]), (0, 0, [failed])]):
        assert ledger_of(*objects).outcome(0) is Status.SHORT
    for objects in ([(0, 0, [short(entry, 0)]), (1, 0, [good])], [(1, 0, [good]), (0, 0, [short(entry, 0)])]):
        assert ledger_of(*objects).counts.short == 0


def test_a_round_tries_again_what_was_too_short(entry: Callable[..., Entry], ledger_of: Callable[..., Ledger]) -> None:
    """Its rows and files are those of the new round; where it is not chosen they stay."""
    for chosen, missing, files in ((None, [0], []), (frozenset({1}), [], [("out/a",)])):
        ledger = ledger_of((0, 0, [short(entry, 0, files=("out/a",)), entry(1)]), total=2)
        ledger.begin_round(2, chosen)
        assert list(ledger.missing()) == missing
        assert [staged.names for staged in ledger.staged()] == files


@pytest.mark.parametrize("at_once", [True, False])
def test_items_without_an_element_are_counted_where_nobody_checks(entry: Callable[..., Entry], at_once: bool) -> None:
    """They count as succeeded, and the report can say how many they are; results that are replaced leave nothing."""
    ledger = Ledger(3, checks_items=False)
    found = [entry(n, items=4, succeeded=n) for n in range(3)]
    groups = [found] if at_once else [[one] for one in found]
    for seq, group in enumerate([*groups, [entry(1, items=4, succeeded=0)]]):
        ledger.absorb(1, seq, ResultIndex(Entries.of(group), (), 12))
    assert (ledger.counts.items_succeeded, ledger.counts.unanswered) == (12, 9)
    ledger.absorb(0, 0, ResultIndex(Entries.of([entry(0, items=4, succeeded=4)]), (), 12))  # first in store order
    assert ledger.counts.unanswered == 5


def test_the_first_in_store_order_wins(entry: Callable[..., Entry], ledger_of: Callable[..., Ledger]) -> None:
    """Of several successes the one of the lowest node, object and position counts, and only its rows and files."""
    late = (1, 0, [entry(0, rows=9, files=("out/late",))], [b"late\n"])
    early = (0, 4, [entry(1), entry(0, rows=1, files=("out/early",)), entry(0)], [b"", b"early\n", b"again\n"])
    for objects in ([late, early], [early, late]):
        ledger = ledger_of(*objects)
        [winner] = [w for w in ledger.winners() if w.index == 0]
        assert (winner.object.node, winner.object.seq, winner.length) == (0, 4, 6)
        assert [files.names for files in ledger.staged()] == [("out/early",)]
        assert ledger.counts.rows == 1


def test_retried_attempts_are_counted_and_decide_nothing(
    entry: Callable[..., Entry], ledger_of: Callable[..., Ledger]
) -> None:
    """A failed attempt that is tried again leaves its mini-batch open; who sends it again knows the next number."""
    retried = [entry(3, status=Status.RETRIED, attempt=n, failure=FAILURE) for n in (0, 1)]
    ledger = ledger_of((0, 0, retried), total=4)
    assert (ledger.counts.retried, ledger.counts.settled) == (2, 0)
    assert ledger.next_attempts == {3: 2}
    assert 3 not in ledger.settled_indexes
    assert [failure.attempt for failure in ledger.failures] == [0, 1]


def test_settled_indexes_follow_the_ledger(entry: Callable[..., Entry], ledger_of: Callable[..., Ledger]) -> None:
    """The container knows what the ledger knows now, and nothing else is in it."""
    ledger = ledger_of((0, 0, [entry(1)]))
    settled = ledger.settled_indexes
    assert 1 in settled
    assert 0 not in settled
    assert 5000 not in settled
    assert "1" not in settled
    assert [settled.isdisjoint(range(*some)) for some in ((0, 1), (0, 2), (2, 9), (4000, 5000))] == [
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("index", [4, 2**27, 2**31])
def test_mini_batches_that_do_not_exist_are_refused(
    entry: Callable[..., Entry], ledger_of: Callable[..., Ledger], index: int
) -> None:
    """An index beyond the plan is refused, naming node and object, before it takes memory."""
    with pytest.raises(DamagedRecordError, match=f"result 7 of node 3.*{index}"):
        ledger_of((3, 7, [entry(0), entry(index)]), total=4)


def test_absurd_indexes_are_refused_before_the_plan_is_known(
    entry: Callable[..., Entry], ledger_of: Callable[..., Ledger]
) -> None:
    """While planning goes on there is still a limit."""
    with pytest.raises(DamagedRecordError):
        ledger_of((0, 0, [entry(2**31)]))


def test_memory_is_bounded_by_the_number_of_mini_batches() -> None:
    """A hundred thousand mini-batches take at most 48 bytes each, and their failures a fixed number of places."""
    number = 100_000
    failed = tuple(
        Entry(index, 0, Status.FAILED, 1, 0, "process000", 0.0, 0.0, 0.0, failure=FAILURE) for index in range(number)
    )
    ledger = Ledger(number)
    ledger.absorb(0, 0, ResultIndex(Entries.of(failed), (), 12))
    columns = [value for value in vars(ledger).values() if hasattr(value, "__len__") and len(value) >= number]
    size = sum(len(column) * getattr(column, "itemsize", 1) for column in columns)
    assert size <= 48 * number
    assert len(ledger.failures) == KEPT_FAILURES
    assert ledger.counts.failed == number


def test_files_of_shutdown_come_last(entry: Callable[..., Entry]) -> None:
    """What shutdown() wrote is published after the files of mini-batches, which come in mini-batch order."""
    ledger = Ledger(3)
    left = Event("process001", 0.0, None, files=("out/summary",))
    ledger.absorb(2, 0, ResultIndex(Entries.of([entry(2, files=("out/c",)), entry(0, files=("out/a",))]), (left,), 12))
    names = [files.names for files in ledger.staged()]
    assert names == [("out/a",), ("out/c",), ("out/summary",)]
    assert all(isinstance(files, StagedFiles) and re.search(r"-002-0{7}\d$", files.folder) for files in ledger.staged())


def test_counts_are_values(entry: Callable[..., Entry], ledger_of: Callable[..., Ledger]) -> None:
    """Counts once taken do not move when the ledger goes on."""
    ledger = ledger_of((0, 0, [entry(0)]), total=2)
    before = asdict(ledger.counts)
    ledger.absorb(0, 1, ResultIndex(Entries.of([entry(1)]), (), 12))
    assert before["succeeded"] == 1
    assert ledger.counts.finished


def test_what_nobody_chose_for_a_round_stays_canceled(
    entry: Callable[..., Entry], ledger_of: Callable[..., Ledger]
) -> None:
    """A result that comes all the same, of a whole mini-batch or of a part, neither counts nor opens anything."""
    ledger = ledger_of((0, 0, [entry(1, status=Status.FAILED, failure=FAILURE)]), total=2)
    ledger.begin_round(2, frozenset({1}))
    for seq, found in enumerate([entry(0, part=ItemRange(0, 1), items=1), entry(0), entry(1)]):
        body = codec.encode([found], [b""])
        ledger.absorb(0, seq, codec.decode_index(body, "key"))
    assert (ledger.counts.succeeded, ledger.counts.canceled, ledger.counts.finished) == (1, 1, True)
    assert [winner.index for winner in ledger.winners()] == [1]


@settings(max_examples=60)
@given(histories, histories, st.none() | st.frozensets(st.integers(0, BATCHES - 1)), st.randoms(use_true_random=False))
def test_a_round_keeps_successes_and_opens_the_rest(
    before: list[list[Entry]], now: list[list[Entry]], chosen: frozenset[int] | None, shuffle: random.Random
) -> None:
    """What succeeded in the round before keeps its rows, whatever the next one holds of it; where only parts did, these
    keep theirs and the others are open; what was not chosen and has no outcome is canceled; in any order of reading."""

    def decoded(history: list[list[Entry]]) -> list[tuple[int, int, ResultIndex]]:
        encoded = [codec.encode(group, [bytes(entry.rows) for entry in group]) for group in history]
        return [(number % 2, number // 2, codec.decode_index(body, "key")) for number, body in enumerate(encoded)]

    def of_both(second: list[tuple[int, int, ResultIndex]]) -> Ledger:
        ledger = _ledger(decoded(before))
        ledger.begin_round(2, chosen)
        for found in second:
            ledger.absorb(*found)
        return ledger

    first, second = _ledger(decoded(before)), decoded(now)
    succeeded = {index: rows for index, rows in _rows(first).items() if _succeeded(first, index)}
    partly = {index for index in succeeded if first.has_failed_parts(index)}
    ledger = of_both(second)
    winners = _rows(ledger)
    assert all(winners[index] == succeeded[index] for index in succeeded.keys() - partly)
    for index, kept in _kept_of(partly, _ledger(decoded(before))).items():
        if chosen is None or index in chosen:
            assert index in ledger.missing() or _of_round(1, winners[index]) == kept
        else:
            assert [winner for winner in winners[index] if winner in kept] == kept
    others = winners.keys() - succeeded.keys() if chosen is None else (winners.keys() - succeeded.keys()) & chosen
    assert all(winners[index] == _of_round(2, winners[index]) for index in others)
    assert ledger.attempts == sum(map(len, now))
    assert sum(ledger.sealed().values()) == len(now)
    counts = ledger.counts
    assert counts.settled + len(list(ledger.missing())) == BATCHES
    if chosen is not None and not now:
        assert set(ledger.missing()) == {i for i in first.unsuccessful() if i in chosen}
    shuffle.shuffle(second)
    assert _view(of_both(second)) == _view(ledger)
