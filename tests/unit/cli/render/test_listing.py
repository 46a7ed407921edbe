from typing import Any

from obstore.store import MemoryStore

from fanout.cli.render.listing import list_fields, list_lines
from fanout.cli.render.output import Paint
from fanout.pipeline.model import Pipeline
from fanout.queries.runs import list_runs
from fanout.records.run import RunRecord, create_record
from fanout.records.seal import Seal, seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.storage import keys
from fanout.storage.objects import put


async def test_runs_are_listed_newest_first(steps: Any) -> None:
    """Each with its verdict, or without while it is not over; what is no run is left out."""
    store = MemoryStore()
    for number, name in enumerate(["old", "newer", "newest"]):
        await create_record(store, RunRecord(name, Pipeline("/p.yml", None, steps), 1_700_000_000.0 + number))
    done = Seal(Verdict(VerdictStatus.COMPLETED, "all 2 steps completed"), Counts(None), seconds=75.0)
    await seal(store, keys.run_verdict("old"), done)
    await put(store, "runs/half/other", b"")
    await put(store, "runs/damaged/run.json", b"{")
    runs = await list_runs(store)
    assert [run.record.name for run in runs] == ["newest", "newer", "old"]
    assert [run.record.name for run in await list_runs(store, 1)] == ["newest"]
    *_, line = list_lines(runs, Paint())
    assert line.startswith("old     ")
    assert "Completed 1 min 15 s" in line
    assert line.endswith("2 steps: prepare, score")
    assert list_fields(runs)[2]["status"] == "Completed"
    assert list_fields(runs)[0]["status"] is None


async def test_a_store_without_runs_lists_none() -> None:
    """No runs are no error."""
    assert await list_runs(MemoryStore()) == []
    assert list(list_lines([], Paint())) == []
