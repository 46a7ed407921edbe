"""What a pipeline would do, without doing it: the mini-batches of each step whose input is there, and their cost."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from fanout.config.settings import Settings, resolve_datastore
from fanout.errors import InputError
from fanout.files import uris
from fanout.pipeline.model import DataInput, LiteralInput, ParallelStep, Pipeline, StepOutput
from fanout.planning.cost import Estimate, PlanSize, estimate
from fanout.planning.division import Division
from fanout.planning.source import PlannedInput, plan_mini_batches, plan_ranks
from fanout.records.mini_batch import MiniBatch, encode

if TYPE_CHECKING:
    from fanout.storage.access import Access


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """The plan of one step: its first and last mini-batches, how many there are, and what they cost on AWS."""

    step: str
    input: str  # URI
    division: Division
    count: int
    items: int | None
    first: tuple[MiniBatch, ...]
    last: tuple[MiniBatch, ...]
    cost: Estimate
    found: tuple[str, ...] = ()  # how plain files are read


@dataclass(frozen=True, slots=True)
class UnplannedStep:
    """A step without a plan, and why."""

    step: str
    why: str


def look_ahead(
    pipeline: Pipeline, settings: Settings, access: "Access", show: int
) -> Iterator[PlannedStep | UnplannedStep]:
    """Each step in turn, as it is planned; InputError when an input is missing or does not fit its step."""
    for step in pipeline.steps:
        if not isinstance(step, ParallelStep):
            yield UnplannedStep(step.name, "a command: runs once")
            continue
        match step.inputs.get(step.input_data):
            case None:
                yield _summed(step, "no data", plan_ranks(step), show)
            case StepOutput(step=earlier, output=output):
                yield UnplannedStep(step.name, f"reads output {output} of step {earlier}; planned when that has ended")
            case DataInput() as given:
                yield _planned(step, given, settings, access, show)
            case LiteralInput():
                raise InputError(f"{step.name}: input_data {step.input_data!r} is a literal, expected data")


def _planned(step: ParallelStep, given: DataInput, settings: Settings, access: "Access", show: int) -> PlannedStep:
    uri = resolve_datastore(given.uri, settings)
    return _summed(step, uri, plan_mini_batches(step, uri, given.type, given.mode, access), show)


def _summed(step: ParallelStep, uri: str, planned: PlannedInput, show: int) -> PlannedStep:
    sums = _Sums(show)
    sums.add(planned.batches)
    size = PlanSize(sums.count, sums.line_bytes // max(1, sums.count), sums.remote)
    return PlannedStep(
        step.name,
        uri,
        planned.division,
        sums.count,
        sums.items,
        tuple(sums.first),
        tuple(sums.last),
        estimate(size),
        planned.found,
    )


class _Sums:
    """What is kept of a plan while it streams by."""

    def __init__(self, show: int) -> None:
        self.count = self.line_bytes = self.remote = 0
        self.items: int | None = 0
        self.first: list[MiniBatch] = []
        self.last: deque[MiniBatch] = deque(maxlen=show)
        self._show = show

    def add(self, batches: Iterable[MiniBatch]) -> None:
        stream = iter(batches)
        for batch in islice(stream, self._show):
            self.first.append(batch)
            self._count(batch)
        for batch in stream:
            self.last.append(batch)
            self._count(batch)

    def _count(self, batch: MiniBatch) -> None:
        self.count += 1
        self.line_bytes += len(encode(batch))
        self.items = None if self.items is None or batch.items is None else self.items + batch.items
        self.remote += sum(not uris.is_local(uri) for uri in (*batch.files, *(piece.uri for piece in batch.pieces)))
