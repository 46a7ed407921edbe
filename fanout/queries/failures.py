"""What failed in a run, and the mini-batches and items that the failures are about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.errors import InfrastructureError
from fanout.formatting import location, number
from fanout.pipeline.model import Step
from fanout.planning.manifests import SHARD_SIZE, PlanSummary, read_mini_batch, read_shard
from fanout.records.mini_batch import MiniBatch, decode
from fanout.records.parts import ItemRange
from fanout.records.run import RunRecord
from fanout.records.seal import step_seal
from fanout.reports.failed_mini_batches import FailedMiniBatch
from fanout.reports.failure_groups import FailureGroup, StepSource, group, occurrences
from fanout.scheduler.observer import RunReport, StepReport
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read
from fanout.tasks import all_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.planning.manifests import Shard

MOST_GROUPS = 5
"""Kinds of failures shown for a step; the others are in its logs."""

MiniBatches = Mapping[tuple[str, int], MiniBatch]
"""Mini-batches of the plan that failures name, by step and index, as far as they could be read."""


@dataclass(frozen=True, slots=True)
class StepFailures:
    """What failed in one step."""

    report: StepReport
    source: StepSource
    groups: tuple[FailureGroup, ...]

    @property
    def unreported(self) -> int:
        """Failed attempts beyond those that were kept."""
        counts = self.report.seal.counts
        return max(0, counts.retried + counts.lost - len(self.report.failures))


def failures_of(report: RunReport) -> list[StepFailures]:
    """The failures of each step that has any, without steps that completed before a resume: theirs were shown then."""
    found = []
    for step in report.steps:
        was_shown = step.earlier and step.seal.verdict.completed
        source = StepSource(report.run, step.step.name, step.code)
        groups = () if was_shown else group(occurrences(step.failures, step.events), source)
        if groups or (step.error and not was_shown) or step.nodes:
            found.append(StepFailures(step, source, groups))
    return found


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
        return None  # the failure is shown all the same


@dataclass(slots=True)
class PlannedMiniBatches:
    """The mini-batches of a step's plan by index; meant to be asked in ascending order, a shard is read once then."""

    store: "ObjectStore"
    planned: StepRound
    summary: PlanSummary | None
    _shard: "Shard | None" = None

    async def read(self, index: int) -> MiniBatch | None:
        """The mini-batch; None when it cannot be read."""
        if self.summary is None:
            return None  # still being planned
        number, place = divmod(index, SHARD_SIZE)
        try:
            if self._shard is None or self._shard.number != number:
                self._shard = await read_shard(self.store, self.planned, number, self.summary)
            return decode(self._shard.lines[place], keys.manifest(self.planned, number))
        except (InfrastructureError, IndexError):
            return None


def items_of(batch: MiniBatch | None, part: ItemRange | None = None) -> tuple[str, ...]:
    """What a mini-batch holds, as people name it: its files, partition, or pieces of files; of a part, its items."""
    if part is not None:
        return _items_of_part(batch, part)
    if batch is None:
        return ()
    if batch.partition:
        return (", ".join(f"{key}={value}" for key, value in batch.partition.items()),)
    if batch.files:
        return tuple(location(uri) for uri in batch.files)
    return tuple(f"{location(p.uri)}, {p.cut} {number(p.start)} to {number(p.stop)}" for p in batch.pieces)


def _items_of_part(batch: MiniBatch | None, part: ItemRange) -> tuple[str, ...]:
    if batch is not None and batch.files:
        return tuple(location(uri) for uri in batch.files[part.start : part.stop])
    whole = "; ".join(items_of(batch))
    return (f"{part} of {whole}" if whole else str(part),)


def failed_items(failed: FailedMiniBatch, batch: MiniBatch | None) -> tuple[str, ...]:
    """What failed, as people name it: the items that were isolated, else all that the mini-batch holds."""
    if not failed.failed_parts:
        return items_of(batch)
    return tuple(name for part in failed.failed_parts for name in items_of(batch, part))


async def last_words(store: "ObjectStore", record: RunRecord, step: Step) -> str:
    """The end of what a command has printed; "" when it did not fail."""
    from fanout.shell_commands.runner import LAST_WORDS, LOG_FILE  # with all that it takes to run one

    at = record.at(step.name)
    sealed = await step_seal(store, at)
    if sealed is None or sealed.verdict.completed:
        return ""
    log = await read(store, keys.logs(at) + LOG_FILE)
    return (log or b"")[-LAST_WORDS:].decode(errors="replace")
