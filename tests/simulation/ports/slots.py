"""Processes of user code, as a node's slot sees them: frames in, answers out, and an end."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from fanout.records import mini_batch
from fanout.results.codec import Cause, Failure
from fanout.slot import protocol
from fanout.slot.child.output_staging import OutputFolders
from fanout.slot.frames import FrameBuffer
from fanout.slot.protocol import (
    Answer,
    ControlOrder,
    Done,
    Order,
    Ready,
    Revoked,
    StartFailed,
    StartOrder,
    Stopped,
    Task,
)
from fanout.slot.spawn import Placement
from tests.simulation.loop import PROCESS
from tests.simulation.scenario import Act, UserCode
from tests.simulation.world import World

ROW_HEADER = "index,execution\n"


class UserProcess:
    """Stands in for `fanout.slot.process.SlotProcess`: the same calls, on the virtual clock."""

    def __init__(
        self,
        world: World,
        user: UserCode,
        start: StartOrder,
        _: Placement,
        on_answer: Callable[[Answer], None],
        on_end: Callable[[int], None],
        _forks: None,
    ) -> None:
        node = PROCESS.get()
        assert node is not None
        self._world, self._user, self._start, self._node = world, user, start, node
        self._on_answer, self._on_end = on_answer, on_end
        self._process = world.process(f"{node.name}/{start.process[-3:]}")
        self._buffer = FrameBuffer()
        self._orders: deque[Order] = deque()
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._ending = False
        self.stack = ""
        folders = {name: Path(path) for name, path in start.outputs.items()}
        self._outputs = OutputFolders(folders, Path(start.attempts), start.process)

    async def start(self) -> None:
        self._node.on_death.append(self._process.kill)  # the end of its socket
        self._process.start(self._live())

    def write(self, frame: bytes) -> None:
        for head, payload in self._buffer.feed(frame):
            self._orders.extend(protocol.orders_of(head, payload))
        self._process.soon(self._news.set)

    def read_answers(self) -> None:
        """Whatever it says is heard at once."""

    def kill(self) -> None:
        self._end(-9)

    def kill_with_stack(self) -> None:
        self.kill()

    async def ended(self) -> None:
        await self._over.wait()

    async def _live(self) -> None:
        await asyncio.sleep(0.01)
        self._outputs.create()
        if self._world.starts_broken(self._user.broken_starts):
            self._say(StartFailed(Failure(Cause.INIT, "ImportError: no module named torch")))
            return self._end(1)
        self._say(Ready(0.01))
        while True:
            while not self._orders:
                self._news.clear()
                await self._news.wait()
            self._forget_withdrawn()
            if not self._orders:
                continue
            order = self._orders.popleft()
            if not isinstance(order, Task):
                self._say(Stopped())
                return self._end(0)
            await self._work(order)

    def _forget_withdrawn(self) -> None:
        """What waits before a withdrawal is not started any more."""
        if ControlOrder.REVOKE in self._orders:
            for _ in range(self._orders.index(ControlOrder.REVOKE) + 1):
                self._orders.popleft()
            self._say(Revoked())

    async def _work(self, task: Task) -> None:
        batch, attempt, part = mini_batch.decode(task.line, "frame"), task.attempt, task.part
        files = batch.files if part is None else batch.files[part.start : part.stop]
        number = self._world.executes(batch.index, attempt, None if part is None else [part.start, part.stop])
        act = self._act(batch.index, attempt, files)
        seconds = self._user.seconds * (0.5 + self._world.chance.random())
        await asyncio.sleep(seconds)
        if self._user.writes_files:
            self._write_file(batch.index, number)
        match act:
            case Act.DIES:
                self._end(139)
                await asyncio.Event().wait()
            case Act.HANGS:
                await asyncio.Event().wait()
            case Act.RAISES:
                self._outputs.discard()
                self._say(Done(len(files), 0, 0.0, seconds, failure=Failure(Cause.EXCEPTION, "ValueError: no")))
            case Act.SUCCEEDS | Act.RETURNS_LESS:
                self._say(self._done(batch.index, attempt, number, files, seconds, act))

    def _act(self, index: int, attempt: int, files: Sequence[str]) -> Act:
        if self._node.name == self._user.blind:
            return Act.RAISES
        return Act.SUCCEEDS if self._world.mended else self._user.act(index, attempt, files)

    def _done(self, index: int, attempt: int, number: int, items: Sequence[str], seconds: float, act: Act) -> Done:
        files = self._outputs.set_aside(f"{index}-{attempt}")
        rows = self._rows(index, number, items, act)
        self._world.has_returned(index, number, b"".join(rows))
        header = ROW_HEADER if self._start.row_format == "csv" else None
        kept = rows if self._start.row_format != "none" else []
        returned = len(items) if act is Act.SUCCEEDS else len(items) - 1
        return Done(len(items), returned, 0.0, seconds, len(kept), b"".join(kept), header, files)

    def _rows(self, index: int, number: int, items: Sequence[str], act: Act) -> list[bytes]:
        """One a file where failing ones are looked for, else a few a mini-batch."""
        if self._user.poisoned is not None:
            return [row_text(self._start.row_format, int(file[-3:]), 0) for file in items]
        count = self._user.rows(index) if act is Act.SUCCEEDS else 0
        return [row_text(self._start.row_format, index, number if self._user.differs else 0)] * count

    def _write_file(self, index: int, number: int) -> None:
        for folder in self._start.outputs.values():
            with contextlib.suppress(FileNotFoundError):
                (Path(folder) / f"part-{index:03d}.txt").write_text(f"{index} {number}\n")

    def _say(self, answer: Answer) -> None:
        self._node.soon(self._on_answer, answer)

    def _end(self, returncode: int) -> None:
        if self._ending:
            return
        self._ending = True
        self._node.soon(self._has_ended, returncode)
        self._world.loop.call_soon(self._process.kill)

    def _has_ended(self, returncode: int) -> None:
        self._on_end(returncode)
        self._over.set()


def row_text(row_format: str, index: int, number: int) -> bytes:
    """One row of a mini-batch; `number` tells executions apart where they differ."""
    return f"{index},{number}\n".encode() if row_format == "csv" else f"{index} {number}\n".encode()
