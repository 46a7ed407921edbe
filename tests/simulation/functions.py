"""A world whose run is carried out by functions: no process stays with it, and each may die at any call.

A container is a simulated process that is frozen between invocations, as AWS freezes it. Event sources live outside of
the world's trouble: they hand on what the queues deliver, and delete what the answer does not name.
"""

import asyncio
import contextlib
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fanout.errors import FanoutError, RunError, StoreError
from fanout.node.lambda_worker import LambdaWorker
from fanout.node.serve import NodeServices
from fanout.queues.base import Delivery, Queue
from fanout.records.run import check_signature, try_create
from fanout.scheduler.resident import new_record
from fanout.scheduler.ticks.delegated import conclude_step
from fanout.scheduler.ticks.deployment_queues import DeploymentQueues, TickMessage, decode_reduction, decode_tick
from fanout.scheduler.ticks.parallel_tick import SupervisorCache
from fanout.scheduler.ticks.run_tick import TickContext, handle_tick
from fanout.storage import keys
from fanout.storage.keys import StepRound
from tests.simulation.loop import Process
from tests.simulation.simulate import RUN, Simulation

INVOCATION = 60.0
"""Virtual seconds that an invocation may take."""
HIDDEN = 30.0
"""Virtual seconds for which the queues hide what nobody extends."""
POLL = 0.5
AT_ONCE = 3
"""Deliveries that a worker gets at most: few, so that several have some."""
Handler = Callable[[Sequence[Delivery]], Awaitable[list[Delivery]]]


@dataclass(eq=False)
class Container:
    """One process of a function, and what it does with the deliveries of an invocation."""

    process: Process
    handle: Handler


@dataclass(eq=False)
class FunctionWorld:
    """The functions of one world."""

    simulation: Simulation
    containers: dict[str, list[Container]] = field(default_factory=dict)
    made: dict[str, int] = field(default_factory=dict)
    queues: DeploymentQueues = field(init=False)
    history_at_seal: int | None = None

    async def play(self) -> None:
        """The run has its verdict, and nobody is at work on it any more."""
        simulation, scenario = self.simulation, self.simulation.scenario
        service = simulation.context.queues
        # What fails in other queues for good is work for a person; here it is always tried again.
        often = (scenario.max_receives, 1000, 1000)
        pairs = [await service.create(f"fx-{n}", visibility=HIDDEN, max_receives=most) for n, most in enumerate(often)]
        self.queues = DeploymentQueues(pairs[0], pairs[1].main, pairs[2].main)
        simulation.bucket.watchers.append(self._look_for_seal)
        record = new_record(RUN, scenario.pipeline(simulation.input_uri), {}, simulation.context)
        while simulation.bucket.look(keys.run_json(RUN)) is None:
            with contextlib.suppress(StoreError):  # whoever begins a run tries again until it exists
                await try_create(simulation.context.store, record)
        await self.queues.send_tick(TickMessage(RUN), record.signer)
        sources = [
            self._source("supervisor", self.queues.ticks, 1),
            self._source("reducer", self.queues.reductions, 1),
            *(self._source("worker", self.queues.work.main, AT_ONCE) for _ in range(scenario.nodes)),
        ]
        running = [asyncio.create_task(source) for source in (*sources, simulation.send_hostile())]
        while simulation.bucket.look(keys.run_verdict(RUN)) is None and not simulation.world.defects:  # noqa: ASYNC110 - time passes, nothing is polled
            await asyncio.sleep(POLL)
        simulation.at_conclusion = simulation.kept()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for container in [one for some in self.containers.values() for one in some]:
            container.process.kill()
        for name in list(simulation.queues.pairs):
            simulation.queues.drop(name)

    def _look_for_seal(self, key: str, _: bytes) -> None:
        if key.endswith("/verdict.json") and self.history_at_seal is None:
            self.history_at_seal = len(self.simulation.world.history)

    async def _source(self, function: str, queue: Queue, batch: int) -> None:
        while True:
            if deliveries := await queue.receive(batch, POLL):
                failed = await self._invoke(function, deliveries)
                if done := [delivery for delivery in deliveries if delivery not in failed]:
                    await queue.delete(done)

    async def _invoke(self, function: str, deliveries: list[Delivery]) -> list[Delivery]:
        """Those that are to come again; all of them when the container died or its time was over."""
        idle = self.containers.setdefault(function, [])
        container = idle.pop() if idle else self._container(function)
        container.process.go_on()
        work = container.process.start(self._handled(container, deliveries))
        await asyncio.wait([work], timeout=INVOCATION)
        if container.process.dead or not work.done() or work.cancelled():
            container.process.kill()
            return deliveries
        container.process.stop()  # frozen until the next event comes
        idle.append(container)
        failed: list[Delivery] = work.result()
        return failed

    async def _handled(self, container: Container, deliveries: Sequence[Delivery]) -> list[Delivery]:
        try:
            return await container.handle(deliveries)
        except FanoutError as exc:
            self.simulation.world.note("error", type(exc).__name__, str(exc))
        except Exception as exc:  # noqa: BLE001 - a bug of ours, and what the simulation is after
            self.simulation.world.defects.append(f"{type(exc).__name__}: {exc}\n{traceback.format_exc()}")
        return list(deliveries)

    def _container(self, function: str) -> Container:
        number = self.made[function] = self.made.get(function, -1) + 1
        process = self.simulation.world.process(f"{function}{number}")
        makers: Mapping[str, Callable[[], Handler]] = {
            "worker": self._worker,
            "supervisor": self._supervisor,
            "reducer": self._reducer,
        }
        return Container(process, makers[function]())

    def _worker(self) -> Handler:
        run_context = self.simulation.context
        around = NodeServices(
            run_context.store, run_context.queues, run_context.access, run_context.clock, run_context.settings.store
        )

        async def command(at: StepRound, _: float) -> None:
            raise RunError(f"{at} is no command")

        worker = LambdaWorker(around, self.queues.work, self.simulation.scenario.visibility, command, self._check_order)
        return lambda deliveries: worker.work(deliveries, run_context.clock.monotonic() + INVOCATION)

    async def _check_order(self, at: StepRound, body: str) -> None:
        await check_signature(self.simulation.context.store, at.run, body)

    def _supervisor(self) -> Handler:
        kept = SupervisorCache()

        async def handle(deliveries: Sequence[Delivery]) -> list[Delivery]:
            for delivery in deliveries:
                turn = decode_tick(delivery.body)
                await check_signature(self.simulation.context.store, turn.run, delivery.body)
                await handle_tick(turn, TickContext(self.simulation.context, self.queues, kept, lambda: True))
            return []

        return handle

    def _reducer(self) -> Handler:
        async def handle(deliveries: Sequence[Delivery]) -> list[Delivery]:
            for delivery in deliveries:
                at = decode_reduction(delivery.body)
                await check_signature(self.simulation.context.store, at.run, delivery.body)
                await conclude_step(at, self.simulation.context, self.queues, lambda: True)
            return []

        return handle
