"""Records dead letters as results: mini-batches that nodes vanished with are recorded like any other outcome.

A dead letter with a reason was written by a node, which had recorded the failed attempt before. A dead letter without a
reason is the mini-batch's own message, which the queue moved after too many deliveries without an answer.
"""

import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from fanout.clock import Clock
from fanout.errors import DamagedRecordError, ForgedMessageError
from fanout.planning.manifests import read_summary
from fanout.queues.base import Delivery, Queue
from fanout.records import messages, mini_batch
from fanout.records.seal import Seal, seal, step_seal
from fanout.records.step import read_record
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.results import codec
from fanout.results.codec import Cause, Entry, Event, Failure, Status
from fanout.security.signature import UNSIGNED, Signer
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create

if TYPE_CHECKING:
    from obstore.store import ObjectStore

log = logging.getLogger(__name__)

Register = Callable[["ObjectStore", StepRound], Awaitable[int]]
"""Takes a number among the nodes of a step."""
SignerOf = Callable[[str], Awaitable[Signer | None]]
"""What signs the orders of a run; None when there is no such run."""
LETTERS_AT_ONCE = 100
REASON_SHOWN = 8 * 1024
FORGED_LETTERS = (
    "dead letters were dropped because of a missing or wrong signature: check who may send to the dead-letter queue"
)


class DeadLetters:
    """Drains one dead-letter queue into result objects under a node number of its own."""

    def __init__(
        self, queue: Queue, store: "ObjectStore", at: StepRound, clock: Clock, signer: Signer = UNSIGNED
    ) -> None:
        self._queue, self._store, self._at, self._clock, self._signer = queue, store, at, clock, signer
        self._seq = 0
        self._has_noted_forged = False

    async def drain(self, node: int, planned: int) -> int:
        """Records the dead letters that are there, then deletes them; returns how many there were.

        `planned` is the number of mini-batches. A letter about a mini-batch beyond that is recorded as an event: as a
        result it would make every later reader refuse the whole object.
        """
        deliveries = await self._queue.receive(LETTERS_AT_ONCE, 0)
        await self.record(deliveries, node, planned)
        if deliveries:
            await self._queue.delete(deliveries)
        return len(deliveries)

    async def record(self, deliveries: Sequence[Delivery], node: int, planned: int) -> None:
        """Records these dead letters among the results, as those of `node`."""
        entries: list[Entry] = []
        events: list[Event] = []
        genuine = sent_by(self._signer, deliveries)
        if len(genuine) < len(deliveries) and not self._has_noted_forged:
            self._has_noted_forged = True  # once: there may be any number of them
            events.append(self._event(FORGED_LETTERS, Cause.FORGED))
        for delivery in genuine:
            found = self._read(delivery, planned)
            if isinstance(found, Entry):
                entries.append(found)
            elif found is not None:
                events.append(found)
        if entries or events:
            body = codec.encode(entries, [b""] * len(entries), events)
            await create(self._store, keys.result(self._at, node, self._seq), body)
            self._seq += 1

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

    def _event(self, reason: str, cause: Cause = Cause.VANISHED) -> Event:
        return Event("queue", self._clock.now(), Failure(cause, reason))


def sent_by(signer: Signer, deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Returns those of `deliveries` that were signed with the key of `signer`."""
    genuine = list[Delivery]()
    for delivery in deliveries:
        with contextlib.suppress(ForgedMessageError):
            signer.check(delivery.body)
            genuine.append(delivery)
    return genuine


async def drain_standing(
    queue: Queue, store: "ObjectStore", clock: Clock, register: Register, signer_of: SignerOf
) -> int:
    """Drains the dead-letter queue of a deployment into the results of the steps that its letters are about.

    Returns how many letters were received. A letter about no step whose plan is known stays in the queue: a person has
    to look at it. A letter that names a step of ours, but was not sent by its run, is dropped.
    """
    by_step: dict[StepRound, list[Delivery]] = {}
    received = await queue.receive(LETTERS_AT_ONCE, 0)
    for delivery in received:
        if (at := _step_of(delivery)) is not None:
            by_step.setdefault(at, []).append(delivery)
    for at, deliveries in by_step.items():
        if (record := await read_record(store, at)) is None:
            await _seal_commands(at, deliveries, queue, store, clock, signer_of)
            continue
        summary = await read_summary(store, at.in_round(record.planned_in))
        if summary is None:
            continue  # a letter may be about a mini-batch that is not counted yet: letters wait for the plan
        genuine = _warned(at, deliveries, sent_by(record.signer, deliveries))
        if genuine and await step_seal(store, at) is None:
            letters = DeadLetters(queue, store, at, clock, record.signer)
            await letters.record(genuine, await register(store, at), summary.mini_batches)
        await queue.delete(deliveries)
    return len(received)


async def _seal_commands(
    at: StepRound,
    deliveries: Sequence[Delivery],
    queue: Queue,
    store: "ObjectStore",
    clock: Clock,
    signer_of: SignerOf,
) -> None:
    """Seals a command step as failed when every worker that received its command vanished."""
    commands = [d for d in deliveries if messages.decode_order(messages.COMMAND, d.body) is not None]
    if not commands or (signer := await signer_of(at.run)) is None:
        return
    if _warned(at, commands, sent_by(signer, commands)):
        await seal(store, keys.verdict(at), _vanished_command(clock))
    await queue.delete(commands)


def _warned(at: StepRound, letters: Sequence[Delivery], genuine: list[Delivery]) -> list[Delivery]:
    """Returns `genuine`; logs a warning when `letters` holds others, too."""
    if forged := len(letters) - len(genuine):
        log.warning("step %s: %d %s", at, forged, FORGED_LETTERS)
    return genuine


def _step_of(delivery: Delivery) -> StepRound | None:
    """Returns the step that a letter names; None when it names none."""
    try:
        return messages.decode_order(messages.COMMAND, delivery.body) or messages.decode(delivery.body).at
    except DamagedRecordError:
        return None


def _vanished_command(clock: Clock) -> Seal:
    reason = "every worker that received the command vanished without an answer; the queue gave it up"
    return Seal(Verdict(VerdictStatus.FAILED, reason), Counts(total=None), at=clock.now())


def _items(message: messages.Message) -> int:
    """Returns the number of items that the message states; 1 when it states none."""
    if message.line is None:
        return 1
    batch = mini_batch.decode(message.line, "dead letter")
    return batch.items or len(batch.files) or 1
