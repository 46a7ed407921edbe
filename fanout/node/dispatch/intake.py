"""The intake of a node: receives deliveries, checks them, and fetches what a slot needs to start them."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from obstore.store import ObjectStore

from fanout.backoff import ATTEMPTS
from fanout.clock import Clock
from fanout.errors import (
    DamagedRecordError,
    FanoutError,
    ForgedMessageError,
    InfrastructureError,
    QueueError,
    QueueFullError,
    QueueGoneError,
)
from fanout.node.dispatch.committer import Committer
from fanout.node.dispatch.fetcher import Fetcher
from fanout.node.dispatch.plan_check import PlanCheck
from fanout.planning.manifests import read_line
from fanout.queues.base import Delivery, Queue
from fanout.records import messages
from fanout.records.messages import Message
from fanout.results.codec import Cause, Event, Failure
from fanout.slot.lease import Lease, LeaseTable
from fanout.storage.disk_space import as_disk_full, lacks_room
from fanout.storage.keys import StepRound
from fanout.tasks import all_of, task_group

log = logging.getLogger(__name__)

RECEIVE_WAIT = 2.0
"""Seconds that one receive waits for a message. Bounds the time to leave and the cost of idling."""
SUSPECT = 3
"""From this receive count on a mini-batch runs alone: two nodes vanished while they held it, and it may be the cause.

