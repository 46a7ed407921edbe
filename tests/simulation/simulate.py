"""One world from beginning to end: a run is started, struck, resumed until it is over, and looked at."""

import asyncio
import contextlib
import functools
import logging
import os
import random
import secrets
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from fanout.config.settings import Settings
from fanout.errors import FanoutError
from fanout.files import uris
from fanout.node import lambda_worker as node_worker
from fanout.node import serve as node_serve
from fanout.node.serve import NodeServices
from fanout.output import merge, output_files
from fanout.planning import manifests, publish
from fanout.records.cancelation import ask, mine
from fanout.scheduler import resident
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import RunReport
from fanout.scheduler.restart.redrive import RedriveOrder, redrive
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from tests.simulation import hostile
from tests.simulation.loop import Process, StuckError, VirtualLoop
from tests.simulation.ports.bucket_queues import BucketQueues
from tests.simulation.ports.engine import SimulatedEngine, parent
from tests.simulation.ports.memory_queues import MemoryQueueService
from tests.simulation.ports.objects import Bucket, results_in, simulated_obstore
from tests.simulation.ports.queues import RemoteQueueService
from tests.simulation.ports.slots import UserProcess
from tests.simulation.scenario import ROOT, STEP, Blow, Scenario, Strike
from tests.simulation.world import Death, World, WorldClock

if TYPE_CHECKING:
    from fanout.queues.base import QueueService

RUN = "run"
AT = StepRound(RUN, STEP)
LONGEST = 600.0
"""Virtual seconds after the last trouble within which everything is over."""
HOSTILE = 5.0
"""Virtual seconds for which a hostile sender sends, at the least."""
RESTART = 0.5
"""Seconds until somebody resumes a run whose supervisor has died."""


