"""What a pipeline would do, without doing it: the mini-batches of each step whose input is there, and their cost."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING

from fanout.cli.render.output import Paint
from fanout.cli.render.run.failures import items_of
from fanout.config.settings import Settings, resolve_datastore
from fanout.errors import InputError
from fanout.files import uris
from fanout.formatting import location, many, mini_batches, number
from fanout.pipeline.model import DataInput, LiteralInput, ParallelStep, Pipeline, StepOutput
from fanout.planning.cost import Estimate, PlanSize, estimate
from fanout.planning.division import ByBytes, ByCount, ByPartition, ByRank, ByRows, Division
from fanout.planning.source import PlannedInput, plan_mini_batches, plan_ranks
from fanout.records.mini_batch import MiniBatch, encode

if TYPE_CHECKING:
    from fanout.storage.access import Access

MOST_ITEMS = 3


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """The plan of one step: its first and last mini-batches, how many there are, and what they cost on AWS."""

    step: str
    input: str  # URI
    division: str
    count: int
    items: int | None
    first: tuple[MiniBatch, ...]
    last: tuple[MiniBatch, ...]
    cost: Estimate


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
        _division(planned.division),
        sums.count,
        sums.items,
        tuple(sums.first),
        tuple(sums.last),
        estimate(size),
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


def plan_lines(step: PlannedStep | UnplannedStep, paint: Paint) -> Iterator[str]:
    """The plan of a step for people."""
    if isinstance(step, UnplannedStep):
        yield f"{paint.strong(step.step)}: {step.why}"
        return
    items = "items not known without reading the data" if step.items is None else many(step.items, "item")
    yield f"{paint.strong(step.step)}: {mini_batches(step.count)}, {items}"
    yield f"  input    {location(step.input)} ({step.division})"
    yield from (f"  {_batch_line(batch)}" for batch in step.first)
    if (hidden := step.count - len(step.first) - len(step.last)) > 0:
        yield f"  … {number(hidden)} more …"
    yield from (f"  {_batch_line(batch)}" for batch in step.last)
    yield f"  on AWS   {_cost(step.cost)}"


def plan_fields(step: PlannedStep | UnplannedStep) -> dict[str, object]:
    """The plan of a step for programs; the names of the fields stay."""
    if isinstance(step, UnplannedStep):
        return {"step": step.step, "planned": False, "why": step.why}
    requests = asdict(step.cost.requests) | {"total": step.cost.requests.total}
    return {
        "step": step.step,
        "planned": True,
        "input": uris.display(step.input),
        "mini_batches": step.count,
        "items": step.items,
        "first": [asdict(batch) for batch in step.first],
        "last": [asdict(batch) for batch in step.last],
        "messages": step.cost.messages,
        "requests": requests,
        "dollars": step.cost.dollars,
    }


def _division(division: Division) -> str:
    match division:
        case ByCount(files=files):
            return f"{many(files, 'file')} a mini-batch"
        case ByBytes(block_bytes=size):
            return f"blocks of {number(size)} bytes"
        case ByRows(rows=rows):
            return f"{many(rows, 'row')} a mini-batch"
        case ByPartition(keys=keys):
            return f"by {', '.join(keys)}"
        case ByRank(ranks=ranks):
            return f"{mini_batches(ranks)} without data"


def _batch_line(batch: MiniBatch) -> str:
    items = items_of(batch)
    more = f" and {number(len(items) - MOST_ITEMS)} more" if len(items) > MOST_ITEMS else ""
    return f"{batch.index:>7}  {'; '.join(items[:MOST_ITEMS])}{more}"


def _cost(cost: Estimate) -> str:
    r = cost.requests
    sqs, s3 = r.send + r.receive + r.delete, r.put + r.get
    dollars = f"${cost.dollars:.2f}" if cost.dollars >= 0.005 else "less than $0.01"
    return f"{many(cost.messages, 'message')}, {number(sqs)} requests to SQS and {number(s3)} to S3: {dollars}"
