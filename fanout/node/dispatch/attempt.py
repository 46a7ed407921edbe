"""What is recorded of an attempt that has ended: how many items it was about, and what became of them. Pure."""

import socket
from dataclasses import replace

from fanout.errors import DamagedRecordError
from fanout.node.dispatch.retry_policy import Decision
from fanout.planning.input_presence import missing_file
from fanout.records import mini_batch
from fanout.records.mini_batch import MiniBatch
from fanout.results.codec import Cause, Entry, Failure, Status
from fanout.slot.lease import Lease
from fanout.slot.protocol import Done

_NOT_READ = frozenset({Cause.LOAD, Cause.LOAD_TIME_LIMIT, Cause.DAMAGED, Cause.MISSING})
_OF_THE_SCRIPT = frozenset({Cause.EXCEPTION, Cause.BAD_RETURN, Cause.LOAD})


def entry_of(lease: Lease, done: Done, decision: Decision, process: str, started: float) -> Entry:
    """The entry of the attempt; `started` in epoch seconds."""
    message = lease.message
    return Entry(  # by place: this is done for every mini-batch
        message.index,
        message.attempt,
        decision.status,
        done.items if done.failure is None else _items(lease, done, decision),
        done.succeeded,
        process,
        started,
        done.load_seconds,
        done.run_seconds,
        done.rows_written,
        0,
        0,
        0,  # where its rows are is known once it is written
        done.header,
        done.files,
        done.failure,
        message.part,
        message.copy,
        message.failed_on if done.failure is not None else (),
        done.changes,
    )


def short_return(done: Done) -> Failure:
    """Why an attempt has failed that returned fewer elements than there are items (reference, section 10)."""
    some = "1 element" if done.succeeded == 1 else f"{done.succeeded} elements"
    return Failure(
        Cause.SHORT_RETURN,
        f"run() returned {some} for {done.items} items; error_threshold is 0 or more, so one for each is expected",
    )


def as_failed(lease: Lease, done: Done) -> Done:
    """The attempt with all that is known of its failure; one that has none has returned too few elements."""
    failure = done.failure or short_return(done)
    return with_missing_data(lease, done._replace(failure=failure), failure)


def without_rows(done: Done) -> Done:
    """The attempt without what it made: another one is tried, or its halves."""
    return done._replace(rows_written=0, rows=b"", header=None, files=())


def items_to_split(lease: Lease, done: Done, failure: Failure) -> int | None:
    """How many items were tried; None when unknown.

    How many rows a table's mini-batch has is known for certain only once a slot has read it, so one that could not be
    read is not split: reading its halves would be reading all of it.
    """
    batch = _batch(lease)
    if batch is not None and batch.files:
        return len(batch.files) if lease.message.part is None else lease.message.part.items
    return None if failure.cause in _NOT_READ else done.items or None


def with_missing_data(lease: Lease, done: Done, failure: Failure) -> Done:
    """The failed attempt, whose cause is that this machine lacks data of the mini-batch, when it does."""
    if failure.cause not in _OF_THE_SCRIPT or (batch := _batch(lease)) is None or (file := missing_file(batch)) is None:
        return done
    said = f"{file} is in the plan, and not on this machine ({socket.gethostname()}): {failure.message}"
    return done._replace(failure=replace(failure, cause=Cause.MISSING, message=said))


def _items(lease: Lease, done: Done, decision: Decision) -> int:
    """Items of a failed attempt as far as anybody knows; at least 1."""
    if decision.status is Status.SPLIT and done.failure is not None:
        return items_to_split(lease, done, done.failure) or 1
    if lease.message.part is not None:
        return lease.message.part.items
    batch = _batch(lease)
    planned = 1 if batch is None else batch.items or len(batch.files) or 1
    return done.items or lease.items or planned


def _batch(lease: Lease) -> MiniBatch | None:
    try:
        return mini_batch.decode(lease.line, "message")
    except DamagedRecordError:
        return None
