"""The logs and reports of a parallel step as the reference's section 11 lays them out, below `keys.logs(at)`.

The supervising process writes them: what nodes and slots print goes there by other ways. Rows and errors are written to
a local folder as results come in, and from there into the store when the step is over; the overview is put there every
ten seconds. None of it decides anything: a step is what its seal and its results say.
"""

import csv
import os
import socket
from asyncio import timeout
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.store import LocalStore

from fanout.clock import Clock
from fanout.errors import StoreError
from fanout.files.local_folder import files_below
from fanout.files.scratch import scratch_folder
from fanout.files.transfer import upload_file
from fanout.records.seal import Seal
from fanout.records.step import StepRecord
from fanout.reports.attempts_csv import AttemptsFile
from fanout.reports.error_files import ErrorFiles
from fanout.reports.failing_nodes import failing_nodes
from fanout.reports.failure_groups import StepSource, group, occurrences
from fanout.reports.job_result import README, JobEnd, job_error, job_result, user_errors
from fanout.reports.process_files import ProcessFiles
from fanout.reports.progress_files import Overview, master_line
from fanout.results.codec import ResultIndex
from fanout.results.ledger import Ledger
from fanout.security.masking import mask_folder
from fanout.security.redaction import secrets_of
from fanout.storage import keys
from fanout.storage.objects import copy, list_keys, put, read
from fanout.supervision.progress import Progress
from fanout.tasks import beside, each, every
from fanout.version import __version__

if TYPE_CHECKING:
    from obstore.store import ObjectStore

LEAVE_LIMIT = 2.0
"""Seconds in which a supervisor that leaves writes its own log."""
OVERVIEW_EVERY = 10.0
"""Seconds between two lines of the overview (reference, section 11)."""
TOGETHER = 20_000
"""Attempts whose rows are written together: for few at a time all that writes them would have to be fetched anew, as
user code has had the processors' caches meanwhile."""
REPORT = "sys/job_report"


@asynccontextmanager
async def job_report(record: StepRecord, store: "ObjectStore", clock: Clock) -> AsyncIterator["JobReport"]:
    """A report that takes in results while the context lasts, and keeps the overview in the store up to date."""
    with scratch_folder(f"{record.run}-{record.step.name}-report-", _scratch(store)) as scratch:
        folder = scratch / "report"
        folder.mkdir()
        with closing(JobReport(record, store, clock, folder)) as report:
            await report.read_earlier()
            async with beside(report.keep_overview(), "keeping the overview of the step"):
                try:
                    yield report
                finally:
                    await report.keep_own_log()


