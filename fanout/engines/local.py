"""The local engine: nodes as processes of this machine.

Each node holds the other end of a pipe: it carries `finish` and `stop`, and its closing means that nothing waits for it
any more. No orphans.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from fanout.engines.node_process import NODE, NodeProcess, WarmNode, node_arguments
from fanout.errors import DiskFullError
from fanout.node.exit_codes import FULL, GAVE_UP
from fanout.slot.out_of_memory import OomKills, of_node
from fanout.storage.keys import StepRound
from fanout.supervision.workforce import Workforce
from fanout.tasks import cut_off

FINISH_LIMIT = 60.0
"""Seconds that nodes get for shutdown() and their last results."""
STOP_LIMIT = 5.0
QUICK_DEATH = 10.0
"""A node that lived shorter than this, in seconds, died at once."""
MOST_QUICK_DEATHS = 10
"""For each node, and in a row: a mini-batch that kills its nodes is given up before, after 2 + max_receives of them;
and nodes that are killed now and then, after hours of work, are replaced for ever."""


Launch = Callable[[], NodeProcess]
"""Starts a node; OSError when there can be none."""


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Starts nodes that reach the run through `store` and `queue` (URIs). The first that is wanted may be `warm`."""

    store: str
    queue: str | None
    environ: Mapping[str, str]
    warm: WarmNode | None = None

    @contextlib.asynccontextmanager
    async def nodes(self, at: StepRound, count: int) -> AsyncIterator[Workforce]:
        """`count` nodes, each replaced when it dies; none is left at the end of the context."""
        nodes = LocalNodes(lambda: self._launch(node_arguments(at, self.store, self.queue)), count)
        await nodes.start()
        try:
            yield nodes
        finally:
            await nodes.stop()

    def _launch(self, arguments: list[str]) -> NodeProcess:
        warm = self.warm.take(arguments) if self.warm is not None else None
        return warm or NodeProcess([*NODE, *arguments], self.environ)


class LocalNodes:
    """The nodes of one step on this machine."""

    def __init__(self, launch: Launch, count: int) -> None:
        self._launch, self._count = launch, count
        self._keepers: list[asyncio.Task[None]] = []
        self._living: list[NodeProcess] = []
        self._leaving = False
        self._quick_deaths = 0
        self._last_words = ""
        self._kills, self._news = OomKills(), list[str]()
        self._full = False

    async def start(self) -> None:
        """The nodes are being kept."""
        self._keepers = [asyncio.create_task(self._keep()) for _ in range(max(1, self._count))]

    async def finish(self) -> None:
        """Says `finish` to all nodes and waits for them, not longer than a minute."""
        self._leaving = True
        self._send(b"finish\n")
        await self._wait(FINISH_LIMIT)

    async def stop(self) -> None:
        """Ends all nodes now, and whatever they have started."""
        self._leaving = True
        self._send(b"stop\n")
        await self._wait(STOP_LIMIT)
        await cut_off(*self._keepers)

    def trouble(self) -> str | None:
        """Why no node is left, with the last thing one of them said; raises what keeping them has failed with."""
        for keeper in self._keepers:
            if keeper.done() and not keeper.cancelled():
                keeper.result()
        if self._leaving or not all(keeper.done() for keeper in self._keepers):
            return None
        if self._full:  # no verdict on the step: with room it goes on
            raise DiskFullError(self._last_words)
        return f"no node is left: {self._last_words or 'they ended without a word'}"

    def news(self) -> list[str]:
        """What has happened to nodes since the last call and is worth telling at once."""
        news, self._news = self._news, []
        return news

    def _send(self, word: bytes) -> None:
        for node in self._living:
            node.send(word)

    async def _wait(self, seconds: float) -> None:
        if self._keepers:
            await asyncio.wait(self._keepers, timeout=seconds)

    async def _keep(self) -> None:
        """One node after the other, until the step is over or it makes no sense."""
        while not self._leaving:
            try:
                returncode, lived = await self._one_life()
            except OSError as exc:  # no process, no descriptor, no memory: another try would find the same
                self._last_words = f"a node cannot be started: {exc}"
                return
            self._full = self._full or returncode == FULL
            if self._leaving or returncode in (0, GAVE_UP, FULL):
                return
            self._quick_deaths = self._quick_deaths + 1 if lived < QUICK_DEATH else 0
            if self._quick_deaths > MOST_QUICK_DEATHS * self._count:
                return

    async def _one_life(self) -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        begun, node = loop.time(), self._launch()
        self._living.append(node)
        try:
            returncode = await node.ended()
        finally:
            self._living.remove(node)
        if returncode == -signal.SIGKILL and not self._leaving and self._kills.take_one():
            self._last_words = of_node(self._kills)
            self._news.append(self._last_words)
        elif returncode:
            self._last_words = _last_words(node.output, returncode)
        return returncode, loop.time() - begun


def _last_words(said: str, returncode: int) -> str:
    if returncode < 0:  # what it said before need not be why
        death = f"a node was killed by signal {-returncode}"
        return f"{death}; the last it said: {said}" if said else death
    return said or f"a node ended with {returncode}"
