"""What is recorded of an attempt: items as far as anybody knows, and what may be split."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from fanout.node.dispatch.attempt import entry_of, items_to_split
from fanout.node.dispatch.retry_policy import Decision
from fanout.records import mini_batch
from fanout.records.mini_batch import Cut, MiniBatch, Piece
from fanout.records.parts import ItemRange
from fanout.results.codec import Cause, Failure, Status
from fanout.slot.lease import Lease
from fanout.slot.protocol import Done

FILES = MiniBatch(0, files=("file:///a", "file:///b", "file:///c"), items=3)
TABLE = MiniBatch(0, pieces=(Piece("file:///t.csv", 0, 900, Cut.BYTES),), items=50)


def _done(cause: Cause, items: int = 0) -> Done:
    return Done(items, 0, 0.0, 0.1, failure=Failure(cause, "no"))


def _held(lease: Callable[..., Lease], batch: MiniBatch, part: ItemRange | None = None) -> Lease:
    found = lease(0)
    found.line, found.message = mini_batch.encode(batch).encode(), replace(found.message, part=part)
    return found


@pytest.mark.parametrize(
    ("batch", "part", "done", "items"),
    [
        (FILES, None, _done(Cause.EXCEPTION, 3), 3),
        (FILES, None, _done(Cause.EXIT), 3),
        (FILES, None, _done(Cause.LOAD), 3),
        (FILES, ItemRange(1, 3), _done(Cause.SIGNAL), 2),
        (TABLE, None, _done(Cause.EXCEPTION, 40), 40),
        (TABLE, None, _done(Cause.TIME_LIMIT, 40), 40),
        (TABLE, None, _done(Cause.SIGNAL), None),
        (TABLE, None, _done(Cause.LOAD, 50), None),
        (TABLE, None, _done(Cause.LOAD_TIME_LIMIT, 50), None),
        (TABLE, ItemRange(0, 20), _done(Cause.EXIT, 20), 20),
        (TABLE, ItemRange(0, 20), _done(Cause.LOAD, 20), None),
    ],
)
def test_what_may_be_split(
    lease: Callable[..., Lease], batch: MiniBatch, part: ItemRange | None, done: Done, items: int | None
) -> None:
    """Files are counted in the plan; rows only once they were read, whatever the plan says."""
    assert done.failure is not None
    assert items_to_split(_held(lease, batch, part), done, done.failure) == items


def test_a_line_that_cannot_be_read_is_not_split(lease: Callable[..., Lease]) -> None:
    """Nor does anybody know its items: it counts as one."""
    found = lease(0)
    found.line = b"{"
    done = _done(Cause.DAMAGED)
    assert done.failure is not None
    assert items_to_split(found, done, done.failure) is None
    assert entry_of(found, done, Decision(Status.FAILED), "fetch", 0.0).items == 1


@pytest.mark.parametrize(
    ("batch", "part", "done", "status", "items"),
    [
        (FILES, None, _done(Cause.EXIT), Status.FAILED, 3),
        (TABLE, None, _done(Cause.EXIT), Status.FAILED, 50),
        (TABLE, None, _done(Cause.EXIT, 40), Status.SPLIT, 40),
        (FILES, ItemRange(1, 3), _done(Cause.LOAD), Status.RETRIED, 2),
        (FILES, None, Done(3, 3, 0.0, 0.1), Status.SUCCEEDED, 3),
    ],
)
def test_an_entry_tells_its_items(
    lease: Callable[..., Lease], batch: MiniBatch, part: ItemRange | None, done: Done, status: Status, items: int
) -> None:
    """As the slot says, else as the plan does; the part and whether it was a copy come from the message."""
    found = _held(lease, batch, part)
    found.message = replace(found.message, copy=True)
    entry = entry_of(found, done, Decision(status), "process001", 5.0)
    assert (entry.items, entry.part, entry.copy, entry.process, entry.started) == (items, part, True, "process001", 5.0)
