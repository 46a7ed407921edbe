"""The local engine: nodes as processes of this machine.

Each node holds the other end of a pipe: it carries `finish` and `stop`, and its closing means that nothing waits for it
any more. No orphans.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fanout.engines.base import Load, Placer, ReadLoad, Seen, State, Wanted
from fanout.engines.elastic import Bounds
from fanout.engines.node_process import NODE, NodeProcess, WarmNode, node_arguments
from fanout.engines.placed import PlacedNodes
from fanout.node.exit_codes import GAVE_UP
from fanout.pipeline.model import ParallelStep, Step
from fanout.slot.out_of_memory import OomKills, of_node
from fanout.storage.keys import StepRound
from fanout.supervision.workforce import Workforce
from fanout.tasks import cut_off

STOP_LIMIT = 5.0
"""Seconds that a node gets to leave when it is stopped."""
LOOK_EVERY = 5.0
"""Seconds; the end of a node's process is noticed at once."""

Launch = Callable[[], NodeProcess]
"""Starts a node; OSError when there can be none."""


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Starts nodes that reach the run through `store` and `queue` (URIs). The first that is wanted may be `warm`."""

    store: str
    queue: str | None
    environ: Mapping[str, str]
    warm: WarmNode | None = None

    async def check(self, steps: Sequence[Step]) -> None:
        """Nothing keeps processes of this machine from being started."""

    @contextlib.asynccontextmanager
    async def nodes(self, at: StepRound, step: ParallelStep, load: ReadLoad = Load) -> AsyncIterator[Workforce]:  # noqa: ARG002
        """`instance_count` nodes, each replaced when it dies; none is left at the end of the context."""
        arguments = node_arguments(at, self.store, self.queue)
        nodes = local_nodes(lambda: self._launch(arguments), step.instance_count, at)
        await nodes.start()
        try:
            yield nodes
        finally:
            await nodes.stop()

    async def clear(self, at: StepRound, step: ParallelStep) -> None:
        """Nodes here end with the process that has placed them."""

    def _launch(self, arguments: list[str]) -> NodeProcess:
        warm = self.warm.take(arguments) if self.warm is not None else None
        return warm or NodeProcess([*NODE, *arguments], self.environ)


def local_nodes(launch: Launch, count: int, at: StepRound, kills: OomKills | None = None) -> PlacedNodes:
    """`count` nodes of this machine, each of which `launch` starts."""
    count = max(1, count)
    wanted = Wanted(at, (), grace=STOP_LIMIT)
    return PlacedNodes(LocalPlacer(launch, kills or OomKills()), wanted, Bounds(count, count), pause=LOOK_EVERY)


@dataclass(slots=True)
class _Process:
    """A node from its start to its end."""

    node: NodeProcess | None
    seen: Seen
    life: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class LocalPlacer(Placer):
    """Nodes of one step as processes of this machine."""

    launch: Launch
    kills: OomKills
    _processes: dict[int, _Process] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    async def place(self, wanted: Wanted, numbers: Sequence[int]) -> None:  # noqa: ARG002
        for number in numbers:
            if number not in self._processes:
                self._processes[number] = self._started()

    async def look(self, wanted: Wanted) -> Mapping[int, Seen]:  # noqa: ARG002
        for process in self._processes.values():
            if process.life is not None and process.life.done() and not process.life.cancelled():
                process.life.result()
        return {number: process.seen for number, process in self._processes.items()}

    async def remove(self, wanted: Wanted, numbers: Sequence[int]) -> None:
        self._stopping = True
        for number in numbers:
            process = self._processes.get(number)
            if process is not None and process.node is not None and process.seen.state is State.RUNNING:
                process.node.send(b"stop\n")
                asyncio.get_running_loop().call_later(wanted.grace, _end, process)
            else:
                self._processes.pop(number, None)

    async def finish(self, wanted: Wanted) -> None:  # noqa: ARG002
        self._stopping = True
        for process in self._processes.values():
            if process.node is not None and process.seen.state is State.RUNNING:
                process.node.send(b"finish\n")

    async def changed(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()

    async def close(self) -> None:
        await cut_off(*(process.life for process in self._processes.values() if process.life is not None))

    def _started(self) -> _Process:
        try:
            node = self.launch()
        except OSError as exc:  # no process, no descriptor, no memory: another try would find the same
            self._news.set()
            return _Process(None, Seen(State.ENDED, GAVE_UP, f"a node cannot be started: {exc}"))
        process = _Process(node, Seen(State.RUNNING))
        process.life = asyncio.create_task(self._live(node, process))
        return process

    async def _live(self, node: NodeProcess, process: _Process) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            returncode = await node.ended()
            notice = ""
            if returncode == -signal.SIGKILL and not self._stopping and self.kills.take_one():
                notice = of_node(self.kills)
            process.seen = Seen(State.ENDED, returncode, node.output, loop.time() - begun, notice)
        except asyncio.CancelledError:
            process.seen = Seen(State.ENDED, -signal.SIGKILL, node.output, loop.time() - begun)
            raise
        finally:
            self._news.set()


def _end(process: _Process) -> None:
    if process.life is not None:
        process.life.cancel()  # which ends its process
