"""What becomes of an attempt: pure, so that every rule about retries is one table of values."""

from dataclasses import dataclass

from fanout.backoff import ATTEMPTS
from fanout.results.codec import Cause, Failure, Status


@dataclass(frozen=True, slots=True)
class Decision:
    """How an attempt is recorded, and whether what was tried, or both halves of it, are sent anew after a while."""

    status: Status
    retry_after: float | None = None


SUCCEEDED = Decision(Status.SUCCEEDED)


def retry_decision(
    failure: Failure | None, attempt: int, max_retries: int, draw: float, items: int | None = None
) -> Decision:
    """What to do about attempt number `attempt` (0 is the first) that ended in `failure`, or well when that is None.

    User code is tried at most max_retries + 1 times, and what is damaged not again: it will not be better then. Then
    what consists of several `items` is split, when these are to be isolated; None: they are not, or it is unknown how
    many there are. What the last try returned is kept when all that is wrong with it is its length. `draw` in [0, 1)
    spreads the back-off.
    """
    if failure is None:
        return SUCCEEDED
    if failure.cause is Cause.DAMAGED:
        return Decision(Status.FAILED)
    if attempt >= max_retries:
        last = Status.SHORT if failure.cause is Cause.SHORT_RETURN else Status.FAILED
        return Decision(Status.SPLIT, 0.0) if items is not None and items > 1 else Decision(last)
    return Decision(Status.RETRIED, ATTEMPTS.pause(attempt, draw))