class JobReport:
    """Everything there is to tell about the attempts of one step; `folder` is where it gathers, empty at first."""

    def __init__(self, record: StepRecord, store: "ObjectStore", clock: Clock, folder: Path) -> None:
        self._record, self._store, self._clock, self._folder = record, store, clock, folder
        self._source = StepSource(record.run, record.step.name, record.code_from)
        (folder / REPORT).mkdir(parents=True)
        self._attempts = AttemptsFile(folder / REPORT / "processed_mini-batches.csv")
        self._errors = ErrorFiles(folder, self._source)
        self._processes = ProcessFiles(folder)
        self._overview = Overview(clock.now(), record.step.metrics_name_prefix)
        self._overview.open(socket.gethostname())
        self._master = [master_line(clock.now(), f"supervising {record.at}, fanout {__version__}")]
        self._latest: Progress | None = None
        self.killed = 0  # attempts that were under way when the step was ended
        self._published = False
        self.notes: list[str] = []  # warnings about the output
        self._unwritten: list[tuple[int, ResultIndex]] = []
        self._unwritten_attempts = 0

    async def read_earlier(self) -> None:
        """What supervisors before this one wrote into the overview of this hour, and the log of this second, stays."""
        if (own := await read(self._store, self._key(self._master_name))) is not None:
            self._master.insert(0, own.decode(errors="replace"))
        for name in self._overview.files:
            if (earlier := await read(self._store, self._key(name))) is not None:
                self._overview.files[name].insert(0, earlier.decode(errors="replace"))

    def absorb(self, node: int, index: ResultIndex) -> None:
        """Takes in one result object: a row for each attempt, a file entry for each failure."""
        self._unwritten.append((node, index))
        self._unwritten_attempts += len(index.entries)
        if index.entries.special or index.events or self._unwritten_attempts >= TOGETHER:
            self._write_rows()  # failures at once: what there is to tell of them can be long

    def _write_rows(self) -> None:
        for node, index in self._unwritten:
            self._attempts.add(node, index.entries)
            self._processes.add(node, index.entries)
            for entry in index.entries.special.values():
                if entry.failure is not None:
                    self._errors.add(node, entry, entry.failure)
            for event in index.events:
                if event.failure is not None:
                    self._errors.add_event(node, event, event.failure)
        self._unwritten.clear()
        self._unwritten_attempts = 0

    def progress(self, progress: Progress) -> None:
        """Remembers where the step stands, for the next line of the overview."""
        if progress.counts.total is not None and (self._latest is None or self._latest.counts.total is None):
            self.log_line(f"planning finished: {progress.counts.total} mini-batches")
        self._latest = progress

    def log_line(self, text: str) -> None:
        """Something that the supervisor did, for its own log."""
        self._master.append(master_line(self._clock.now(), text))

    async def keep_overview(self) -> None:
        """Writes a line every ten seconds, for ever; trouble with the store waits for the next line."""

        async def keep() -> None:
            self._overview.note(self._clock.now(), self._latest)
            with suppress(StoreError):
                await self._put_overview()

        await every(OVERVIEW_EVERY, keep, self._clock)

    async def keep_own_log(self) -> None:
        """What this supervisor did is in the store, also when it leaves a step that is not over to others."""
        if not self._published:
            with suppress(StoreError, TimeoutError):
                async with timeout(LEAVE_LIMIT):
                    await put(self._store, self._key(self._master_name), "".join(self._master).encode())

    @property
    def _master_name(self) -> str:
        return f"sys/master_role.{self._overview.begun}.txt"

    async def publish(self, seal: Seal, ledger: Ledger) -> None:
        """All logs of the supervising process are in the store: how the step ended, every attempt, every error."""
        self._mask_logs_of_killed_nodes()
        self._write_rows()
        self._attempts.close()
        self._overview.close(self._clock.now(), seal)
        self.log_line(f"{seal.verdict.status}: {seal.verdict.reason}")
        nodes = await failing_nodes(self._store, self._record.at, ledger.failed_on, len(seal.objects))
        self._write_texts(self._end(seal, ledger, tuple(nodes.lines())))
        names = files_below(self._folder)
        await each(self._upload, names)
        await self._put_overview()
        self._published = True
        if self._record.step.copy_logs_to_parent:
            await self._copy_to_the_run()

    def close(self) -> None:
        """Closes the open file, whether or not its last rows can be written."""
        with suppress(OSError):
            self._attempts.close()

    def _end(self, seal: Seal, ledger: Ledger, nodes: tuple[str, ...]) -> JobEnd:
        groups = group(occurrences(ledger.failures, ledger.events), self._source)
        return JobEnd(
            self._source,
            seal,
            self._record.step.thresholds,
            ledger.attempts,
            groups,
            nodes,
            tuple(self.notes),
            self.killed,
        )

    def _write_texts(self, end: JobEnd) -> None:
        texts = {
            "readme.txt": README,
            "job_result.txt": job_result(end),
            "job_error.txt": job_error(end),
            "user/error.txt": user_errors(end),
            self._master_name: "".join(self._master),
        }
        for name, text in texts.items():
            path = self._folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        _write_csv(self._folder / REPORT / "process_summary.csv", self._attempts.process_rows())
        _write_csv(self._folder / REPORT / "node_summary.csv", self._attempts.node_rows())

    def _mask_logs_of_killed_nodes(self) -> None:
        """A node masks its logs when it leaves; in a folder those of nodes that could not are there all the same."""
        if isinstance(self._store, LocalStore) and self._store.prefix:
            secrets = secrets_of({**os.environ, **self._record.step.environment_variables})
            mask_folder(Path(self._store.prefix) / keys.logs(self._record.at), secrets)

    async def _upload(self, name: str) -> None:
        await upload_file(self._folder / name, self._store, self._key(name))

    async def _put_overview(self) -> None:
        for name, text in self._overview.texts().items():
            await put(self._store, self._key(name), text.encode(errors="backslashreplace"))
        numbers = self._overview.progress_csv().encode()
        await put(self._store, self._key(self._overview.metrics_name), numbers)
        if self._record.step.push_metrics_to_parent:
            await put(self._store, keys.metrics_of_run(self._record.at), numbers)

    async def _copy_to_the_run(self) -> None:
        """All logs of the step, those of its nodes too, are beside those of the run's other steps as well."""
        prefix, target = keys.logs(self._record.at), keys.logs_of_run(self._record.at)
        names = [listed.key.removeprefix(prefix) async for listed in list_keys(self._store, prefix)]
        await each(lambda name: copy(self._store, prefix + name, target + name), names)

    def _key(self, name: str) -> str:
        return keys.logs(self._record.at) + name


def _write_csv(path: Path, rows: Iterator[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _scratch(store: "ObjectStore") -> Path | None:
    """Inside a local store, beside the nodes' own scratch folders; else in the machine's temporary folder."""
    return Path(store.prefix) / "scratch" if isinstance(store, LocalStore) and store.prefix else None
