"""What comes into a node: deliveries are received, checked, and brought to the point where a slot can start them."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from obstore.store import ObjectStore

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
from fanout.node.dispatch.retry_policy import back_off
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
"""Seconds that one receive waits for a message: bounds how long leaving takes, and what idling costs."""
SUSPECT = 3
"""From this receive on a mini-batch is set apart: two nodes have vanished with it in their hands, and it may be why.

A node that is killed takes the blame to everything it holds, started or not. Apart from the others, a mini-batch that
kills its nodes runs into the dead-letter queue alone, and those that only happened to be near it are done.
"""
REFUSED_FOR = 120.0
"""Seconds for which receives may fail, with growing pauses, before the node ends; a receive may take as long itself."""


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
    """Receives for one step until it is closed; `ready` are the mini-batches that can be started."""

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
    ) -> None:
        self._at, self._queue, self._store, self._fetcher = at, queue, store, fetcher
        self._visibility, self._committer, self._leases, self._clock = visibility, committer, leases, clock
        self._events, self._signer = events, committer.signer
        self.forged = 0  # messages that were dropped: nobody who can read the store has sent them
        self._ready: deque[Lease] = deque()
        self._tasks = asyncio.TaskGroup()  # entered by `run`, which fails with any of them
        self._preparing: set[asyncio.Task[None]] = set()
        self._asked = asyncio.Event()
        self._closed = False
        self._careful = False  # what comes is set apart: one after the other, and nothing beside it
        self._moved = clock.monotonic()  # when a slot last took something, or nothing waited
        self._pausing = False  # until a slot has room: what waited here was given to others
        self._returning: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Receives as long as something is wanted; raises QueueError when the queue refuses for minutes."""
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
                raise  # others cannot write there either, and who started this node says so
            except QueueError as exc:
                refusals += 1
                if self._clock.monotonic() - well >= REFUSED_FOR:
                    raise
                gone = isinstance(exc, QueueGoneError)  # no surprise at the end of a step: the store will tell
                log.log(logging.INFO if gone else logging.WARNING, "cannot receive, will try again: %s", exc)
                await self._clock.sleep(back_off(refusals, random.random()))  # noqa: S311 - spreads, guards nothing
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
        """Up to `count` mini-batches, now to be started; those that may be somebody else's by now are dropped.

        One that is set apart is left waiting until this node holds nothing else.
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
        """These were handed to a slot that died before it came to them: they are next."""
        self._ready.extendleft(reversed(list(unstarted)))

    def close(self) -> None:
        """Nothing more is received, and nothing more is brought here."""
        self._closed = True
        self._asked.set()
        for task in self._preparing:
            task.cancel()

    async def requeue(self) -> None:
        """What has not started goes back to the queue at once, for others."""
        unstarted, self._ready = list(self._ready), deque()
        await all_of([self._committer.requeue(unstarted), *self._returning])

    def return_idle(self, seconds: float) -> None:
        """What has waited for a slot for longer than `seconds` goes back, for nodes that have one; nothing more is
        received before there is one here."""
        now = self._clock.monotonic()
        if not self._ready or self._closed:
            self._moved = now
        elif now - self._moved > seconds:
            log.info("%d mini-batches are given back: no slot is free for them", len(self._ready))
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
        """How many to ask the queue for; none until half of what should wait is used up."""
        if self._closed or self._pausing or self._committer.full:
            return 0
        if self._careful:
            return 0 if len(self._leases) else 1
        wanted = self._events.wanted()
        room = wanted - len(self._ready) - len(self._preparing)
        return room if room >= wanted / 2 else 0

    def _release(self, lease: Lease) -> None:
        """It comes back when its visibility runs out, to whoever asks then."""
        self._leases.forget([lease])
        if self._fetcher is not None:
            self._fetcher.release(lease.fetched)

    async def _accept(self, deliveries: Sequence[Delivery]) -> list[Lease]:
        """The deliveries that are ours, now held by this node; the others are rejected."""
        expires = self._clock.monotonic() + self._visibility
        accepted, forged = list[Lease](), list[Delivery]()
        for delivery in deliveries:
            try:
                message = self._read(delivery.body)
            except ForgedMessageError as exc:
                if not self.forged and not forged:
                    log.warning("dropped, and so will be all others like it: %s", exc)
                forged.append(delivery)
                continue
            except DamagedRecordError as exc:
                log.warning("%s", exc)
                await self._committer.dead_letter(delivery, str(exc))
                continue
            lease = Lease(delivery, message, (message.line or "").encode("utf-8", "surrogatepass"), expires)
            self._leases.take(lease)
            accepted.append(lease)
        if forged:
            self.forged += len(forged)
            await self._committer.drop(forged)
        return accepted

    def _note_forged(self) -> None:
        """How many messages were dropped is told once, when nothing more is received."""
        if self.forged:
            some = "a message was dropped" if self.forged == 1 else f"{self.forged} messages were dropped"
            reason = f"{some} that nobody who can read the store has sent: see who may send to the queue"
            log.warning("%s", reason)
            self._committer.note(Event("queue", self._clock.now(), Failure(Cause.FORGED, reason)))

    def _read(self, body: str) -> Message:
        """The message in `body`; ForgedMessageError or DamagedRecordError when it is none of this step's."""
        self._signer.check(body)
        message = messages.decode_signed(body, self._at) if self._signer.signs else messages.decode(body)
        if message.at is not self._at:
            self._check_step(message.at)
        return message

    def _check_step(self, at: StepRound) -> None:
        """DamagedRecordError when this is not the queue of that step; else the next message will be compared sooner."""
        if at != self._at:
            raise DamagedRecordError(f"message for {at}: this is the queue of another step")
        self._at = at

    async def _wanted_here(self, received: list[Lease]) -> list[Lease]:
        """Those of `received` that are not left to other nodes."""
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
        """Those of `received` that this node keeps: of all that must be alone the one that came back most often.

        The others go back, and are received one by one.
        """
        alone = sorted([h for h in received if h.message.alone], key=lambda h: h.delivery.receive_count)
        suspects = [h for h in received if h.delivery.receive_count >= SUSPECT and not h.message.alone]
        for lease in suspects:
            log.warning("mini-batch %d was held by nodes that vanished, and is set apart", lease.message.index)
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
        """Whether there is nothing to bring; what is wrong with a line is said by whoever brings it."""
        try:
            return self._fetcher is None or self._fetcher.needs_no_fetch(lease.line)
        except DamagedRecordError:
            return False

    async def _prepare(self, lease: Lease) -> None:
        """Brings what the mini-batch needs. Missing data and a damaged plan are a failed attempt; trouble with the
        store is nobody's fault, so the mini-batch is let go and comes back when its visibility runs out."""
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
            log.warning("mini-batch %d cannot be brought here now: %s", lease.message.index, exc)
            self._leases.forget([lease])
        except FanoutError as exc:
            self._events.failed(lease, Failure(Cause.LOAD, str(exc)))
        except asyncio.CancelledError:
            self._ready.append(lease)
            raise

    def _prepared(self, task: asyncio.Task[None]) -> None:
        self._preparing.discard(task)
        self._events.arrived()