The receive count of everything a killed node held goes up, started or not. Run alone, a mini-batch that kills nodes
reaches the dead-letter queue, and those that were held beside it succeed.
"""
REFUSED_FOR = 120.0
"""Seconds for which receives may fail, with growing pauses, before the node ends. One receive may take as long
itself."""


@dataclass(frozen=True, slots=True)
class IntakeEvents:
    """Callbacks of an intake into its node.

    `wanted`: how many mini-batches should wait for a slot now. `arrived`: more of them are ready. `failed`: one could
    not be fetched, which is a failed attempt. `receive_timeout`: for how many seconds a receive may wait for the first
    message; with 0 the queue is asked once, and again when there is more room or `ask` is called. `deferral`: for how
    many seconds a mini-batch that failed on a node before is left to other nodes; None keeps it here.
    """

    wanted: Callable[[], int]
    arrived: Callable[[], None]
    failed: Callable[[Lease, Failure], None]
    receive_timeout: Callable[[], float] = lambda: RECEIVE_WAIT
    deferral: Callable[[Lease], Awaitable[float | None]] | None = None


class Intake:
    """Receives for one step until it is closed."""

    def __init__(
        self,
        at: StepRound,
        queue: Queue,
        store: ObjectStore,
        fetcher: Fetcher | None,
        visibility: float,
        committer: Committer,
        leases: LeaseTable,
        clock: Clock,
        events: IntakeEvents,
        plan: PlanCheck | None = None,
    ) -> None:
        self._plan = plan  # None: messages are signed
        self._at, self._queue, self._store, self._fetcher = at, queue, store, fetcher
        self._visibility, self._committer, self._leases, self._clock = visibility, committer, leases, clock
        self._events, self._signer = events, committer.signer
        self.forged = 0  # messages dropped for a missing or wrong signature
        self._ready: deque[Lease] = deque()
        self._tasks = asyncio.TaskGroup()  # entered by `run`, which fails with any of them
        self._preparing: set[asyncio.Task[None]] = set()
        self._asked = asyncio.Event()
        self._closed = False
        self._careful = False  # what comes runs alone, one after the other
        self._moved = clock.monotonic()  # when a slot last took something, or nothing waited
        self._pausing = False  # until a slot has room: what waited here was requeued
        self._returning: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Receives while the node wants work. Raises QueueError when the queue refuses for minutes."""
        try:
            async with task_group() as self._tasks:
                await self._receive()
        finally:
            self._note_forged()

    async def _receive(self) -> None:
        refusals, well = 0, 0.0
        while not self._closed:
            self._asked.clear()
            if (room := self._room()) <= 0:
                await self._asked.wait()
                continue
            if not refusals:
                well = self._clock.monotonic()
            receive_timeout = self._events.receive_timeout()
            try:
                deliveries = await self._queue.receive(room, receive_timeout)
                refusals = 0
            except QueueFullError:
                raise  # other nodes cannot write there either; the supervisor reports it
            except QueueError as exc:
                refusals += 1
                if self._clock.monotonic() - well >= REFUSED_FOR:
                    raise
                gone = isinstance(
                    exc, QueueGoneError
                )  # normal at the end of a step; the store says whether it has ended
                log.log(logging.INFO if gone else logging.WARNING, "cannot receive, will try again: %s", exc)
                await self._clock.sleep(ATTEMPTS.pause(refusals, random.random()))  # noqa: S311 - spreads, guards nothing
                continue
            if not deliveries and not receive_timeout:
                await self._asked.wait()
                continue
            for taken in await self._without_suspects(await self._wanted_here(await self._accept(deliveries))):
                self._take(taken)
            self._events.arrived()

    @property
    def empty(self) -> bool:
        """Whether nothing waits for a slot, or is about to."""
        return not self._ready and not self._preparing

    @property
    def waiting(self) -> int:
        """How many mini-batches can be started."""
        return len(self._ready)

    def ask(self) -> None:
        """Looks whether more should be received."""
        if self._room() > 0:
            self._asked.set()

    def start(self, count: int) -> list[Lease]:
        """Up to `count` mini-batches to start now. Those whose lease may have ended are dropped.

        An isolated one waits until this node holds nothing else.
        """
        now, started, waiting = self._clock.monotonic(), list[Lease](), list[Lease]()
        self._moved, self._pausing = now, False
        while self._ready and len(started) < count:
            lease = self._ready.popleft()
            if not lease.startable(now):
                log.warning("mini-batch %d ran out of visibility before it was started", lease.message.index)
                self._release(lease)
            elif lease.message.alone and len(self._leases) > 1:
                waiting.append(lease)
            else:
                started.append(lease)
        self._ready.extend(waiting)
        return started

    def put_back(self, unstarted: Iterable[Lease]) -> None:
        """Puts back, in front, mini-batches whose slot ended before it started them."""
        self._ready.extendleft(reversed(list(unstarted)))

    def close(self) -> None:
        """Stops receiving and fetching."""
        self._closed = True
        self._asked.set()
        for task in self._preparing:
            task.cancel()

    async def requeue(self) -> None:
        """Requeues at once what has not started."""
        unstarted, self._ready = list(self._ready), deque()
        await all_of([self._committer.requeue(unstarted), *self._returning])

    def return_idle(self, seconds: float) -> None:
        """Requeues what has waited for a slot for longer than `seconds`, so that other nodes get it. Nothing more is
        received until a slot is free here."""
        now = self._clock.monotonic()
        if not self._ready or self._closed:
            self._moved = now
        elif now - self._moved > seconds:
            log.info("%d mini-batches are requeued: no slot is free for them", len(self._ready))
            unstarted, self._ready = list(self._ready), deque()
            self._pausing = True
            task = self._tasks.create_task(self._return(unstarted))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)

    async def _return(self, unstarted: Sequence[Lease]) -> None:
        await self._committer.requeue(unstarted)
        if self._fetcher is not None:
            for lease in unstarted:
                self._fetcher.release(lease.fetched)

    def _room(self) -> int:
        """How many messages to ask for; 0 until half of the wanted reserve is used up."""
        if self._closed or self._pausing or self._committer.full:
            return 0
        if self._careful:
            return 0 if len(self._leases) else 1
        wanted = self._events.wanted()
        room = wanted - len(self._ready) - len(self._preparing)
        return room if room >= wanted / 2 else 0

    def _release(self, lease: Lease) -> None:
        """Lets the lease end: the message becomes visible again when its visibility runs out."""
        self._leases.forget([lease])
        if self._fetcher is not None:
            self._fetcher.release(lease.fetched)

    async def _accept(self, deliveries: Sequence[Delivery]) -> list[Lease]:
        """Takes leases on the deliveries of this step; dead-letters or drops the others."""
        expires = self._clock.monotonic() + self._visibility
        accepted, forged = list[Lease](), list[Delivery]()
        for delivery in deliveries:
            try:
                message = self._read(delivery.body)
                if self._plan is not None:
                    await self._plan.check(message)
            except ForgedMessageError as exc:
                if not self.forged and not forged:
                    log.warning("dropped, and so will be all others like it: %s", exc)
                forged.append(delivery)
                continue
            except DamagedRecordError as exc:
                log.warning("%s", exc)
                await self._committer.dead_letter(delivery, str(exc))
                continue
            except InfrastructureError as exc:
                log.warning("a message cannot be compared with the plan now, and comes back: %s", exc)
                continue
            lease = Lease(delivery, message, (message.line or "").encode("utf-8", "surrogatepass"), expires)
            self._leases.take(lease)
            accepted.append(lease)
        if forged:
            self.forged += len(forged)
            await self._committer.drop(forged)
        return accepted

    def _note_forged(self) -> None:
        """Reports once, at the end, how many messages were dropped."""
        if self.forged:
            some = "a message was dropped" if self.forged == 1 else f"{self.forged} messages were dropped"
            reason = f"{some} because of a missing or wrong signature: check who may send to the queue"
            log.warning("%s", reason)
            self._committer.note(Event("queue", self._clock.now(), Failure(Cause.FORGED, reason)))

    def _read(self, body: str) -> Message:
        """The message in `body`. Raises ForgedMessageError or DamagedRecordError when it is not of this step."""
        self._signer.check(body)
        message = messages.decode_signed(body, self._at) if self._signer.signs else messages.decode(body)
        if message.at is not self._at:
            self._check_step(message.at)
        return message

    def _check_step(self, at: StepRound) -> None:
        """Raises DamagedRecordError when this is not the queue of that step."""
        if at != self._at:
            raise DamagedRecordError(f"message for {at}: this is the queue of another step")
        self._at = at

    async def _wanted_here(self, received: list[Lease]) -> list[Lease]:
        """Those of `received` that are not deferred to other nodes."""
        deferral = self._events.deferral
        if deferral is None or not any(lease.message.failed_on for lease in received):
            return received
        kept = list[Lease]()
        for lease in received:
            delay = await deferral(lease) if lease.message.failed_on else None
            if delay is None:
                kept.append(lease)
            else:
                await self._committer.requeue([lease], delay)
        return kept

    async def _without_suspects(self, received: list[Lease]) -> list[Lease]:
        """Those of `received` that this node keeps. Of all that must run alone it keeps the one received most often.

        The others are requeued and received one by one.
        """
        alone = sorted([h for h in received if h.message.alone], key=lambda h: h.delivery.receive_count)
        suspects = [h for h in received if h.delivery.receive_count >= SUSPECT and not h.message.alone]
        for lease in suspects:
            log.warning(
                "mini-batch %d was held by nodes that vanished, and runs alone from now on", lease.message.index
            )
            lease.message = replace(lease.message, alone=True)
        self._careful = bool(alone or suspects)
        if back := [*suspects, *alone[:-1]]:
            await self._committer.requeue(back)
        return [lease for lease in received if lease not in back] if back else received

    def _take(self, lease: Lease) -> None:
        if self._closed or (lease.message.pointer is None and self._is_here(lease)):
            self._ready.append(lease)
        else:
            task = self._tasks.create_task(self._prepare(lease))
            self._preparing.add(task)
            task.add_done_callback(self._prepared)

    def _is_here(self, lease: Lease) -> bool:
        """Whether nothing has to be fetched. A damaged line is reported when it is fetched."""
        try:
            return self._fetcher is None or self._fetcher.needs_no_fetch(lease.line)
        except DamagedRecordError:
            return False

    async def _prepare(self, lease: Lease) -> None:
        """Fetches what the mini-batch needs. Missing data and a damaged plan are a failed attempt. Trouble with the
        store is no failed attempt: the lease is released and the message comes back when its visibility runs out."""
        try:
            if (pointer := lease.message.pointer) is not None:
                lease.line = await read_line(self._store, pointer)
            if self._fetcher is not None:
                lease.line, lease.fetched = await self._fetcher.fetch(lease.line, lease.message.part)
            self._ready.append(lease)
        except DamagedRecordError as exc:
            self._events.failed(lease, Failure(Cause.DAMAGED, str(exc)))
        except (InfrastructureError, OSError) as exc:
            if lacks_room(exc):  # it would find no room the next time either
                raise as_disk_full(exc) from exc
            log.warning("mini-batch %d cannot be fetched now: %s", lease.message.index, exc)
            self._leases.forget([lease])
        except FanoutError as exc:
            self._events.failed(lease, Failure(Cause.LOAD, str(exc)))
        except asyncio.CancelledError:
            self._ready.append(lease)
            raise

    def _prepared(self, task: asyncio.Task[None]) -> None:
        self._preparing.discard(task)
        self._events.arrived()
