"""What the tests of runs share: the outside on a folder, nodes made of paper, and an observer that takes notes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from obstore.store import LocalStore

from fanout.clock import SystemClock
from fanout.config.settings import Settings
from fanout.engines.base import Load, ReadLoad
from fanout.files import uris
from fanout.pipeline.model import DataInput, DataType, EntryTask, Output, ParallelStep, Pipeline, Step
from fanout.queues.sqlite import SqliteQueueService
from fanout.queues.step_queues import open_queues
from fanout.records import messages
from fanout.records.node_registration import register
from fanout.reports.remaining import Remaining
from fanout.results import codec
from fanout.results.codec import Cause, Entry, Failure, Status
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import RunReport, StepReport
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import create

Answer = Callable[[int], Awaitable[Failure | None]]
"""What becomes of a mini-batch: None when it succeeds."""


@dataclass
class PaperEngine:
    """Nodes without processes: each commits one row a mini-batch, `row of <index>`, as a real one does.

    `answer` may fail a mini-batch, or wait; `placed` notes what was asked for; with `trouble` nobody comes.
    `files` are what every mini-batch says to have written.
    """

    store: LocalStore
    queues: SqliteQueueService
    answer: Answer | None = None
    trouble: str | None = None
    files: tuple[str, ...] = ()
    placed: list[tuple[StepRound, int]] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    attempts: dict[int, int] = field(default_factory=dict)
    checked: list[str] = field(default_factory=list)
    cleared: list[StepRound] = field(default_factory=list)

    async def check(self, steps: Sequence[Step]) -> None:
        self.checked += [step.name for step in steps]

    async def clear(self, at: StepRound, step: ParallelStep) -> None:  # noqa: ARG002
        self.cleared.append(at)

    @contextlib.asynccontextmanager
    async def nodes(self, at: StepRound, step: ParallelStep, load: ReadLoad = Load) -> AsyncIterator["PaperNodes"]:  # noqa: ARG002
        count = step.instance_count
        self.placed.append((at, count))
        work = [] if self.trouble else [asyncio.create_task(self._node(at)) for _ in range(count)]
        try:
            yield PaperNodes(work, self.trouble)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _node(self, at: StepRound) -> None:
        pair = await open_queues(self.store, self.queues, at, uris.from_path(str(self.store.prefix)))
        assert pair is not None
        number, seq = await register(self.store, at), 0
        while True:
            for delivery in await pair.main.receive(limit=2, wait=1.0):
                message = messages.decode(delivery.body)
                index = message.index
                self.answered.append(index)
                self.attempts[index] = message.attempt
                failure = await self.answer(index) if self.answer else None
                body = codec.encode(
                    [_entry(index, failure, self.files)], [b"" if failure else f"row of {index}\n".encode()]
                )
                await create(self.store, keys.result(at, number, seq), body)
                await pair.main.delete([delivery])
                seq += 1


@dataclass
class PaperNodes:
    """The workforce that a supervisor sees."""

    work: list["asyncio.Task[None]"]
    reason: str | None

    async def finish(self) -> None:
        await self.stop()

    async def stop(self) -> None:
        for task in self.work:
            task.cancel()

    def news(self) -> list[str]:
        return []

    def trouble(self) -> str | None:
        return self.reason


def _entry(index: int, failure: Failure | None, files: tuple[str, ...]) -> Entry:
    status = Status.SUCCEEDED if failure is None else Status.FAILED
    plain = Entry(index, 0, status, 1, 0, "process000", 1_700_000_000.0, 0.0, 0.01, failure=failure)
    return plain if failure else replace(plain, succeeded=1, rows=1, files=files)


@dataclass
class Notes:
    """An observer: what it was told, in order."""

    said: list[str] = field(default_factory=list)
    reports: list[StepReport] = field(default_factory=list)
    remaining: list[Remaining] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    def run_started(self, run: str, steps: tuple[Step, ...], resumed: bool, how: str = "goes on") -> None:
        taken_up = "resumed" if how == "goes on" else how
        self.said.append(f"run {run} {taken_up if resumed else 'started'}: {', '.join(step.name for step in steps)}")

    def notice(self, text: str) -> None:
        self.said.append(f"notice {text}")

    def step_started(self, step: Step) -> None:
        self.said.append(f"{step.name} started")

    def step_continues(self, step: Step, remaining: Remaining) -> None:
        assert step.kind == "parallel"
        self.remaining.append(remaining)

    def step_printed(self, step: Step, text: str) -> None:
        self.printed.append(f"{step.name} {text}")

    def step_progress(self, progress: Any) -> None:
        pass

    def step_ended(self, report: StepReport) -> None:
        self.reports.append(report)
        self.said.append(f"{report.step.name} {report.seal.verdict.status}{' earlier' if report.earlier else ''}")

    def step_skipped(self, step: Step, reason: str) -> None:
        self.said.append(f"{step.name} skipped: {reason}")

    def run_ended(self, report: RunReport) -> None:
        self.said.append(f"run {report.verdict.status}: {report.verdict.reason}")


@dataclass
class World:
    """A store, its queues and its paper nodes; `context` is what a run is given of them."""

    folder: Path
    store: LocalStore
    queues: SqliteQueueService
    engine: PaperEngine
    context: RunContext

    def keys(self, folder: str = "") -> list[str]:
        """The objects below a folder of the store."""
        root = self.folder / "store"
        return sorted(str(p.relative_to(root)) for p in (root / folder).rglob("*") if p.is_file())

    def paper(self) -> "PaperEngine":
        """Another engine over the same store and queues."""
        return PaperEngine(self.store, self.queues)

    def with_engine(self, engine: PaperEngine) -> RunContext:
        """The outside, with another engine."""
        return replace(self.context, engine=engine)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """An empty store in a folder."""
    root = tmp_path / "store"
    store, clock = LocalStore(root, mkdir=True), SystemClock()
    queues = SqliteQueueService(root / "queues", clock)
    engine, access = PaperEngine(store, queues), Access.from_environ({})
    context = RunContext(Settings(uris.from_path(root), visibility=1.0), access, store, queues, engine, clock)
    yield World(tmp_path, store, queues, engine, context)
    await queues.close()


@pytest.fixture
def notes() -> Notes:
    """An empty note book."""
    return Notes()


@pytest.fixture
def failure() -> Failure:
    """What a script said when it failed."""
    return Failure(Cause.EXCEPTION, "ValueError: no")


@pytest.fixture
def score(tmp_path: Path) -> Callable[..., ParallelStep]:
    """A parallel step over twelve files, one a mini-batch, whose rows are joined in rows.txt, with these settings."""
    (tmp_path / "in").mkdir()
    for number in range(12):
        (tmp_path / "in" / f"{number:02d}.txt").touch()

    def make(**settings: Any) -> ParallelStep:
        step = ParallelStep(
            name="score",
            task=EntryTask("score.py", append_row_to="rows"),
            input_data="files",
            inputs={"files": DataInput(uris.from_path(tmp_path / "in"), DataType.URI_FOLDER)},
            outputs={"rows": Output(DataType.URI_FILE, uri=uris.from_path(tmp_path / "rows.txt"))},
        )
        return replace(step, **settings)

    return make


@pytest.fixture
def pipeline(tmp_path: Path) -> Callable[..., Pipeline]:
    """A pipeline of these steps."""

    def make(*steps: Step, **settings: Any) -> Pipeline:
        return replace(Pipeline(str(tmp_path / "pipeline.yml"), None, steps), **settings)

    return make