class Silent:
    """An observer that is not interested."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


@dataclass(eq=False)
class Simulation:
    """One world, and the run in it."""

    scenario: Scenario
    input_uri: str
    world: World
    bucket: Bucket = field(init=False)
    queues: MemoryQueueService | BucketQueues = field(init=False)
    engine: SimulatedEngine = field(init=False)
    context: RunContext = field(init=False)
    supervisors: list[Process] = field(default_factory=list)
    reports: list[RunReport] = field(default_factory=list)
    at_conclusion: dict[str, bytes | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        world, scenario = self.world, self.scenario
        clock = WorldClock(world)
        self.bucket = Bucket(world, watchers=[self._note_results])
        service: QueueService
        if scenario.in_store:
            self.queues = service = BucketQueues(world, self.bucket, scenario.max_receives)
        else:
            chance = world.chance if scenario.rates.shuffled else None
            self.queues = MemoryQueueService(clock, chance, scenario.depth_lag)
            service = RemoteQueueService(world, self.queues)
        access = Access()
        surroundings = NodeServices(self.bucket, service, access, clock, f"{ROOT}/store")
        self.engine = SimulatedEngine(world, surroundings, scenario.orphans_drain)
        settings = Settings(f"{ROOT}/store", visibility=scenario.visibility, max_receives=scenario.max_receives)
        self.context = RunContext(settings, access, self.bucket, service, self.engine, clock)

    def _note_results(self, key: str, body: bytes) -> None:
        for entry in results_in(key, body):
            self.world.note("durable", entry.index, entry.attempt, entry.status)

    async def play(self) -> None:
        """The run is over, whatever happens meanwhile, and all who worked on it have left."""
        strikes = [asyncio.create_task(self._strike_all()), asyncio.create_task(self.send_hostile())]
        await self._until_over()
        for task in strikes:
            task.cancel()
        self.at_conclusion = self.kept()
        await self._until_all_have_left()

    async def send_hostile(self) -> None:
        """Somebody without the key sends to the queues, in worlds that have such a sender."""
        scenario, until = self.scenario, max(HOSTILE, self.scenario.troubled_until)
        if scenario.hostile:
            await hostile.send(AT, self.queues, self.world, until, gives_up=scenario.gives_up)

    async def resume_in_peace(self) -> RunReport | None:
        """Somebody resumes the run that is over already, and nothing goes wrong any more."""
        self.world.troubled_until = 0.0
        return await self._supervise()

    def kept(self) -> dict[str, bytes | None]:
        """What may never change again once the run is over."""
        fixed = [keys.verdict(AT), keys.run_verdict(RUN), keys.plan_json(AT), keys.step_json(AT)]
        return {key: self.bucket.look(key) for key in [*fixed, *self.bucket.keys("out")]}

    async def redrive(self, troubled_for: float) -> None:
        """Somebody has mended user code and redrives the run; things go wrong for a while again."""
        self.world.mended = True
        self.world.troubled_until = self.world.now + troubled_for
        self.world.loop.give_more_time(troubled_for + LONGEST)
        while await self._supervise(again=True) is None and not self.world.defects:  # noqa: ASYNC110 - time passes
            await asyncio.sleep(RESTART)
        await self._until_all_have_left()

    async def _until_over(self) -> None:
        while await self._supervise() is None and not self.world.defects:  # noqa: ASYNC110 - time passes, nothing is polled
            await asyncio.sleep(RESTART)

    async def _supervise(self, *, again: bool = False) -> RunReport | None:
        """One supervising process; its report, or None when it died or gave up."""
        process = self.world.process(f"supervisor{len(self.supervisors)}")
        self.supervisors.append(process)
        work = process.start(self._run(again=again))
        await asyncio.wait([work])
        if process.dead or work.cancelled():
            return None
        report: RunReport | None = work.result()
        process.kill()
        return report

    async def _run(self, *, again: bool) -> RunReport | None:
        try:
            if again and self.bucket.look(keys.redrive_json(RUN, 2)) is None:
                report = await redrive(RUN, RedriveOrder(), self.context, Silent())
            elif self.bucket.look(keys.run_json(RUN)) is None:
                report = await resident.start(self.scenario.pipeline(self.input_uri), self.context, Silent(), RUN)
            else:
                report = await resident.resume(RUN, self.context, Silent())
        except FanoutError as exc:
            self.world.note("error", type(exc).__name__, str(exc))
            return None
        except Exception as exc:  # noqa: BLE001 - a bug of ours, and what the simulation is after
            self.world.defects.append(f"{type(exc).__name__} in a supervisor: {exc}\n{traceback.format_exc()}")
            return None
        self.world.note("report", report.verdict.status, report.verdict.reason)
        self.reports.append(report)
        return report

    async def _until_all_have_left(self) -> None:
        while any(not process.dead for process in self.supervisors) or self.engine.living:
            await asyncio.sleep(0.5)
            for node in [node for node in self.engine.living if node.work.done()]:
                self.engine.gone(node)

    # What happens to processes.

    async def _strike_all(self) -> None:
        for strike in self.scenario.strikes:
            await asyncio.sleep(max(0.0, strike.at - self.world.now))
            self._strike(strike)

    def _strike(self, strike: Strike) -> None:
        nodes = [node.process for node in self.engine.living if not node.process.dead]
        supervisors = [process for process in self.supervisors if not process.dead]
        victims = supervisors if strike.blow in (Blow.KILL_SUPERVISOR, Blow.STOP_SUPERVISOR) else nodes
        victim = victims[int(strike.draw * len(victims))] if victims else None
        self.world.note("strike", strike.blow, victim.name if victim else "")
        match strike.blow:
            case Blow.KILL_NODE | Blow.KILL_SUPERVISOR if victim:
                victim.dies_at = victim.calls + 1 + int(strike.draw * 977) % 20
                victim.dies_after = int(strike.draw * 7919) % 2 == 0
            case Blow.STOP_NODE | Blow.STOP_SUPERVISOR if victim:
                victim.stop()
                self.world.loop.call_later(3 * strike.draw * self.scenario.visibility, victim.go_on)
            case Blow.EVICT_NODE if victim:
                victim.node.evicted = True
                victim.node.tell("evicted")
            case Blow.CLOCK if victim:
                victim.clock_offset += 7200 * (strike.draw - 0.5)
            case Blow.SECOND_SUPERVISOR:
                asyncio.ensure_future(self._supervise())  # noqa: RUF006 - the loop keeps its tasks
            case Blow.PURGE:
                self.queues.purge()
            case Blow.CANCEL:
                asyncio.ensure_future(self._cancel())  # noqa: RUF006 - the loop keeps its tasks

    async def _cancel(self) -> None:
        with contextlib.suppress(FanoutError):
            await ask(self.bucket, RUN, 1, mine(self.context.clock))


@contextmanager
def simulated(scenario: Scenario, deaths: Mapping[str, Death] | None = None) -> Iterator[Simulation]:
    """A world that is ready to begin; while it lasts the product works in it."""
    loop = VirtualLoop(limit=scenario.troubled_until + LONGEST)
    world = World(loop, random.Random(scenario.seed + 1), scenario.rates, scenario.troubled_until, deaths=deaths or {})
    simulation = Simulation(scenario, input_folder(scenario.files), world)
    with ExitStack() as stack:
        stack.enter_context(simulated_obstore())
        if Path("/dev/shm").is_dir():  # scratch folders need no disk
            stack.enter_context(patch.object(tempfile, "tempdir", "/dev/shm"))
        for place, name, stand_in in _stand_ins(simulation):
            stack.enter_context(patch.object(place, name, stand_in))
        stack.enter_context(_logged(world))
        random.seed(scenario.seed)
        asyncio.set_event_loop(loop)
        stack.callback(asyncio.set_event_loop, None)
        stack.callback(loop.close)
        stack.callback(_clear_away, world)
        yield simulation


class _Noting(logging.Handler):
    """What the product logs becomes part of the history."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        self._world.note("log", record.getMessage())


