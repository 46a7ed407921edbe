"""Where the nodes of a world run: the engine port, with nodes that are simulated processes running `serve`."""

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fanout.engines.base import Load, ReadLoad
from fanout.errors import ExitCode, FanoutError
from fanout.node.dispatch.agent import Node
from fanout.node.exit_codes import GAVE_UP
from fanout.node.serve import GRACE_WHEN_ORPHANED, NodeServices, serve
from fanout.node.standalone import exit_code
from fanout.pipeline.model import ParallelStep, Step
from fanout.storage.keys import StepRound
from tests.simulation.loop import PROCESS, Process
from tests.simulation.world import World

FINISH_LIMIT = 60.0
STOP_LIMIT = 5.0
KILLED = -9


@dataclass(eq=False)
class SimulatedNode:
    """One node process, and what its engine has told it."""

    process: Process
    work: "asyncio.Task[int]"
    agent: Node | None = None
    told: str = ""
    evicted: bool = False

    def tell(self, word: str) -> None:
        """`finish`, `stop`, `orphaned` or `evicted`, as it arrives at the node."""
        self.told = word
        self.process.soon(self.hear)

    def hear(self) -> None:
        if self.agent is None:
            return
        match self.told:
            case "finish":
                self.agent.finish()
            case "stop":
                self.agent.kill_slots()
                self.agent.drain(0.0)
            case "orphaned":
                self.agent.drain(GRACE_WHEN_ORPHANED)
            case "evicted":
                self.agent.drain()


@dataclass(eq=False)
class SimulatedEngine:
    """Places nodes in a world."""

    world: World
    context: NodeServices
    orphans_drain: bool
    living: list[SimulatedNode] = field(default_factory=list)
    started: int = 0

    async def check(self, steps: Sequence[Step]) -> None:
        """Nodes can be started anywhere in a world."""

    async def clear(self, at: StepRound, step: ParallelStep) -> None:
        """Nodes here leave when their supervisor dies."""

    @contextlib.asynccontextmanager
    async def nodes(self, at: StepRound, step: ParallelStep, load: ReadLoad = Load) -> AsyncIterator["Crew"]:  # noqa: ARG002
        supervisor = PROCESS.get()
        assert supervisor is not None
        crew = Crew(self, at, step.instance_count, supervisor)
        crew.start()
        try:
            yield crew
        finally:
            if not supervisor.dead:
                await crew.stop()

    def launch(self, at: StepRound, crew: "Crew") -> SimulatedNode:
        process = self.world.process(f"node{self.started}")
        self.started += 1
        node = SimulatedNode(process, process.start(self._serve(at)))
        process.node = node
        self.living.append(node)
        crew.supervisor.on_death.append(lambda: self._orphan(node))
        return node

    async def _serve(self, at: StepRound) -> int:
        try:
            return exit_code(await serve(at, self.context, with_parent=True))
        except FanoutError as exc:
            self.world.note("node error", str(exc))
            return ExitCode.INTERNAL
        except Exception as exc:  # noqa: BLE001 - a bug of ours, and what the simulation is after
            self.world.defects.append(f"{type(exc).__name__} in a node: {exc}\n{traceback.format_exc()}")
            return ExitCode.INTERNAL

    def _orphan(self, node: SimulatedNode) -> None:
        if self.orphans_drain:
            node.tell("orphaned")

    def gone(self, node: SimulatedNode) -> None:
        if node in self.living:
            self.living.remove(node)


@dataclass(eq=False)
class Crew:
    """The nodes of one supervisor, each replaced when it dies; see `fanout.engines.placed.PlacedNodes`."""

    engine: SimulatedEngine
    at: StepRound
    count: int
    supervisor: Process
    leaving: bool = False
    _keepers: list["asyncio.Task[None]"] = field(default_factory=list)
    _mine: list[SimulatedNode] = field(default_factory=list)

    def start(self) -> None:
        self._keepers = [asyncio.create_task(self._keep()) for _ in range(self.count)]

    async def finish(self) -> None:
        self.leaving = True
        self._say("finish")
        await asyncio.wait(self._keepers, timeout=FINISH_LIMIT)

    async def stop(self) -> None:
        self.leaving = True
        self._say("stop")
        await asyncio.wait(self._keepers, timeout=STOP_LIMIT)
        for node in self._mine:
            node.process.kill()
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    def news(self) -> list[str]:
        return []

    def trouble(self) -> str | None:
        if self.leaving or not all(keeper.done() for keeper in self._keepers):
            return None
        return "no node is left: they ended without a word"

    def _say(self, word: str) -> None:
        for node in self._mine:
            node.tell(word)

    async def _keep(self) -> None:
        while not self.leaving:
            await asyncio.sleep(0.2)  # as long as a process takes to start
            if self.leaving:
                return
            returncode, evicted = await self._one_life()
            if self.leaving or (returncode in (0, GAVE_UP) and not evicted):
                return

    async def _one_life(self) -> tuple[int, bool]:
        node = self.engine.launch(self.at, self)
        self._mine.append(node)
        try:
            await asyncio.wait([node.work])
        finally:
            self._mine.remove(node)
        self.engine.gone(node)
        self.engine.world.note("node ended", node.process.name)
        return (KILLED if node.process.dead else node.work.result()), node.evicted


@contextmanager
def parent(agent: Node, with_parent: bool) -> Iterator[None]:
    """In the place of standard input: what the engine tells its nodes."""
    process = PROCESS.get()
    assert process is not None
    node: SimulatedNode = process.node
    node.agent = agent
    node.hear()
    yield
    node.agent = None
