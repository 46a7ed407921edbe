"""A worker: nodes that are kept between invocations of a function, each for one step, and fed with what that is given.

Deliveries of many runs come together, as a deployment has one queue for all of them. Each goes to the node of its step,
which is made when the first one comes: slots run `init()` once, and stay. What the answer of an invocation does not
name as failed is deleted by AWS Lambda, so a delivery is left out only when its result is durable, when it was
requeued, or when its step is over (promise I5).
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from fanout.errors import DamagedRecordError, FanoutError, ForgedMessageError, QueueError, RunError
from fanout.node.dispatch.agent import Leaving
from fanout.node.serve import Assembled, NodeServices, assembled, load_step
from fanout.node.telemetry import usage_written
from fanout.queues.base import Delivery, QueuePair
from fanout.queues.invocation import InvocationQueue
from fanout.queues.renewal import renew, renew_regularly
from fanout.records import messages
from fanout.records.seal import step_seal
from fanout.records.step import StepRecord
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read
from fanout.tasks import all_of, beside

log = logging.getLogger(__name__)

MOST_KEPT = 2
"""Nodes that are kept: models are large, and a function's memory is not."""
ANSWERING = 5.0
"""Seconds before an invocation's end, at the most, in which what still runs is ended and the answer is given."""
LOOK_EVERY = 0.05
EVICTION_LIMIT = 20.0
"""Seconds that slots get for shutdown() when their node makes room for another one."""

Command = Callable[[StepRound, float], Awaitable[None]]
"""Runs a command step to its seal, until a moment of the monotonic clock."""
CheckOrder = Callable[[StepRound, str], Awaitable[None]]
"""ForgedMessageError unless this body was sent by the run of the step; RunError when there is none."""


@dataclass(slots=True)
class _Kept:
    """The node of one step."""

    record: StepRecord
    queue: InvocationQueue
    made: Assembled
    stack: AsyncExitStack
    running: "asyncio.Task[Leaving]"

    @property
    def has_left(self) -> bool:
        return self.running.done()


