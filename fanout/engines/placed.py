"""Keeps the nodes of a step on any placer: as many as are wanted, dead ones replaced, none left at the end."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from fanout.engines.base import ALIVE, Load, Placer, ReadLoad, State, Wanted
from fanout.engines.elastic import Bounds, Pace, wanted_nodes
from fanout.engines.roster import WITHOUT_WORDS, Roster
from fanout.errors import DiskFullError, EngineError
from fanout.tasks import cut_off

log = logging.getLogger(__name__)

FINISH_LIMIT = 60.0
"""Seconds that nodes get for shutdown() and their last results."""
ENGINE_LIMIT = 120.0
"""Seconds for which an engine may not answer while no node is known to run."""
REMOVAL_MARGIN = 30.0
"""Seconds beyond the grace period in which an engine removes nodes."""


class PlacedNodes:
    """The nodes of one step: a Workforce on a placer. `pause`: seconds between two looks."""

    def __init__(
        self, placer: Placer, wanted: Wanted, bounds: Bounds, load: ReadLoad = Load, pause: float = 1.0
    ) -> None:
        self._placer, self._wanted, self._bounds, self._load, self._pause = placer, wanted, bounds, load, pause
        self._roster = Roster(bounds.max)
        self._leaving = False
        self._keeper: asyncio.Task[None] | None = None
        self._silent_since: float | None = None
        self._settled_before: int | None = None
        self._node_seconds, self._began, self._looked = 0.0, 0.0, 0.0

    async def start(self) -> None:
        """The nodes are being kept; those that an earlier process has placed are among them."""
        self._began = self._looked = self._now()
        with contextlib.suppress(EngineError):  # asked again, and reported, by what keeps them
            self._roster.adopt(await self._placer.look(self._wanted), self._began)
        self._keeper = asyncio.create_task(self._keep())

    async def finish(self) -> None:
        """Nodes see that the step is settled, and leave; waits for them, not longer than a minute."""
        await self._release()
        with contextlib.suppress(EngineError):
            await self._placer.finish(self._wanted)
            waiting = [n for n, one in (await self._placer.look(self._wanted)).items() if one.state is State.WAITING]
            if waiting:
                await self._placer.remove(self._wanted, waiting)
        await self._until_gone(FINISH_LIMIT)

    async def stop(self) -> None:
        """Ends all nodes, and leaves nothing of them with the engine."""
        await self._release()
        try:
            if alive := await self._alive():
                await self._placer.remove(self._wanted, alive)
                await self._until_gone(self._wanted.grace + REMOVAL_MARGIN)
            await self._placer.remove(self._wanted, tuple(await self._placer.look(self._wanted)))
        except EngineError as exc:
            log.warning("nodes may be left, and leave by themselves: %s", exc)

    def trouble(self) -> str | None:
        """Why no node is left, with the last reason of one; raises what keeping them has failed with."""
        if self._keeper is not None and self._keeper.done() and not self._keeper.cancelled():
            self._keeper.result()
        roster = self._roster
        if self._leaving or roster.alive:
            return None
        if self._silent_since is not None and self._now() - self._silent_since >= ENGINE_LIMIT:
            return f"no node can be placed: {roster.words}"
        if not roster.over:
            return None
        if roster.full:  # no verdict on the step: with room it goes on
            raise DiskFullError(roster.words)
        return f"no node is left: {roster.words or WITHOUT_WORDS}"

    def news(self) -> list[str]:
        """What has happened to nodes since the last call and is worth telling at once."""
        news, self._roster.news = self._roster.news, []
        return news

    async def _keep(self) -> None:
        """Places what is missing, until the step is over or it makes no sense."""
        while True:
            try:
                await self._look()
                await self._place()
                self._silent_since = None
            except EngineError as exc:  # nodes go on without their engine, and so does this
                self._heard_nothing(str(exc))
            if self._roster.over:
                return
            await self._placer.changed(self._pause)

    async def _look(self) -> None:
        now = self._now()
        self._node_seconds += self._roster.running * (now - self._looked)
        self._looked = now
        self._roster.take(await self._placer.look(self._wanted), now)

    async def _place(self) -> None:
        target = self._target()
        if surplus := self._roster.surplus(target) if self._bounds.elastic else []:
            await self._placer.remove(self._wanted, surplus)
            self._roster.release(surplus)
        if missing := self._roster.missing(target):
            await self._placer.place(self._wanted, missing)
            self._roster.place(missing, self._now())

    def _target(self) -> int:
        if not self._bounds.elastic:
            return self._bounds.max
        load = self._load()
        if self._settled_before is None:
            self._settled_before = load.settled
        pace = Pace(load.settled - self._settled_before, self._node_seconds, self._now() - self._began)
        return wanted_nodes(load.backlog, pace, self._roster.count, self._bounds)

    def _heard_nothing(self, words: str) -> None:
        if self._silent_since is None:
            self._silent_since = self._now()
            self._roster.news.append(f"{words}; trying again")
        self._roster.words = words

    async def _release(self) -> None:
        self._leaving = True
        if self._keeper is not None:
            await cut_off(self._keeper)

    async def _alive(self) -> Sequence[int]:
        return [n for n, one in (await self._placer.look(self._wanted)).items() if one.state in ALIVE]

    async def _until_gone(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError, EngineError):
            async with asyncio.timeout(seconds):
                while await self._alive():
                    await self._placer.changed(self._pause)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
