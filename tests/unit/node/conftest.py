"""What the tests of nodes share: entry scripts written on the spot, real slot processes, queues and deliveries."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from fanout.files import uris
from fanout.queues.base import Delivery, QueuePair
from fanout.queues.sqlite import SqliteQueueService
from fanout.records import messages, mini_batch
from fanout.records.messages import Message
from fanout.records.mini_batch import MiniBatch
from fanout.records.parts import ItemRange
from fanout.slot import protocol
from fanout.slot.fork_server import ForkServer
from fanout.slot.lease import Lease
from fanout.slot.process import SlotProcess
from fanout.slot.protocol import Answer, ControlOrder, Done, Ready, StartFailed, StartOrder, Stopped, Task
from fanout.slot.spawn import Placement
from fanout.storage.keys import StepRound

PATIENCE = 20.0
"""Seconds after which a test gives up waiting for a process: far more than any of them takes."""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """An empty code folder."""
    folder = tmp_path / "code"
    folder.mkdir()
    return folder


@pytest.fixture
def write_script(code: Path) -> Callable[..., Path]:
    """Writes files into the code folder: `score.py` first, others by name."""

    def write(script: str, files: Mapping[str, str] | None = None) -> Path:
        for name, text in {"score.py": script, **(files or {})}.items():
            (code / name).parent.mkdir(parents=True, exist_ok=True)
            (code / name).write_text(dedent(text))
        return code

    return write


@pytest.fixture
def start_order(tmp_path: Path, code: Path) -> Callable[..., StartOrder]:
    """What a slot is told first, with these changes."""

    def make(**changes: Any) -> StartOrder:
        plain = StartOrder(
            entry_script="score.py",
            code=str(code),
            arguments=[],
            row_format="text",
            recipe=None,
            node="0",
            process="process000",
            logs=str(tmp_path / "logs"),
            outputs={},
            attempts=str(tmp_path / "attempts"),
            output_dir=str(tmp_path / "output"),
            input_dir=str(tmp_path / "input"),
            logging_level="INFO",
            profiling_module="",
        )
        return replace(plain, **changes)

    return make


@dataclass
class Slotted:
    """A real slot process and what it has said so far."""

    process: SlotProcess
    stdout: Path
    stderr: Path
    answers: list[Answer] = field(default_factory=list)
    returncode: int | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, kind: type[Any], count: int = 1) -> Any:
        """The `count`-th answer of this kind, once it is there."""
        async with asyncio.timeout(PATIENCE):
            while len(found := [a for a in self.answers if isinstance(a, kind)]) < count:
                assert self.returncode is None, (
                    f"ended with {self.returncode}: {self.answers} {self.stderr.read_text()}"
                )
                self.news.clear()
                await self.news.wait()
        return found[count - 1]

    def assign(
        self,
        index: int = 0,
        attempt: int = 0,
        files: Sequence[str] = ("/data/a", "/data/b"),
        part: ItemRange | None = None,
        **fields: Any,
    ) -> None:
        """Sends a mini-batch, or a part of it."""
        batch = MiniBatch(index, files=tuple(uris.from_path(path) for path in files), **fields)
        self.process.write(protocol.task_frames([Task(mini_batch.encode(batch).encode(), attempt, part)]))

    async def run(self, index: int = 0, attempt: int = 0, **fields: Any) -> Done:
        """Sends a mini-batch and waits for what becomes of it."""
        count = sum(isinstance(answer, Done) for answer in self.answers)
        self.assign(index, attempt, **fields)
        done: Done = await self.until(Done, count + 1)
        return done

    async def stop(self) -> Stopped:
        """Asks it to leave, and waits until it has."""
        self.process.write(ControlOrder.STOP.frame())
        stopped: Stopped = await self.until(Stopped)
        await self.ended()
        return stopped

    async def ended(self) -> int:
        """Waits for the end; the exit code."""
        async with asyncio.timeout(PATIENCE):
            await self.process.ended()
        assert self.returncode is not None
        return self.returncode


Launch = Callable[..., Any]


@pytest.fixture
def forks() -> ForkServer | None:
    """Where `launch` takes processes from: by default each is an interpreter of its own."""
    return None


@pytest.fixture
async def launch(
    tmp_path: Path, code: Path, start_order: Callable[..., StartOrder], forks: ForkServer | None
) -> AsyncIterator[Launch]:
    """Starts a slot process for the script in the code folder; ready, or broken when it cannot be."""
    launched: list[SlotProcess] = []

    async def start(
        expect: type[Ready] | type[StartFailed] = Ready,
        environ: Mapping[str, str] | None = None,
        server: ForkServer | None = forks,
        python: str = sys.executable,
        fanout_at: Path | None = None,
        **order: Any,
    ) -> Slotted:
        stdout, stderr = tmp_path / "out.txt", tmp_path / "err.txt"
        place = Placement(code, {**os.environ, **(environ or {})}, stdout, stderr, python, fanout_at)

        def on_answer(answer: Answer) -> None:
            slotted.answers.append(answer)
            slotted.news.set()

        def on_end(returncode: int) -> None:
            slotted.returncode = returncode
            slotted.news.set()

        process = SlotProcess(start_order(**order), place, on_answer, on_end, server)
        slotted = Slotted(process, stdout, stderr)
        launched.append(process)
        await process.start()
        await slotted.until(expect)
        return slotted

    yield start
    for process in launched:
        process.kill()
        async with asyncio.timeout(PATIENCE):
            await process.ended()


@pytest.fixture
def message() -> Callable[..., Message]:
    """The message of a mini-batch of two files of step `r/s`, on this machine unless told otherwise."""

    def make(index: int, attempt: int = 0, run: str = "r", folder: str = "file:///data") -> Message:
        line = mini_batch.encode(MiniBatch(index, files=(f"{folder}/a", f"{folder}/b")))
        return Message(StepRound(run, "s"), index, attempt, line=line)

    return make


@pytest.fixture
def lease(message: Callable[..., Message]) -> Callable[..., Lease]:
    """A delivery in the hands of a node, of no queue in particular."""

    def make(index: int, attempt: int = 0, expires: float = 1e9) -> Lease:
        found = message(index, attempt)
        delivery = Delivery(messages.encode(found), f"{index}-{attempt}", 1)
        return Lease(delivery, found, (found.line or "").encode(), expires)

    return make


@pytest.fixture
async def pair(tmp_path: Path, manual_clock: Any) -> AsyncIterator[QueuePair]:
    """A queue of ten seconds of visibility on the clock of the test; messages are received at most twice."""
    service = SqliteQueueService(tmp_path / "queues", manual_clock)
    yield await service.create("q", visibility=10.0, max_receives=2)
    await service.close()