@contextmanager
def _logged(world: World) -> Iterator[None]:
    handler, logger = _Noting(world), logging.getLogger("fanout")
    logger.addHandler(handler)
    before, logger.propagate = (logger.propagate, logger.level), False
    logger.setLevel(logging.INFO)  # whatever another test has left: what is logged is part of the history
    try:
        yield
    finally:
        logger.propagate = before[0]
        logger.setLevel(before[1])
        logger.removeHandler(handler)


def _clear_away(world: World) -> None:
    """Nobody is left, not even of a world that hangs: what is cleared away later would complain of a closed loop."""
    loop = world.loop
    for process in world.processes:
        process.kill()
    loop.give_more_time(LONGEST)
    left = [task for task in loop.tasks if not task.done()]
    for task in left:
        task.cancel()
    with contextlib.suppress(StuckError):
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


def _stand_ins(simulation: Simulation) -> Iterator[tuple[ModuleType, str, Any]]:
    scenario, world = simulation.scenario, simulation.world
    yield node_serve, "SlotProcess", functools.partial(UserProcess, world, scenario.user)
    yield node_serve, "_parent", parent
    yield node_serve, "_signals", lambda _: contextlib.nullcontext()
    yield node_serve, "_log_to", lambda _: contextlib.nullcontext()
    yield node_worker, "usage_written", lambda *_: contextlib.nullcontext()
    yield manifests, "SHARD_SIZE", scenario.shard_size
    yield publish, "INLINE_LIMIT", scenario.inline_limit
    for module in (merge, output_files):
        yield module, "locate", lambda uri, _: (simulation.bucket, uri.removeprefix(f"{ROOT}/"))
    yield os, "getpid", lambda: 4711  # nodes tell theirs, and a shorter number makes a smaller object
    yield secrets, "token_hex", lambda size=32: world.chance.randbytes(size).hex()


@functools.cache
def _inputs() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fanout-simulation-")


@functools.cache
def input_folder(files: int) -> str:
    """The URI of a folder of so many empty files."""
    folder = Path(_inputs().name) / f"{files:03d}"
    folder.mkdir()
    for number in range(files):
        (folder / f"{number:03d}").touch()
    return uris.from_path(folder)


def play(simulation: Simulation) -> None:
    """Everything happens; a world that does not come to an end is a broken promise."""
    try:
        simulation.world.loop.run_until_complete(simulation.play())
    except StuckError as exc:
        simulation.world.defects.append(f"hangs: {exc}")
