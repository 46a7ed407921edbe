"""Reads what a step has taken over from an earlier run, and where the outputs of a run's steps are as a result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.records.codec import Record, Text
from fanout.records.run import RunRecord
from fanout.records.step import BoundOutput
from fanout.records.verdict import Counts
from fanout.scheduler.bindings import bind_outputs
from fanout.scheduler.context import RunContext
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a step of an earlier run made: where its outputs are, and their identities and counts."""

    run: Text
    step: Text
    outputs: dict[str, BoundOutput]
    identities: Mapping[str, str]
    counts: Counts


EARLIER = Record(Earlier)


async def taken_over(store: "ObjectStore", at: StepRound) -> Earlier | None:
    """Returns what the step has taken over; None when it has taken over nothing."""
    key = keys.reused(at)
    body = await read(store, key)
    return None if body is None else EARLIER.load(body, key)


async def outputs_of_all(record: RunRecord, context: RunContext) -> dict[str, dict[str, BoundOutput]]:
    """Returns where the outputs of all steps of the run are, or are going to be, by step."""
    found = {}
    for step in record.pipeline.steps:
        earlier = await taken_over(context.store, record.at(step.name))
        bound = bind_outputs(step, record.planned_at(step.name), context.settings)
        found[step.name] = bound if earlier is None else earlier.outputs
    return found
