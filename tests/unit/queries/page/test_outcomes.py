"""What the page says of each mini-batch is what the ledger says."""

import random
from collections.abc import Callable, Iterator

import pytest

from fanout.queries.page import outcomes
from fanout.queries.page.outcomes import Outcomes
from fanout.records.parts import ItemRange
from fanout.results.codec import Cause, Entries, Entry, Failure, ResultIndex, Status
from fanout.results.fences import Fences
from fanout.results.ledger import Ledger

Make = Callable[..., Entry]
BAD = Failure(Cause.EXCEPTION, "bad")
TOTAL = 12


def _entries(make: Make, chance: random.Random) -> Iterator[Entry]:
    for _ in range(chance.randrange(1, 6)):
        index, status = chance.randrange(TOTAL), chance.choice(list(Status))
        failure = None if status is Status.SUCCEEDED else BAD
        part = chance.choice([None, None, ItemRange(0, 2), ItemRange(2, 4), ItemRange(0, 1), ItemRange(1, 2)])
        items = 4 if part is None else part.items
        if status is Status.SPLIT and items < 2:
            continue
        failed_on = (1,) if failure is not None and chance.random() < 0.2 else ()
        attempt = chance.randrange(3)
        yield make(index, attempt=attempt, status=status, items=items, failure=failure, part=part, failed_on=failed_on)


@pytest.mark.parametrize("seed", range(300))
def test_outcomes_are_those_of_the_ledger(seed: int, entry: Make) -> None:
    """Whatever was committed, in whatever order: retries, splits, parts, short returns, fenced nodes."""
    chance = random.Random(seed)  # noqa: S311
    fences = Fences(frozenset({1} if seed % 3 == 0 else ()), max_retries=2)
    ledger, found = Ledger(TOTAL), Outcomes(fences=fences)
    ledger.fences = fences
    found.grow(TOTAL)
    for seq in range(6):
        entries = Entries.of(list(_entries(entry, chance)))
        ledger.absorb(seq % 2, seq // 2, ResultIndex(entries, (), 0))
        found.absorb(seq % 2, seq // 2, entries)
    expected = outcomes.of_ledger(ledger, TOTAL, None)
    alike = [{outcomes.OPEN, outcomes.AGAIN}, {outcomes.FAILED, outcomes.DEAD}]
    for index, (code, wanted) in enumerate(zip(found.codes, expected, strict=True)):
        assert code == wanted or {code, wanted} in alike, f"mini-batch {index}: {outcomes.NAMES[code]}"


def test_plain_successes_take_the_short_way(entry: Make) -> None:
    """They count as any success does."""
    found = Outcomes()
    found.absorb(0, 0, Entries.of([entry(i) for i in range(5)]))
    assert found.codes == bytearray([outcomes.SUCCEEDED] * 5)
    assert found.count(outcomes.SUCCEEDED) == 5


def test_what_is_open_at_the_end_was_canceled(entry: Make) -> None:
    """Also what was to be tried again."""
    found = Outcomes()
    found.grow(3)
    found.absorb(0, 0, Entries.of([entry(0), entry(1, status=Status.RETRIED, failure=BAD)]))
    assert list(outcomes.ended(found.codes)) == [outcomes.SUCCEEDED, outcomes.CANCELED, outcomes.CANCELED]
