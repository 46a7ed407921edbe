"""All that failed in a step: every mini-batch once, alike failures together, nothing left out."""

from collections.abc import Callable
from typing import Any

import pytest
from obstore.store import ObjectStore

from fanout.planning.manifests import Tally, next_shard, write_shard, write_summary
from fanout.records.mini_batch import MiniBatch
from fanout.records.seal import Seal, seal
from fanout.records.step import Continued, StepRecord, dump
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.reports.failed_mini_batches import FailuresOfStep, Fate, read_failures
from fanout.results.codec import Cause, Entry, Failure, Status
from fanout.results.ledger import KEPT_FAILURES
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put

AT = StepRound("r", "s")
RETRIED, FAILED, DEAD = Status.RETRIED, Status.FAILED, Status.DEAD_LETTERED
Make = Callable[..., Entry]
VANISHED = Failure(Cause.VANISHED, "every node vanished")


def no(number: int) -> Failure:
    """A failure of the one kind."""
    trace = f'Traceback\n  File "score.py", line 3, in run\nValueError: file {number} is bad\n'
    return Failure(Cause.EXCEPTION, f"ValueError: file {number} is bad", trace)


@pytest.fixture
async def planned(store: ObjectStore, record: Callable[..., StepRecord]) -> None:
    """Step `r/s` has begun, with 30 mini-batches of one file."""
    await put(store, keys.step_json(AT), dump(record()))
    shard, tally = next_shard(iter([MiniBatch(i, files=(f"file:///in/{i}",)) for i in range(30)]), 0), Tally()
    tally.add(shard)
    await write_shard(store, AT, shard)
    await write_summary(store, AT, tally.summary(None))


async def _sealed(store: ObjectStore, objects: dict[int, int], status: VerdictStatus = VerdictStatus.FAILED) -> None:
    await seal(store, keys.verdict(AT), Seal(Verdict(status, "because"), Counts(30), objects))


async def _read(store: ObjectStore, **options: Any) -> FailuresOfStep:
    found = await read_failures(store, AT, **options)
    assert found is not None
    return found


async def test_each_mini_batch_is_told_once_with_its_tries(
    store: ObjectStore, planned: None, commit: Any, entry: Make
) -> None:
    """Failed, dead-lettered and not finished ones, in their order; what succeeded later is told when asked for."""
    await commit(0, 0, [entry(7, status=RETRIED, failure=no(7)), entry(4, status=RETRIED, failure=no(4))])
    await commit(0, 1, [entry(4, attempt=1), entry(9, status=RETRIED, failure=no(9))])
    await commit(1, 0, [entry(7, attempt=1, status=FAILED, failure=no(77)), entry(2, status=DEAD, failure=VANISHED)])
    found = await _read(store)
    assert [(b.index, b.fate, len(b.tries)) for b in found.mini_batches] == [
        (2, Fate.DEAD_LETTERED, 1),
        (7, Fate.FAILED, 2),
        (9, Fate.UNFINISHED, 1),
    ]
    assert [(t.attempt, t.node) for t in found.mini_batches[1].tries] == [(0, 0), (1, 1)]
    assert found.unfinished == ((0, 1), (3, 3), (5, 6), (8, 29))
    everything = await _read(store, all_attempts=True)
    assert [(b.index, b.fate) for b in everything.mini_batches][1] == (4, Fate.SUCCEEDED)


async def test_alike_failures_share_one_traceback(store: ObjectStore, planned: None, commit: Any, entry: Make) -> None:
    """The traceback is that of the first that was given up; those behind KEPT_FAILURES are there too."""
    many = KEPT_FAILURES + 500
    await commit(0, 0, [entry(i % 30, attempt=i // 30, status=RETRIED, failure=no(i)) for i in range(many)])
    await commit(0, 1, [entry(i, attempt=60, status=FAILED, failure=no(i)) for i in range(30)])
    await commit(0, 2, [entry(3, attempt=61, status=RETRIED, failure=VANISHED)])
    found = await _read(store)
    assert len(found.mini_batches) == 30
    assert sum(len(b.tries) for b in found.mini_batches) == many + 31
    first, second = found.kinds
    assert (first.group.count, first.group.given_up, len(first.group.mini_batches)) == (many + 30, 30, 30)
    assert first.group.first.failure == no(0)
    assert second.group.first.failure == VANISHED
    assert {t.kind for b in found.mini_batches for t in b.tries} == {first.number, second.number}


async def test_only_what_the_seal_names_counts(store: ObjectStore, planned: None, commit: Any, entry: Make) -> None:
    """What a late node writes afterwards is not told."""
    await commit(0, 0, [entry(1, status=FAILED, failure=no(1))])
    await _sealed(store, {0: 1})
    await commit(0, 1, [entry(2, status=FAILED, failure=no(2))])
    found = await _read(store)
    assert [b.index for b in found.mini_batches] == [1]
    assert found.seal is not None


async def test_a_later_round_tells_the_tries_of_those_before(
    store: ObjectStore, planned: None, commit: Any, entry: Make, record: Callable[..., StepRecord]
) -> None:
    """A mini-batch that was chosen and succeeded is over; one that was not chosen stays failed, with its old tries."""
    from dataclasses import replace

    from fanout.results import codec

    await commit(0, 0, [entry(i, status=FAILED, failure=no(i)) for i in (1, 2, 3)])
    await _sealed(store, {0: 1})
    second = AT.in_round(2)
    await put(store, keys.step_json(second), dump(replace(record(), round=2, continues=Continued(1, (1, 2)))))
    body = codec.encode([entry(1), entry(2, status=FAILED, failure=no(2))], [b"", b""])
    await put(store, keys.node(second, 0), b"{}")
    await put(store, keys.result(second, 0, 0), body)
    found = await read_failures(store, second)
    assert found is not None
    tries = {b.index: [(t.round, t.attempt) for t in b.tries] for b in found.mini_batches}
    assert tries == {2: [(1, 0), (2, 0)], 3: [(1, 0)]}
    assert {b.fate for b in found.mini_batches} == {Fate.FAILED}


async def test_a_step_that_has_not_begun(store: ObjectStore) -> None:
    """There is nothing to tell."""
    assert await read_failures(store, AT) is None
