import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from obstore.store import LocalStore, ObjectStore

from fanout import __version__
from fanout.records.seal import Seal
from fanout.records.step import StepRecord
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.reports.job_report import TOGETHER, job_report
from fanout.results.codec import Cause, Entries, Entry, Event, Failure, ResultIndex, Status
from fanout.results.ledger import Ledger
from fanout.storage.objects import list_keys, put, read
from fanout.supervision.progress import Progress

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
    index = ResultIndex(Entries.of([entry(0), entry(1, status=Status.FAILED, failure=failure)]), (broken,), 0)
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
        "sys/master_role.20231114221320.txt",
        "sys/metrics/20231114221320/progress.csv",
        "sys/node/0/process000.txt",
        "user/error.txt",
        "user/error/0/process000.txt",
        "user/error/0/process001.txt",
    ]
    assert found["job_result.txt"].startswith("s: Failed\nWhy: 1 failed\n")
    assert len(found["sys/job_report/processed_mini-batches.csv"].splitlines()) == 3
    assert "ValueError: no" in found["user/error.txt"]
    assert "The step ended: Failed: 1 failed" in found["job_progress_overview.2023111422.txt"]


async def test_rows_are_written_together(
    tmp_path: Path, record: MakeRecord, entry: MakeEntry, manual_clock: Any
) -> None:
    """Those of successes wait for others, but not for too many, and failures wait for nothing."""
    store = LocalStore(tmp_path, mkdir=True)

    def written() -> int:
        return sum(len(path.read_text().splitlines()) for path in tmp_path.rglob("process000.txt"))

    success = ResultIndex(Entries.of([entry(number) for number in range(TOGETHER // 10)]), (), 0)
    failure = Failure(Cause.EXCEPTION, "ValueError: no")
    failed = ResultIndex(Entries.of([entry(0, status=Status.FAILED, failure=failure)]), (), 0)
    async with job_report(record(), store, manual_clock) as report:
        for number in range(1, 10):
            report.absorb(number, success)
        assert written() == 0
        report.absorb(0, success)
        assert (before := written()) > 0
        report.absorb(10, success)
        assert written() == before
        report.absorb(11, failed)
        assert written() > before + 1


async def test_the_overview_is_kept_up_to_date(store: ObjectStore, record: MakeRecord, manual_clock: Any) -> None:
    """Every ten seconds the store shows how far the step is, while it runs."""
    async with job_report(record(), store, manual_clock) as report:
        report.progress(Progress("s", Counts(8, succeeded=2), 8, 10.0))
        await manual_clock.run(12.0, step=1.0)
        while not (found := await logs(store)):  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0)
    assert "Processed 2 of 8 mini batches in 0:00:10." in found["job_progress_overview.2023111422.txt"]


async def test_the_supervisors_own_log(store: ObjectStore, record: MakeRecord, manual_clock: Any) -> None:
    """When what happened, in the form of Azure's; credentials in it are hidden."""
    async with job_report(record(), store, manual_clock) as report:
        report.progress(Progress("s", Counts(2), 2, 1.0))
        report.log_line("asked s3 with AKIAIOSFODNN7EXAMPLE")
        await report.publish(SEAL, Ledger(2))
    said = [line.split("|", 4) for line in (await logs(store))["sys/master_role.20231114221320.txt"].splitlines()]
    assert [line[4] for line in said] == [
        f"supervising r/s, fanout {__version__}",
        "planning finished: 2 mini-batches",
        "asked s3 with [hidden]",
        "Failed: 1 failed",
    ]
    assert said[0][:2] == ["2023-11-14 22:13:20,000", "INFO"]


async def test_logs_and_metrics_beside_the_run(store: ObjectStore, record: MakeRecord, manual_clock: Any) -> None:
    """When the step asks for it, all its logs, those of its nodes too, and its numbers are there a second time."""
    plain = record()
    wanted = {"copy_logs_to_parent": True, "push_metrics_to_parent": True, "metrics_name_prefix": "night "}
    asking = replace(plain, step=replace(plain.step, **wanted))
    await put(store, f"{LOGS}user/stdout/0/process000.stdout.txt", b"printed")
    async with job_report(asking, store, manual_clock) as report:
        report.progress(Progress("s", Counts(2, succeeded=1), 2, 1.0))
        await report.publish(SEAL, Ledger(2))
    names = [listed.key async for listed in list_keys(store, "runs/r/step-logs/s/")]
    assert {name.removeprefix("runs/r/step-logs/s/") for name in names} == (await logs(store)).keys()
    assert "runs/r/step-logs/s/user/stdout/0/process000.stdout.txt" in names
    header, *rows = (await read(store, "runs/r/step-metrics/s/progress.csv") or b"").decode().splitlines()
    assert header.startswith("Utc Time,Elapsed Seconds,night Total Mini Batches,night Processed")
    assert rows


async def test_a_second_supervisor_goes_on_with_the_overview(
    store: ObjectStore, record: MakeRecord, manual_clock: Any
) -> None:
    """What the first has written in the same hour stays."""
    for _ in range(2):
        async with job_report(record(), store, manual_clock) as report:
            await report.publish(SEAL, Ledger(2))
    overview = (await logs(store))["job_progress_overview.2023111422.txt"]
    assert overview.count(" started.") == 2
    assert overview.count("The step ended: Failed: 1 failed") == 2


async def test_nothing_is_left_behind(tmp_path: Path, record: MakeRecord, manual_clock: Any) -> None:
    """The folder it gathers in is inside the store, and gone at the end even when nothing was published."""
    store = LocalStore(tmp_path / "store", mkdir=True)
    async with job_report(record(), store, manual_clock):
        assert len(list((tmp_path / "store" / "scratch").iterdir())) == 1
    assert list((tmp_path / "store" / "scratch").iterdir()) == []