@dataclass(slots=True)
class LambdaWorker:
    """Works through one batch of deliveries after the other; `queues` are the deployment's."""

    services: NodeServices
    queues: QueuePair
    visibility: float
    command: Command
    check_order: CheckOrder
    _kept: dict[StepRound, _Kept] = field(default_factory=dict)  # the one used last is last
    _ended: tuple[int, int] = (0, 0)  # attempts of nodes that have left

    async def work(self, deliveries: Sequence[Delivery], deadline: float) -> list[Delivery]:
        """Those of `deliveries` that are to be received again; `deadline` is when the invocation ends (monotonic)."""
        begun = self.services.clock.monotonic()
        end = deadline - min(ANSWERING, 0.2 * (deadline - begun))
        # The queue hides them for as long as the function may take; a node that dies is to be noticed sooner.
        lost = await self._hold(deliveries)
        mine = [delivery for delivery in deliveries if delivery not in lost]
        by_step, commands, strange = sorted_out(mine)
        failed = [*lost, *await self._put_aside(strange)]
        jobs = [self._mini_batches(at, theirs, end) for at, theirs in by_step.items()]
        jobs += [self._commands(at, theirs, end) for at, theirs in commands.items()]
        for left in await all_of(jobs):
            failed += left
        return failed

    @property
    def attempts(self) -> tuple[int, int]:
        """Attempts that have ended since this worker was made, and those of them that failed."""
        nodes = [kept.made.node for kept in self._kept.values()]
        done, failed = self._ended
        return done + sum(node.done for node in nodes), failed + sum(node.failed for node in nodes)

    async def close(self) -> None:
        """No node is left."""
        for at in list(self._kept):
            await self._evict(at)

    async def _hold(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """All are hidden from others for a while, except those that are not this worker's any more."""
        try:
            return await renew(self.queues.main, deliveries, self.visibility)
        except QueueError as exc:
            log.warning("deliveries could not be taken over, and are taken as they are: %s", exc)
            return []

    async def _put_aside(self, strange: Sequence[tuple[Delivery, str]]) -> list[Delivery]:
        """Messages that are none of ours go to the dead-letter queue, with the reason; those that could not."""
        if not strange:
            return []
        try:
            await self.queues.dead.send([json.dumps({"message": d.body, "reason": why}) for d, why in strange])
        except QueueError as exc:
            log.warning("messages that cannot be read could not be put aside and will come back: %s", exc)
            return [delivery for delivery, _ in strange]
        return []

    async def _commands(self, at: StepRound, theirs: Sequence[Delivery], end: float) -> list[Delivery]:
        try:
            async with beside(self._keep_holding(theirs), "holding the messages of a command"):
                if not (theirs := await self._genuine(at, theirs)):
                    return []
                await self.command(at, end)
        except RunError as exc:
            return await self._put_aside([(delivery, str(exc)) for delivery in theirs])
        except FanoutError as exc:
            log.warning("command step %s will be tried again: %s", at, exc)
            return list(theirs)
        return []

    async def _genuine(self, at: StepRound, orders: Sequence[Delivery]) -> list[Delivery]:
        """Those that the run of the step has sent; the others are dropped."""
        genuine = list[Delivery]()
        for delivery in orders:
            try:
                await self.check_order(at, delivery.body)
            except ForgedMessageError as exc:
                log.warning("dropped: %s", exc)
            else:
                genuine.append(delivery)
        return genuine

    async def _keep_holding(self, theirs: Sequence[Delivery]) -> None:
        await renew_regularly(lambda: self._hold(theirs), self.visibility, self.services.clock)

    async def _mini_batches(self, at: StepRound, theirs: Sequence[Delivery], end: float) -> list[Delivery]:
        try:
            if await self._is_over(at):
                return []
            kept = await self._node(at)
        except (RunError, DamagedRecordError) as exc:
            return await self._put_aside([(delivery, str(exc)) for delivery in theirs])
        except FanoutError as exc:
            log.warning("no node for %s: %s", at, exc)
            return list(theirs)
        kept.queue.hand_over(theirs)
        await self._until_done(kept, end)
        left = [delivery for delivery in theirs if not kept.queue.is_done(delivery)]
        kept.queue.forget(theirs)
        if kept.made.logs is not None:
            await kept.made.logs.keep()
        if kept.has_left:
            left = [] if _is_unwanted(kept) else left
            await self._evict(at)
        return left

    async def _until_done(self, kept: _Kept, end: float) -> None:
        """Works until everything is answered for or let go, the node has left, or the time is over."""
        clock, node = self.services.clock, kept.made.node
        # A mini-batch that is started is to end within the time; half of it is given whatever the step's limit says.
        begun = clock.monotonic()
        starts_until = max(end - kept.record.step.retry_settings.timeout, (begun + end) / 2)
        node.start_until(starts_until)
        while not kept.has_left and (kept.queue.on_its_way or len(node.leases)):
            if clock.monotonic() >= end:
                log.warning("the time of this invocation is over: %d mini-batches are cut off", len(node.leases))
                kept.running.cancel()
                await asyncio.wait([kept.running])
                await self._release([lease.delivery for lease in node.leases.all()])
                return
            if clock.monotonic() > starts_until:
                await node.requeue_unstarted()
            await kept.queue.changed(LOOK_EVERY)

    async def _release(self, cut_off: Sequence[Delivery]) -> None:
        """Others may have these at once; that they were received counts, as it does when a node dies."""
        try:
            await self.queues.main.extend(cut_off, 0)
        except QueueError as exc:
            log.warning("%d deliveries come back late: %s", len(cut_off), exc)

    async def _is_over(self, at: StepRound) -> bool:
        """Whether results of the step are no longer needed."""
        store = self.services.store
        looks: list[Awaitable[object]] = [step_seal(store, at), read(store, keys.cancel(at.run, at.round))]
        return any(found is not None for found in await all_of(looks))

    async def _node(self, at: StepRound) -> _Kept:
        """The node of the step, made when there is none."""
        kept = self._kept.pop(at, None)
        if kept is not None and kept.has_left:
            await self._close(kept)
            kept = None
        while len(self._kept) >= MOST_KEPT and (idle := next(iter(self._idle()), None)) is not None:
            await self._evict(idle)
        kept = kept or await self._make(await load_step(self.services.store, at))
        self._kept[at] = kept
        return kept

    def _idle(self) -> Iterable[StepRound]:
        return [at for at, kept in self._kept.items() if not kept.queue.on_its_way and not len(kept.made.node.leases)]

    async def _make(self, record: StepRecord) -> _Kept:
        queue, stack = InvocationQueue(self.queues.main), AsyncExitStack()
        pair = QueuePair(queue, self.queues.dead)
        made = await stack.enter_async_context(assembled(record, pair, self.services, returns_idle=False))
        every = record.step.resource_monitor_interval
        await stack.enter_async_context(usage_written(made.usage, every, self.services.clock))
        return _Kept(record, queue, made, stack, asyncio.create_task(made.node.run()))

    async def _evict(self, at: StepRound) -> None:
        kept = self._kept.pop(at, None)
        if kept is not None:
            await self._close(kept)

    async def _close(self, kept: _Kept) -> None:
        """The node has run shutdown() in its slots, as far as that does not take too long, and has left."""
        self._ended = self._ended[0] + kept.made.node.done, self._ended[1] + kept.made.node.failed
        kept.made.node.drain(0.0)
        _, late = await asyncio.wait([kept.running], timeout=EVICTION_LIMIT)
        for task in late:
            task.cancel()
        await asyncio.gather(kept.running, return_exceptions=True)
        if not kept.running.cancelled() and (exc := kept.running.exception()) is not None:
            log.warning("the node of %s has ended: %s", kept.record.at, exc)
        await kept.stack.aclose()


def sorted_out(
    deliveries: Iterable[Delivery],
) -> tuple[dict[StepRound, list[Delivery]], dict[StepRound, list[Delivery]], list[tuple[Delivery, str]]]:
    """Mini-batches by their step, command steps, and what is neither, with the reason. Pure."""
    mini_batches: dict[StepRound, list[Delivery]] = {}
    commands: dict[StepRound, list[Delivery]] = {}
    strange: list[tuple[Delivery, str]] = []
    for delivery in deliveries:
        if (command := messages.decode_order(messages.COMMAND, delivery.body)) is not None:
            commands.setdefault(command, []).append(delivery)
            continue
        try:
            mini_batches.setdefault(messages.decode(delivery.body).at, []).append(delivery)
        except DamagedRecordError as exc:
            strange.append((delivery, str(exc)))
    return mini_batches, commands, strange


def _is_unwanted(kept: _Kept) -> bool:
    """Whether the node has left because its run is canceled."""
    running = kept.running
    return not running.cancelled() and running.exception() is None and running.result() is Leaving.CANCELED
