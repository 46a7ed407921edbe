"""The plan of a step, for people and for programs. Pure."""

from collections.abc import Iterator
from dataclasses import asdict

from fanout.cli.render.output import Paint
from fanout.files import uris
from fanout.formatting import location, many, mini_batches, number
from fanout.planning.cost import Estimate
from fanout.planning.division import ByBytes, ByCount, ByPartition, ByRank, ByRows, Division
from fanout.queries.failures import items_of
from fanout.queries.plan import PlannedStep, UnplannedStep
from fanout.records.mini_batch import MiniBatch

MOST_ITEMS = 3


def plan_lines(step: PlannedStep | UnplannedStep, paint: Paint) -> Iterator[str]:
    """The plan of a step for people."""
    if isinstance(step, UnplannedStep):
        yield f"{paint.strong(step.step)}: {step.why}"
        return
    items = "items not known without reading the data" if step.items is None else many(step.items, "item")
    yield f"{paint.strong(step.step)}: {mini_batches(step.count)}, {items}"
    yield f"  input    {location(step.input)} ({_division(step.division)})"
    yield from (f"  {line}" for line in step.found)
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
        "read": list(step.found),
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
