"""Reads from the plan what the failures of a run are about."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.cli.render.run.failures import MOST_GROUPS, MiniBatches, failures_of
from fanout.errors import InfrastructureError
from fanout.planning.manifests import SHARD_SIZE, PlanSummary, read_mini_batch, read_shard
from fanout.records.mini_batch import MiniBatch, decode
from fanout.scheduler.observer import RunReport
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.tasks import all_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.planning.manifests import Shard


async def failing_mini_batches(store: "ObjectStore", report: RunReport) -> MiniBatches:
    """The mini-batches that the shown failures name first; those that cannot be read are left out."""
    wanted = [
        (failures.report, group.first.index)
        for failures in failures_of(report)
        for group in failures.groups[:MOST_GROUPS]
        if group.first.index is not None
    ]
    found = await all_of(_read(store, step.planned, index) for step, index in wanted)
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


@dataclass(slots=True)
class PlannedMiniBatches:
    """The mini-batches of a step's plan by index; meant to be asked in ascending order, a shard is read once then."""

    store: "ObjectStore"
    planned: StepRound
    summary: PlanSummary | None
    _shard: "Shard | None" = None

    async def read(self, index: int) -> MiniBatch | None:
        """The mini-batch; None when it cannot be read: what is told of it is told all the same."""
        if self.summary is None:
            return None  # still being planned
        number, place = divmod(index, SHARD_SIZE)
        try:
            if self._shard is None or self._shard.number != number:
                self._shard = await read_shard(self.store, self.planned, number, self.summary)
            return decode(self._shard.lines[place], keys.manifest(self.planned, number))
        except (InfrastructureError, IndexError):
            return None
