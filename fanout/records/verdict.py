"""The verdict of a step: a pure function of counts and thresholds (reference, section 10, table and all)."""

from dataclasses import dataclass
from enum import StrEnum

from fanout.pipeline.model import Thresholds
from fanout.records.codec import Large

NOTHING_SUCCEEDED = (
    "no mini-batch returned anything, and append_row needs at least one row: "
    "run() must return a list or a DataFrame with one element per item it has handled"
)


class VerdictStatus(StrEnum):
    """How a step or a run ended."""

    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a step or run, and why."""

    status: VerdictStatus
    reason: str

    @property
    def completed(self) -> bool:
        """Whether it is `Completed`."""
        return self.status is VerdictStatus.COMPLETED


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the mini-batches so far. `total` is None while they are still being planned."""

    total: Large | None
    succeeded: Large = 0
    failed: Large = 0  # all tries used up; with those that ended in a short return
    dead_lettered: Large = 0  # the nodes that received them vanished
    canceled: Large = 0
    retried: Large = 0  # failed attempts that were tried again
    items: Large = 0  # of the settled mini-batches
    items_succeeded: Large = 0
    items_failed: Large = 0
    rows: Large = 0
    short: Large = 0  # of `failed`: the last try returned fewer elements than items; its rows are in the output
    unanswered: Large = 0  # of `items_succeeded`: run() returned nothing for them, and no items are checked

    @property
    def lost(self) -> int:
        """Mini-batches that ended without success; the reference's "failed mini-batches"."""
        return self.failed + self.dead_lettered

    @property
    def has_failures(self) -> bool:
        """Whether mini-batches or items failed for good: then Completed is not the whole truth."""
        return self.lost > 0 or self.items_failed > 0

    @property
    def settled(self) -> int:
        """Mini-batches that have an outcome."""
        return self.succeeded + self.failed + self.dead_lettered + self.canceled

    @property
    def finished(self) -> bool:
        """Whether all are planned and have an outcome."""
        return self.total is not None and self.settled >= self.total


def verdict_words(verdict: Verdict, counts: Counts) -> str:
    """`Completed`, `Completed with failures`, `Failed` or `Canceled`."""
    return f"{verdict.status} with failures" if verdict.completed and counts.has_failures else str(verdict.status)


def exceeded(counts: Counts, thresholds: Thresholds) -> str | None:
    """The first threshold that `counts` exceed, as the sentence of the verdict; None when all hold.

    Comparisons are strict: a threshold of 5 allows 5. The percentage is looked at only when the total is known.
    """
    t = thresholds
    if 0 <= t.error_threshold < counts.items_failed:
        return f"failed items: {counts.items_failed}, more than error_threshold {t.error_threshold} allows"
    if 0 <= t.mini_batch_error_threshold < counts.lost:
        allowed = t.mini_batch_error_threshold
        return f"failed mini-batches: {counts.lost}, more than mini_batch_error_threshold {allowed} allows"
    if counts.total and t.allowed_failed_percent < 100:
        percent = 100 * counts.lost / counts.total
        if percent > t.allowed_failed_percent:
            return (
                f"failed mini-batches: {counts.lost} of {counts.total}, {percent:.1f} %, more than "
                f"allowed_failed_percent {t.allowed_failed_percent:g} allows"
            )
    return None


def judge(counts: Counts, thresholds: Thresholds, *, append_row: bool) -> Verdict | None:
    """The verdict that `counts` allow: Failed as soon as a threshold is exceeded, None while work is left."""
    reason = exceeded(counts, thresholds)
    if reason is not None:
        return Verdict(VerdictStatus.FAILED, reason)
    if not counts.finished:
        return None
    if counts.canceled:
        return Verdict(VerdictStatus.CANCELED, f"{counts.canceled} of {counts.total} mini-batches were left out")
    if append_row and counts.rows == 0 and counts.total:
        return Verdict(VerdictStatus.FAILED, _no_row(counts))
    return Verdict(VerdictStatus.COMPLETED, _summary(counts, thresholds))


def _no_row(counts: Counts) -> str:
    """Why there is nothing to append. For a script that always fails it names the failures, not the missing return
    values."""
    if counts.succeeded or counts.short:
        return NOTHING_SUCCEEDED
    if counts.total == 1:
        return "the only mini-batch failed"
    return f"all {counts.total} mini-batches failed"


def _all_succeeded(total: int | None) -> str:
    match total:
        case 0:
            return "there was nothing to do: the input has no rows"
        case 1:
            return "the only mini-batch succeeded"
        case _:
            return f"all {total} mini-batches succeeded"


def _summary(counts: Counts, t: Thresholds) -> str:
    """What failed, and which thresholds allow that: they are settings of the pipeline, to be looked at."""
    if not counts.has_failures:
        return _all_succeeded(counts.total)
    failed, allowed = [], []
    if counts.lost:
        short = f", {counts.short} of them in that run() returned fewer elements than items" if counts.short else ""
        failed.append(f"{counts.lost} of {counts.total} mini-batches failed{short}")
        allowed.append(f"mini_batch_error_threshold {t.mini_batch_error_threshold}")
        allowed.append(f"allowed_failed_percent {t.allowed_failed_percent:g}")
    if counts.items_failed:
        failed.append(f"{counts.items_failed} of {counts.items} items failed")
        allowed.append(f"error_threshold {t.error_threshold}")
    return f"{' and '.join(failed)} (allowed by {', '.join(allowed)})"
