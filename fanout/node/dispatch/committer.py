"""Group commit: results become durable together, and only then are their deliveries settled (promise I5).

While one object is being written, finished attempts gather for the next. A committed group is settled in an order that
loses nothing wherever it is cut: mini-batches that are tried again are sent anew, dead letters are sent, and only then
are the old deliveries deleted. Cut in between, a delivery comes back and at worst an attempt is made twice.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fanout.clock import Clock
from fanout.errors import QueueError
from fanout.files import uris
from fanout.queues.base import Delivery, QueuePair
from fanout.records import messages, mini_batch
from fanout.records.messages import Message
from fanout.records.parts import ItemRange
from fanout.results import codec
from fanout.results.codec import Entry, Event, Status
from fanout.security.signature import UNSIGNED, Signer
from fanout.slot.lease import Lease, LeaseTable
from fanout.tasks import task_group, until_set

log = logging.getLogger(__name__)

LINGER = 1.0
"""Seconds that finished attempts wait for company while others are still running: each group costs some milliseconds,
here and where it is read, of the processors that user code could use. So much work is lost when a node is killed."""
COMPANY = 5_000
"""So many do not wait for more."""
FULL_BYTES = 64 * 1024 * 1024
FULL_COUNT = 20_000
DEAD_LETTER_TEXT = 8 * 1024


@dataclass(slots=True)
class Finished:
    """An attempt that has ended: its entry, its rows, and the delay until its retry."""

    lease: Lease
    entry: Entry
    rows: bytes = b""
    retry_after: float | None = None


@dataclass(slots=True)
class _Group:
    finished: list[Finished] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.finished or self.events)


Write = Callable[[int, bytes], Awaitable[None]]
"""Makes a result object durable under its sequence number, counted from 0 without gaps."""
Stage = Callable[[str, int, Sequence[str]], Awaitable[None]]
"""Makes output files durable: the folder that a slot has put aside, the result object that will name them, and their
names in the folder."""


class Committer:
    """Collects finished attempts; `run` commits them until `close`."""

    def __init__(
        self,
        write: Write,
        stage: Stage,
        queues: QueuePair,
        leases: LeaseTable,
        clock: Clock,
        idle: Callable[[], bool],
        node: int = 0,
        signer: Signer = UNSIGNED,
    ) -> None:
        self._write, self._stage, self._queues, self.signer = write, stage, queues, signer
        self._leases, self._clock, self._idle, self._node = leases, clock, idle, node
        self._gathered = _Group()
        self._news = asyncio.Event()
        self._hurry = asyncio.Event()
        self._closing = False
        self._seq = 0

    def add(self, finished: Finished) -> None:
        """Adds an attempt to the next commit."""
        self._gathered.finished.append(finished)
        self._gathered.bytes += len(finished.rows)
        self._news.set()
        if len(self._gathered.finished) == COMPANY:
            self._hurry.set()

    def note(self, event: Event) -> None:
        """Adds an event to the next commit."""
        self._gathered.events.append(event)
        self._news.set()

    @property
    def full(self) -> bool:
        """Whether so much waits for a commit that no more work should be started."""
        return self._gathered.bytes > FULL_BYTES or len(self._gathered.finished) > FULL_COUNT

    def hurry(self) -> None:
        """Commits at once: nothing more will finish for a while."""
        self._hurry.set()

    def close(self) -> None:
        """`run` returns as soon as everything is committed and acknowledged."""
        self._closing = True
        self._news.set()
        self._hurry.set()

    async def run(self) -> None:
        """Commits group after group. Raises StoreError when a result cannot be made durable: the node must then end."""
        async with task_group() as acknowledging:
            while not self._closing or self._gathered:
                await self._news.wait()
                await self._linger()
                self._news.clear()
                group, self._gathered = self._gathered, _Group()
                if group:
                    await self._commit(group)
                if group.finished:
                    acknowledging.create_task(self._acknowledge(group.finished))

    async def _linger(self) -> None:
        self._hurry.clear()
        if self._closing or self._idle() or len(self._gathered.finished) >= COMPANY:
            return
        await until_set(self._hurry, self._clock.sleep(LINGER))

    async def _commit(self, group: _Group) -> None:
        for finished in group.finished:
            if finished.entry.files:
                await self._stage(codec.folder_of(finished.entry), self._seq, finished.entry.files)
        for event in group.events:
            if event.files:
                await self._stage(f"shutdown-{event.process}", self._seq, event.files)
        body = codec.encode([f.entry for f in group.finished], [f.rows for f in group.finished], group.events)
        await self._write(self._seq, body)
        self._seq += 1

    async def _acknowledge(self, group: Sequence[Finished]) -> None:
        """A queue that refuses is a warning: what is not acknowledged comes back when its visibility runs out."""
        # A lost delivery is not sent again, and so not deleted either: unless another node has received it since, its
        # receipt would still work, and no message would be left.
        now = self._clock.monotonic()
        again = [f for f in group if f.retry_after is not None and f.lease.startable(now)]
        done = [f for f in group if f.entry.status.is_final or f.entry.copy]
        try:
            await self._send_retries(again)
            await self._send_dead_letters(
                [f for f in done if f.entry.status is Status.FAILED and f.lease.startable(now)]
            )
            await self._queues.main.delete([f.lease.delivery for f in (*again, *done)])
        except QueueError as exc:
            log.warning("%d deliveries could not be acknowledged and will come back: %s", len(group), exc)
        finally:
            self._leases.forget(f.lease for f in group)

    async def _send_retries(self, again: Sequence[Finished]) -> None:
        by_delay: dict[float, list[str]] = {}
        for finished in again:
            bodies = [messages.encode(message, self.signer) for message in _following(finished, self._node)]
            by_delay.setdefault(round(finished.retry_after or 0.0, 1), []).extend(bodies)
        for delay, bodies in by_delay.items():
            await self._queues.main.send(bodies, delay=delay)

    async def _send_dead_letters(self, dead: Sequence[Finished]) -> None:
        if dead:
            await self._queues.dead.send([self.signer.sign(_dead_letter_body(f)) for f in dead])

    async def dead_letter(self, delivery: Delivery, reason: str) -> None:
        """Moves a message that cannot be used to the dead-letter queue, with the reason."""
        try:
            letter = json.dumps({"message": delivery.body, "reason": reason})
            await self._queues.dead.send([self.signer.sign(letter)])
            await self._queues.main.delete([delivery])
        except QueueError as exc:
            log.warning("a message that cannot be read could not be dead-lettered and will come back: %s", exc)

    async def drop(self, forged: Sequence[Delivery]) -> None:
        """Removes messages with a missing or wrong signature."""
        try:
            await self._queues.main.delete(forged)
        except QueueError as exc:
            log.warning("%d forged messages could not be removed and will come back: %s", len(forged), exc)

    async def requeue(self, unstarted: Sequence[Lease], delay: float = 0.0) -> None:
        """Sends deliveries that were not started as new messages, so that requeueing does not count as a vanished
        node."""
        back = [lease for lease in unstarted if lease.startable(self._clock.monotonic())]
        try:
            if back:
                await self._queues.main.send(
                    [messages.encode(lease.message, self.signer) for lease in back], delay=delay
                )
                await self._queues.main.delete([lease.delivery for lease in back])
        except QueueError as exc:
            log.warning("%d deliveries could not be requeued and will come back late: %s", len(back), exc)
        self._leases.forget(unstarted)


def _following(finished: Finished, node: int) -> Iterator[Message]:
    """The messages that follow an attempt that failed on `node`: the next try, or the first try of each half."""
    message = finished.lease.message
    if finished.entry.status is not Status.SPLIT:
        yield replace(message, attempt=message.attempt + 1, failed_on=(*message.failed_on, node), passed_on=0)
        return
    for half in (message.part or ItemRange(0, finished.entry.items)).halves:
        yield replace(message, attempt=0, part=half, failed_on=(), passed_on=0)


def _item_name(message: Message) -> str | None:
    """The one item that the message is about, in words; None when it is about several."""
    part = message.part
    if part is None or part.items > 1 or message.line is None:
        return None
    batch = mini_batch.decode(message.line, "message")
    if batch.files:
        return uris.display(batch.files[part.start])
    if batch.first_row is not None:
        return f"row {batch.first_row + part.start} of the input"
    return f"row {part.start} of the mini-batch"


def _dead_letter_body(finished: Finished) -> str:
    """The dead letter: the message, the reason, and the item when it is about one."""
    failure = finished.entry.failure
    body = _readable(messages.encode(finished.lease.message))
    reason = "" if failure is None else f"{failure.message}\n{failure.traceback}"
    item = _item_name(finished.lease.message)
    named = {} if item is None else {"item": item}
    return json.dumps({**body, **named, "tries": finished.entry.attempt + 1, "reason": reason[:DEAD_LETTER_TEXT]})


def _readable(body: str) -> dict[str, Any]:
    """The message as fields; as one text when it is not JSON."""
    try:
        return dict(json.loads(body))
    except ValueError:
        return {"message": body}
