"""The runs of a store as the page lists them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.clock import SystemClock
from fanout.queries.runs import ListedRun, list_runs
from fanout.records.seal import Seal, step_seal
from fanout.records.verdict import verdict_words
from fanout.tasks import all_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_RUNS = 200
MOST_GRID = 60
"""Runs whose steps are listed, too."""


@dataclass(frozen=True, slots=True)
class StepCell:
    """A step of a listed run; `seconds` is 0 while it is not over."""

    name: str
    status: str
    words: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run of the list. `mini_batches` and `failed` are sums over its steps that are over."""

    run: str
    created: float
    words: str
    seconds: float
    file: str
    round: int
    tags: Mapping[str, str]
    mini_batches: int
    failed: int
    steps: tuple[StepCell, ...]


async def list_run_rows(store: "ObjectStore", most: int = MOST_RUNS) -> tuple[RunRow, ...]:
    """The newest runs, newest first."""
    found = await list_runs(store, most)
    return tuple(await all_of(_row(store, run, with_steps=at < MOST_GRID) for at, run in enumerate(found)))


async def _row(store: "ObjectStore", run: ListedRun, *, with_steps: bool) -> RunRow:
    record, seal = run.record, run.seal
    now = SystemClock().now()
    names = [step.name for step in record.pipeline.steps] if with_steps else []
    seals = await all_of(step_seal(store, record.at(name)) for name in names)
    counts = [one.counts for one in seals if one is not None]
    failed = any(one.has_failures for one in counts)
    words = "Running" if seal is None else str(seal.verdict.status)
    return RunRow(
        run=record.name,
        created=record.created,
        words=f"{words} with failures" if seal is not None and seal.verdict.completed and failed else words,
        seconds=max(0.0, now - record.created) if seal is None else seal.seconds,
        file=record.pipeline.file,
        round=record.round,
        tags=record.pipeline.tags,
        mini_batches=sum(one.settled for one in counts),
        failed=sum(one.lost for one in counts),
        steps=tuple(_cell(name, one) for name, one in zip(names, seals, strict=True)),
    )


def _cell(name: str, seal: Seal | None) -> StepCell:
    if seal is None:
        return StepCell(name, "", "not over", 0.0)
    return StepCell(name, str(seal.verdict.status), verdict_words(seal.verdict, seal.counts), seal.seconds)
