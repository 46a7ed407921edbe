"""Reads from the plan what the failures of a run are about."""

import asyncio
from typing import TYPE_CHECKING

from fanout.errors import InfrastructureError
from fanout.plan.manifests import read_mini_batch
from fanout.plan.minibatch import MiniBatch
from fanout.run.observer import RunReport
from fanout.store.keys import StepRound
from fanout.view.failures import MOST_GROUPS, MiniBatches, failures_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore


async def failing_mini_batches(store: "ObjectStore", report: RunReport) -> MiniBatches:
    """The mini-batches that the shown failures name first; those that cannot be read are left out."""
    wanted = [
        (failures.report, group.first.index)
        for failures in failures_of(report)
        for group in failures.groups[:MOST_GROUPS]
        if group.first.index is not None
    ]
    found = await asyncio.gather(*(_read(store, step.planned, index) for step, index in wanted))
    return {
        (step.step.name, index): batch for (step, index), batch in zip(wanted, found, strict=True) if batch is not None
    }


async def _read(store: "ObjectStore", planned: StepRound | None, index: int) -> MiniBatch | None:
    if planned is None:
        return None
    try:
        return await read_mini_batch(store, planned, index)
    except InfrastructureError:
        return None  # the failure is told all the same
