"""How fast a step goes and when it will be done, as far as that can be said. Pure.

An estimate that says 57 minutes, then three, then 48 is worse than none. So there is none while the pace changes, and
one that is shown moves towards a newer one step by step.
"""

import itertools
import math
from bisect import bisect_left
from collections.abc import Sequence

Past = Sequence[tuple[float, int]]
"""When (seconds of the step) how many mini-batches were settled, the oldest first; neither ever goes back."""

WINDOW = 15.0
"""Seconds that the pace looks back, at the least."""
SHARE = 0.25
"""Of the time since the first sample, which it looks back when that is longer: long mini-batches need a long look."""
PARTS = 3
STEADY = 2.5
"""The pace is steady when no part of the time looked back on was faster than another by more than this factor."""
SMOOTHING = 10.0
"""Seconds in which a shown estimate makes up for most of the difference to a newer one."""


def window(past: Past) -> float:
    """Seconds to look back."""
    return max(WINDOW, SHARE * (past[-1][0] - past[0][0])) if past else WINDOW


def rate(past: Past) -> float | None:
    """Mini-batches a second of late; None when there is too little to tell."""
    if len(past) < 2:
        return None
    now = past[-1][0]
    then = max(past[0][0], now - window(past))
    done = past[-1][1] - _settled_at(past, then)
    return done / (now - then) if now - then > 0.5 and done > 0 else None


def seconds_left(past: Past, left: int) -> float | None:
    """Seconds until the last of the `left` mini-batches; None while the pace is not steady, or nothing is left."""
    pace = rate(past)
    return left / pace if left and pace is not None and is_steady(past) else None


def is_steady(past: Past) -> bool:
    """Whether each part of the time looked back on had about the same pace."""
    now = past[-1][0]
    then = max(past[0][0], now - window(past))
    marks = [_settled_at(past, then + (now - then) * part / PARTS) for part in range(PARTS + 1)]
    done = [after - before for before, after in itertools.pairwise(marks)]
    return min(done) > 0 and max(done) <= STEADY * min(done)


def smoothed(shown: float | None, passed: float, newer: float | None) -> float | None:
    """What to show now: `shown` was the estimate `passed` seconds ago, `newer` is the one of now."""
    if newer is None or shown is None:
        return newer
    expected = max(0.0, shown - passed)
    return expected + (newer - expected) * (1 - math.exp(-passed / SMOOTHING))


def _settled_at(past: Past, when: float) -> float:
    """How many were settled then, between two samples in proportion."""
    at = bisect_left(past, when, key=lambda sample: sample[0])
    if at == 0 or at == len(past):
        return float(past[min(at, len(past) - 1)][1])
    (then, before), (now, after) = past[at - 1], past[at]
    return before + (after - before) * (when - then) / (now - then)
