"""What `take` and `skip` of an MLTable come to, as far as it can be said without reading rows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from fanout.tables.transformations import Filter, Skip, Take, TakeSample, Transformation


@dataclass(frozen=True, slots=True)
class RowLimits:
    """How many rows of the table are left out at its start, and how many are kept after those (None: all)."""

    skip: int = 0
    take: int | None = None


EVERY_ROW = RowLimits()


def row_limits(steps: Sequence[Transformation]) -> RowLimits | None:
    """What all `take` and `skip` come to; None when a sample, or one behind a filter, needs every row to be read."""
    limits, filtered = RowLimits(), False
    for step in steps:
        match step:
            case TakeSample():
                return None
            case Filter():
                filtered = True
            case Take() | Skip():
                if filtered:
                    return None
                limits = _narrowed(limits, step)
            case _:
                pass
    return limits


def _narrowed(limits: RowLimits, step: Take | Skip) -> RowLimits:
    if isinstance(step, Take):
        return RowLimits(limits.skip, step.count if limits.take is None else min(limits.take, step.count))
    left = None if limits.take is None else max(0, limits.take - step.count)
    return RowLimits(limits.skip + step.count, left)


def rows_wanted(steps: Sequence[Transformation]) -> int | None:
    """How many rows, from the start of the table, are enough to know what the steps leave; None when it may be all."""
    plain = row_limits(list(takewhile(lambda step: not isinstance(step, Filter | TakeSample), steps)))
    return None if plain is None or plain.take is None else plain.skip + plain.take
