import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from obstore.store import LocalStore, ObjectStore

from fanout.step.job_report import job_report
from fanout.step.ledger import Ledger
from fanout.step.record import StepRecord
from fanout.step.results import Cause, Entry, Event, Failure, ResultIndex, Status
from fanout.step.seal import Seal
from fanout.step.supervise import Progress
from fanout.step.verdict import Counts, Verdict, VerdictStatus
from fanout.store.objects import list_keys, read

MakeRecord = Callable[..., StepRecord]
MakeEntry = Callable[..., Entry]
LOGS = "runs/r/s/logs/"
SEAL = Seal(Verdict(VerdictStatus.FAILED, "1 failed"), Counts(2, succeeded=1, failed=1), seconds=1.0)


async def logs(store: ObjectStore) -> dict[str, str]:
    names = [listed.key async for listed in list_keys(store, LOGS)]
    return {name.removeprefix(LOGS): (await read(store, name) or b"").decode() for name in names}


async def test_everything_is_in_the_store_in_the_references_layout(
    store: ObjectStore, record: MakeRecord, entry: MakeEntry, manual_clock: Any
) -> None:
    """After publishing, each file of the reference's section 11 is where people and their tools look for it."""
    failure = Failure(Cause.EXCEPTION, "ValueError: no", "Traceback …\nValueError: no")
    broken = Event("process001", 5.0, Failure(Cause.SHUTDOWN, "OSError: full"))
    index = ResultIndex((entry(0), entry(1, status=Status.FAILED, failure=failure)), (broken,), 0)
    ledger = Ledger(2)
    async with job_report(record(), store, manual_clock) as report:
        report.absorb(0, index)
        ledger.absorb(0, 0, index)
        await report.publish(SEAL, ledger)
    found = await logs(store)
    assert sorted(found) == [
        "job_error.txt",
        "job_progress_overview.2023111422.txt",
        "job_result.txt",
        "readme.txt",
        "sys/error/0/process000.txt",
        "sys/error/0/process001.txt",
        "sys/job_report/node_summary.csv",
        "sys/job_report/process_summary.csv",
        "sys/job_report/processed_mini-batches.csv",
        "sys/metrics/20231114221320/progress.csv",
        "user/error.txt",
        "user/error/0/process000.txt",
        "user/error/0/process001.txt",
    ]
    assert found["job_result.txt"].startswith("s: Failed\nWhy: 1 failed\n")
    assert len(found["sys/job_report/processed_mini-batches.csv"].splitlines()) == 3
    assert "ValueError: no" in found["user/error.txt"]
    assert "The step ended: Failed: 1 failed" in found["job_progress_overview.2023111422.txt"]


async def test_the_overview_is_kept_up_to_date(store: ObjectStore, record: MakeRecord, manual_clock: Any) -> None:
    """Every ten seconds the store shows how far the step is, while it runs."""
    async with job_report(record(), store, manual_clock) as report:
        report.progress(Progress("s", Counts(8, succeeded=2), 8, 10.0))
        await manual_clock.run(12.0, step=1.0)
        while not (found := await logs(store)):  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0)
    assert "Processed 2 of 8 mini batches in 0:00:10." in found["job_progress_overview.2023111422.txt"]


async def test_nothing_is_left_behind(tmp_path: Path, record: MakeRecord, manual_clock: Any) -> None:
    """The folder it gathers in is inside the store, and gone at the end even when nothing was published."""
    store = LocalStore(tmp_path / "store", mkdir=True)
    async with job_report(record(), store, manual_clock):
        assert len(list((tmp_path / "store" / "scratch").iterdir())) == 1
    assert list((tmp_path / "store" / "scratch").iterdir()) == []
