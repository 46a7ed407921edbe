"""Mini-batches that are split: every good item counts once, every bad one fails once, whatever comes in what order."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.node.dispatch.retry_policy import retry_decision
from fanout.records.parts import ItemRange
from fanout.results import codec
from fanout.results.codec import Cause, Entry, Failure, ResultIndex, Status
from fanout.results.ledger import Ledger

FAILURE = Failure(Cause.EXCEPTION, "ValueError: bad item")
NODES = 3
Try = tuple[ItemRange | None, int]


@dataclass
class World:
    """One mini-batch of `items`, some of them bad, on nodes that answer as nodes do and are delivered to at random."""

    items: int
    bad: frozenset[int]
    retries: int
    draw: random.Random
    queue: list[Try] = field(default_factory=lambda: [(None, 0)])
    objects: dict[int, list[ResultIndex]] = field(default_factory=lambda: {node: [] for node in range(NODES)})
    letters: list[ItemRange | None] = field(default_factory=list)

    def run(self, most: int | None = None) -> None:
        """Messages are taken in any order, some of them twice, until none is left or `most` were."""
        taken = 0
        while self.queue and (most is None or taken < most):
            found = self.queue.pop(self.draw.randrange(len(self.queue)))
            if self.draw.random() < 0.2:
                self._attempt(*found)
            self._attempt(*found)
            taken += 1

    def _attempt(self, part: ItemRange | None, attempt: int) -> None:
        whole = ItemRange(0, self.items)
        tried = part or whole
        items = tuple(item for item in range(tried.start, tried.stop) if item not in self.bad)
        failure = None if len(items) == tried.items else FAILURE
        decision = retry_decision(failure, attempt, self.retries, 0.5, tried.items)
        if decision.status is Status.RETRIED:
            self.queue.append((part, attempt + 1))
        elif decision.status is Status.SPLIT:
            self.queue += [(half, 0) for half in tried.halves]
        elif decision.status is Status.FAILED:
            self.letters.append(part)
        self._commit(_entry(part, attempt, decision.status, tried, failure))

    def _commit(self, entry: Entry) -> None:
        rows = b"" if entry.failure else _rows(entry.part or ItemRange(0, self.items))
        body = codec.encode([entry], [rows])
        self.objects[self.draw.randrange(NODES)].append(codec.decode_index(body, "key"))

    def ledger(self, total: int = 1) -> Ledger:
        """What a reader of all results comes to, who read them in any order."""
        found = [(node, seq, index) for node, indexes in self.objects.items() for seq, index in enumerate(indexes)]
        self.draw.shuffle(found)
        ledger = Ledger(total, checks_items=False)
        for node, seq, index in found:
            ledger.absorb(node, seq, index)
        return ledger

    def rows(self, ledger: Ledger) -> list[int]:
        """The items whose rows are in the output, in its order."""
        found: list[int] = []
        for winner in ledger.winners():
            [entry] = self.objects[winner.object.node][winner.object.seq].entries
            found += _items_of(entry.part or ItemRange(0, self.items))
        return found


def _entry(part: ItemRange | None, attempt: int, status: Status, tried: ItemRange, failure: Failure | None) -> Entry:
    good = 0 if failure else tried.items
    return Entry(
        0, attempt, status, tried.items, good, "process000", 0.0, 0.0, 0.1, rows=good, failure=failure, part=part
    )


def _rows(part: ItemRange) -> bytes:
    return "".join(f"{item}\n" for item in _items_of(part)).encode()


def _items_of(part: ItemRange) -> Iterator[int]:
    return iter(range(part.start, part.stop))


worlds = st.integers(1, 40).flatmap(
    lambda items: st.builds(
        World,
        items=st.just(items),
        bad=st.frozensets(st.integers(0, items - 1)),
        retries=st.integers(0, 2),
        draw=st.randoms(use_true_random=False),
    )
)


@settings(max_examples=60, deadline=None)
@given(worlds)
def test_every_good_item_counts_once_and_every_bad_one_fails(world: World) -> None:
    """Rows of all good items in order, a dead letter for each bad one alone, and counts that add up to the items."""
    world.run()
    ledger = world.ledger()
    assert world.rows(ledger) == [item for item in range(world.items) if item not in world.bad]
    expected = {None if world.items == 1 else ItemRange(item, item + 1) for item in world.bad}
    assert set(world.letters) == expected
    counts = ledger.counts
    assert (counts.items, counts.items_failed) == (world.items, len(world.bad))
    assert (counts.succeeded, counts.failed) == ((0, 1) if len(world.bad) == world.items else (1, 0))
    assert counts.rows == world.items - len(world.bad)
    assert counts.finished
    assert not ledger.open_parts


@settings(max_examples=50, deadline=None)
@given(worlds, st.integers(0, 12))
def test_what_is_open_is_sent_again_and_nothing_else(world: World, most: int) -> None:
    """Messages that are lost halfway are told by the ledger alone, and sending those ends with the same rows."""
    world.run(most)
    before = world.ledger()
    world.queue.clear()
    if not before.is_settled(0):
        parts = before.open_parts.get(0)
        attempt = min(before.next_attempts.get(0, 0), world.retries)
        world.queue = [(part, min(tries, world.retries)) for part, tries in parts] if parts else [(None, attempt)]
    world.run()
    assert world.rows(world.ledger()) == [item for item in range(world.items) if item not in world.bad]
    assert world.ledger().counts.items_failed == len(world.bad)


@settings(max_examples=50, deadline=None)
@given(worlds)
def test_another_round_tries_only_what_failed(world: World) -> None:
    """A redrive opens the bad items of a mini-batch that succeeded in part, and the whole of one that did not."""
    world.run()
    ledger = world.ledger()
    assert list(ledger.unsuccessful()) == ([0] if world.bad else [])
    ledger.begin_round(2)
    parts = [part for part, attempt in ledger.open_parts.get(0, ()) if attempt == 0]
    if len(world.bad) == world.items:
        assert (parts, list(ledger.missing())) == ([], [0])
    else:
        assert [part.start for part in parts] == sorted(world.bad)
    for seq, part in enumerate(parts):
        entry = _entry(part, 0, Status.SUCCEEDED, part, None)
        ledger.absorb(0, seq, codec.decode_index(codec.encode([entry], [_rows(part)]), "key"))
    if parts:
        assert (ledger.counts.succeeded, ledger.counts.items_failed, ledger.counts.rows) == (1, 0, world.items)
        assert [winner.object.round for winner in ledger.winners()].count(2) == len(world.bad)
        assert not list(ledger.unsuccessful())


def test_a_late_success_of_the_whole_beats_its_parts() -> None:
    """A second delivery of the whole that succeeds after all is what counts, rows and items."""
    split = _entry(None, 0, Status.SPLIT, ItemRange(0, 4), FAILURE)
    half = _entry(ItemRange(0, 2), 0, Status.SUCCEEDED, ItemRange(0, 2), None)
    whole = _entry(None, 1, Status.SUCCEEDED, ItemRange(0, 4), None)
    for order in ([split, half, whole], [whole, half, split], [half, whole, split]):
        ledger = _absorbed(order)
        assert (ledger.counts.succeeded, ledger.counts.items, ledger.counts.rows) == (1, 4, 4)
        assert len(list(ledger.winners())) == 1


def test_a_success_of_the_whole_in_a_later_round_changes_nothing() -> None:
    """What has succeeded of a mini-batch keeps its rows, whether all of its parts did or the others are open again."""
    split = _entry(None, 0, Status.SPLIT, ItemRange(0, 4), FAILURE)
    good = _entry(ItemRange(0, 2), 0, Status.SUCCEEDED, ItemRange(0, 2), None)
    whole = _entry(None, 1, Status.SUCCEEDED, ItemRange(0, 4), None)
    for status, failure, settled in ((Status.SUCCEEDED, None, 1), (Status.FAILED, FAILURE, 0)):
        other = _entry(ItemRange(2, 4), 0, status, ItemRange(2, 4), failure)
        ledger = _absorbed([split, good, other])
        ledger.begin_round(2)
        before = list(ledger.winners())
        ledger.absorb(0, 0, codec.decode_index(codec.encode([whole], [b""]), "key"))
        assert ledger.counts.settled == settled
        assert list(ledger.winners()) == before


def test_parts_of_which_nobody_was_told_decide_nothing() -> None:
    """A half counts only when what it is a half of was split; a whole that failed has failed."""
    half = _entry(ItemRange(0, 2), 0, Status.SUCCEEDED, ItemRange(0, 2), None)
    failed = _entry(None, 2, Status.FAILED, ItemRange(0, 4), FAILURE)
    assert _absorbed([half]).counts.settled == 0
    for order in ([half, failed], [failed, half]):
        counts = _absorbed(order).counts
        assert (counts.failed, counts.items_failed) == (1, 4)


def test_a_copy_that_failed_uses_up_no_try() -> None:
    """Neither of the whole nor of a part: whoever sends these again does so with the number they had."""
    split = _entry(None, 1, Status.SPLIT, ItemRange(0, 2), FAILURE)
    whole = Entry(0, 2, Status.RETRIED, 2, 0, "p", 0.0, 0.0, 0.1, failure=FAILURE, copy=True)
    part = Entry(1, 2, Status.RETRIED, 1, 0, "p", 0.0, 0.0, 0.1, failure=FAILURE, copy=True, part=ItemRange(0, 1))
    other = Entry(1, 1, Status.SPLIT, 2, 0, "p", 0.0, 0.0, 0.1, failure=FAILURE)
    assert _absorbed([whole]).next_attempts == {}
    assert _absorbed([split, other, part]).open_parts == {
        0: ((ItemRange(0, 1), 0), (ItemRange(1, 2), 0)),
        1: ((ItemRange(0, 1), 0), (ItemRange(1, 2), 0)),
    }


def test_a_large_mini_batch_is_followed_quickly() -> None:
    """Each result of one of 2,000 items touches a path of the tree, not all of it."""
    ledger = _absorbed([_entry(None, 0, Status.SPLIT, ItemRange(0, 2_000), FAILURE)])
    waiting, looked = list(ItemRange(0, 2_000).halves), 0
    while waiting:
        part = waiting.pop()
        status = Status.FAILED if part.items == 1 else Status.SPLIT
        waiting += part.halves if part.items > 1 else ()
        _absorb(ledger, looked := looked + 1, [_entry(part, 0, status, part, FAILURE)])
    assert (ledger.counts.failed, ledger.counts.items_failed) == (1, 2_000)


def _absorbed(entries: Sequence[Entry]) -> Ledger:
    """Each in an object of its own; their places are those of the statuses, so that the order of reading is free."""
    ledger = Ledger(2)
    for entry in entries:
        _absorb(ledger, list(Status).index(entry.status) * 10 + entry.index, [entry])
    return ledger


def _absorb(ledger: Ledger, seq: int, entries: Sequence[Entry]) -> None:
    rows = [b"" if entry.failure else b"x\n" * entry.rows for entry in entries]
    ledger.absorb(0, seq, codec.decode_index(codec.encode(entries, rows), "key"))
