"""Dead letters become part of the results: what nodes vanished with is recorded like any other outcome.

A dead letter with a reason was written by a node, which has recorded the failed attempt before. One without is the
mini-batch's own message, moved by the queue after too many deliveries that nobody answered.
"""

import json
from typing import TYPE_CHECKING

from fanout.clock import Clock
from fanout.errors import DamagedRecordError
from fanout.plan import messages, minibatch
from fanout.queue.port import Delivery, Queue
from fanout.step import results
from fanout.step.results import Cause, Entry, Event, Failure, Status
from fanout.store import keys
from fanout.store.keys import StepRound
from fanout.store.objects import create

if TYPE_CHECKING:
    from obstore.store import ObjectStore

AT_ONCE = 100
REASON_SHOWN = 8 * 1024


class DeadLetters:
    """Drains one dead-letter queue into result objects of its own node number."""

    def __init__(self, queue: Queue, store: "ObjectStore", at: StepRound, clock: Clock) -> None:
        self._queue, self._store, self._at, self._clock = queue, store, at, clock
        self._seq = 0

    async def drain(self, node: int, planned: int) -> int:
        """Records what is there, then deletes it; returns how many there were.

        `planned` mini-batches exist: a letter about another one, recorded as its result, would make every later reader
        refuse the whole object.
        """
        deliveries = await self._queue.receive(AT_ONCE, 0)
        entries: list[Entry] = []
        events: list[Event] = []
        for delivery in deliveries:
            found = self._read(delivery, planned)
            if isinstance(found, Entry):
                entries.append(found)
            elif found is not None:
                events.append(found)
        if entries or events:
            body = results.encode(entries, [b""] * len(entries), events)
            await create(self._store, keys.result(self._at, node, self._seq), body)
            self._seq += 1
        if deliveries:
            await self._queue.delete(deliveries)
        return len(deliveries)

    def _read(self, delivery: Delivery, planned: int) -> Entry | Event | None:
        try:
            fields = json.loads(delivery.body)
            if not isinstance(fields, dict):
                return self._event(f"a dead letter that cannot be read: {delivery.body[:REASON_SHOWN]!r}")
            if "tries" in fields:
                return None
            if "reason" in fields:
                return self._event(str(fields["reason"])[:REASON_SHOWN])
            message = messages.decode(delivery.body)
            if message.index >= planned:
                return self._event(f"a dead letter of mini-batch {message.index}, and there are {planned}")
            if message.at != self._at:
                return self._event(f"a dead letter of {message.at}, which has a queue of its own")
            return None if message.copy else self._entry(message)
        except (ValueError, TypeError, RecursionError, DamagedRecordError) as exc:
            return self._event(f"a dead letter that cannot be read: {exc}")

    def _entry(self, message: messages.Message) -> Entry:
        part = "" if message.part is None else f", {message.part},"
        failure = Failure(
            Cause.VANISHED,
            f"every node that received mini-batch {message.index}{part} vanished without an answer; "
            "the queue gave it up after its last delivery",
        )
        return Entry(
            index=message.index,
            attempt=message.attempt,
            status=Status.DEAD_LETTERED,
            items=_items(message) if message.part is None else message.part.items,
            succeeded=0,
            process="",
            started=self._clock.now(),
            load_seconds=0.0,
            run_seconds=0.0,
            failure=failure,
            part=message.part,
        )

    def _event(self, reason: str) -> Event:
        return Event("queue", self._clock.now(), Failure(Cause.VANISHED, reason))


def _items(message: messages.Message) -> int:
    """Items as the message tells them; 1 when it does not."""
    if message.line is None:
        return 1
    batch = minibatch.decode(message.line, "dead letter")
    return batch.items or len(batch.files) or 1
