"""The runs of a store, newest first: what `fanout list` shows."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.cli.render.output import Paint
from fanout.cli.render.run.conclusion import paint_verdict
from fanout.errors import DamagedRecordError, RunError
from fanout.formatting import duration, many, moment
from fanout.records.run import RunRecord, load_record
from fanout.records.seal import Seal, read_seal
from fanout.records.verdict import verdict_words
from fanout.storage import keys
from fanout.storage.objects import list_names
from fanout.tasks import all_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One run; `seal` is None while it is not over."""

    record: RunRecord
    seal: Seal | None


async def list_runs(store: "ObjectStore", most: int | None = None) -> list[ListedRun]:
    """The newest `most` runs; what cannot be read as a run is left out."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def look(name: str) -> ListedRun | None:
        async with gate:
            try:
                record = await load_record(store, name)
                return ListedRun(record, await read_seal(store, keys.run_verdict(name, record.round)))
            except (RunError, DamagedRecordError):
                return None

    found = await all_of(map(look, await list_names(store, keys.RUNS)))
    runs = sorted(filter(None, found), key=lambda run: run.record.created, reverse=True)
    return runs[:most]


def list_lines(runs: Sequence[ListedRun], paint: Paint) -> Iterator[str]:
    """One line a run: name, when, verdict, steps."""
    width = max((len(run.record.name) for run in runs), default=0)
    for run in runs:
        steps = ", ".join(step.name for step in run.record.pipeline.steps)
        count = many(len(run.record.pipeline.steps), "step")
        yield f"{run.record.name:<{width}}  {moment(run.record.created)}  {_verdict(run.seal, paint)}  {count}: {steps}"


def list_fields(runs: Sequence[ListedRun]) -> list[dict[str, object]]:
    """The runs for programs; the names of the fields stay."""
    return [
        {
            "run": run.record.name,
            "created": run.record.created,
            "status": None if run.seal is None else run.seal.verdict.status.value,
            "reason": None if run.seal is None else run.seal.verdict.reason,
            "with_failures": run.seal is not None and run.seal.verdict.completed and run.seal.counts.has_failures,
            "seconds": None if run.seal is None else run.seal.seconds,
            "steps": [step.name for step in run.record.pipeline.steps],
        }
        for run in runs
    ]


def _verdict(seal: Seal | None, paint: Paint) -> str:
    width = len("Completed 00 min 00 s")
    if seal is None:
        return paint.warning("not ended") + " " * (width - len("not ended"))
    took = duration(seal.seconds)
    words = verdict_words(seal.verdict, seal.counts)
    return f"{paint_verdict(seal.verdict, paint, seal.counts)} {took}" + " " * (width - len(words) - 1 - len(took))
