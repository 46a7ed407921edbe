"""All attempts of a step, look by look."""

from collections.abc import Callable
from typing import Any

import pytest
from obstore.store import ObjectStore

from fanout.planning.manifests import Tally, next_shard, write_shard, write_summary
from fanout.queries.page import outcomes
from fanout.queries.page.run_page import kind_pages
from fanout.queries.page.step_data import StepData, read_step_data
from fanout.queries.page.tries import read_mini_batch_page
from fanout.records.mini_batch import MiniBatch
from fanout.records.seal import Seal, seal
from fanout.records.step import StepRecord, dump
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.results.codec import Cause, Entry, Failure, Status
from fanout.results.fences import Fence, create_fence
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put

AT = StepRound("r", "s")
Make = Callable[..., Entry]
BAD = Failure(Cause.EXCEPTION, "ValueError: 17 is bad", 'Traceback\n  File "score.py", line 3, in run\nValueError')


@pytest.fixture
async def data(store: ObjectStore, record: Callable[..., StepRecord]) -> StepData:
    """Step `r/s` with ten mini-batches of one file, before anything was committed."""
    await put(store, keys.step_json(AT), dump(record()))
    shard, tally = next_shard(iter([MiniBatch(i, files=(f"file:///in/{i}",)) for i in range(10)]), 0), Tally()
    tally.add(shard)
    await write_shard(store, AT, shard)
    await write_summary(store, AT, tally.summary(None))
    found = await read_step_data(store, AT)
    assert found is not None
    return found


async def test_each_look_adds_what_is_new(store: ObjectStore, data: StepData, commit: Any, entry: Make) -> None:
    """Attempts, outcomes and counts; a look without news says so."""
    assert (data.total, len(data.attempts), await data.refresh(store)) == (10, 0, False)
    await commit(0, 0, [entry(0), entry(1, status=Status.RETRIED, failure=BAD)])
    assert await data.refresh(store)
    assert (data.counts.succeeded, data.counts.retried, data.counts.total) == (1, 1, 10)
    await commit(0, 1, [entry(1, attempt=1)])
    assert await data.refresh(store)
    assert not await data.refresh(store)
    assert list(data.attempts.index) == [0, 1, 1]
    assert data.codes == bytes([1, 1, *[0] * 8])


async def test_a_seal_ends_it(store: ObjectStore, data: StepData, commit: Any, entry: Make) -> None:
    """What was written after it does not count, and what has no outcome was canceled."""
    await commit(0, 0, [entry(0)])
    await commit(0, 1, [entry(1)])
    await seal(store, keys.verdict(AT), Seal(Verdict(VerdictStatus.FAILED, "why"), Counts(10, 1), {0: 1}))
    assert await data.refresh(store)
    assert data.codes == bytes([outcomes.SUCCEEDED, *[outcomes.CANCELED] * 9])
    assert not await data.refresh(store)


async def test_a_fence_makes_it_anew(store: ObjectStore, data: StepData, commit: Any, entry: Make) -> None:
    """What failed on the node is open again; pages are told by the epoch that what they have is void."""
    await commit(0, 0, [entry(0, status=Status.FAILED, failure=BAD), entry(1)])
    await data.refresh(store)
    assert data.codes[0] == outcomes.FAILED
    await create_fence(store, AT, Fence(0, "host", "fails all"))
    await data.refresh(store)
    assert (data.epoch, data.codes[0], data.codes[1]) == (1, outcomes.AGAIN, outcomes.SUCCEEDED)


async def test_alike_failures_are_one_kind(store: ObjectStore, data: StepData, commit: Any, entry: Make) -> None:
    """With its count, the first traceback, and the mini-batches it is about."""
    other = Failure(Cause.EXCEPTION, "ValueError: 18 is bad", BAD.traceback)
    await commit(0, 0, [entry(3, status=Status.RETRIED, failure=BAD), entry(4, status=Status.FAILED, failure=other)])
    await data.refresh(store)
    [kind] = kind_pages(data.kinds)
    assert (kind.count, kind.given_up, kind.affected, kind.mini_batches) == (2, 1, 2, (3, 4))
    assert kind.traceback == BAD.traceback
    assert list(data.attempts.kind) == [1, 1]


async def test_one_mini_batch_with_its_tries(store: ObjectStore, data: StepData, commit: Any, entry: Make) -> None:
    """Items from the plan, the traceback of each try from where its result is."""
    await commit(0, 0, [entry(9)])
    await commit(1, 0, [entry(2, status=Status.RETRIED, failure=BAD), entry(3)])
    await commit(1, 1, [entry(2, attempt=1, started=1_700_000_009.0)])
    await data.refresh(store)
    page = await read_mini_batch_page(store, data, 2)
    assert (page.items, page.outcome) == (("/in/2",), "succeeded")
    assert [(one.attempt, one.node, one.status) for one in page.tries] == [(0, 1, "retried"), (1, 1, "succeeded")]
    assert page.tries[0].traceback == BAD.traceback


async def test_a_step_that_has_not_begun_has_none(store: ObjectStore) -> None:
    """Its record is not there."""
    assert await read_step_data(store, AT) is None
