"""Puts a plan where nodes find it: manifests in the store, then messages in the queue, shard by shard.

A shard is written before its messages are sent, and planned while the messages of the one before are being sent. All of
it may stop anywhere and be done again: manifests are created once, and a message that comes twice is one delivery more.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from fanout.errors import DamagedRecordError, TimeIsOverError
from fanout.planning.manifests import (
    SHARD_SIZE,
    PlanSummary,
    Shard,
    Tally,
    make_shard_durable,
    next_shard,
    read_shard,
    read_summary,
    write_shard,
    write_summary,
)
from fanout.planning.source import PlannedInput
from fanout.planning.stop_request import in_thread, until
from fanout.queues.base import Queue
from fanout.records.messages import INLINE_LIMIT, Message, Pointer, encode, encode_first
from fanout.records.parts import ItemRange
from fanout.security.signature import UNSIGNED, Signer
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import list_names, put
from fanout.tasks import all_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.records.mini_batch import MiniBatch


class ShardKeeper(Protocol):
    """What else is done with each shard of a new plan."""

    async def note(self, shard: Shard) -> None:
        """Before the shard is stored."""
        ...

    async def take_over(self, shard: Shard) -> Collection[int]:
        """When the shard is stored; returns the mini-batches that have a result already, and need no message."""
        ...


class Indexes(Protocol):
    """Some mini-batches: a set, or what can be asked like one."""

    def __contains__(self, index: object, /) -> bool: ...

    def isdisjoint(self, others: range, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Outbox:
    """Sends the messages of one step's mini-batches, those in `skip` excepted.

    They are messages of the round `at`, of mini-batches that were planned in the round `planned`.
    `attempts` are the attempts to start from where they are not 0; `parts` are what is sent of a mini-batch in place of
    its whole, each with its attempt; `on_shard` hears how many mini-batches were passed.
    """

    queue: Queue
    at: StepRound
    planned: StepRound
    skip: Indexes = frozenset()
    attempts: Mapping[int, int] = field(default_factory=dict)
    parts: Mapping[int, Sequence[tuple[ItemRange, int]]] = field(default_factory=dict)
    copies: bool = False  # they run beside messages that were sent before
    signer: Signer = UNSIGNED
    on_shard: Callable[[int], None] | None = None

    async def send(self, shards: AsyncGenerator[Shard]) -> None:
        """Every wanted message of `shards` is in the queue."""
        async with aclosing(shards):
            async for shard in shards:
                await self.queue.send(list(self.messages(shard)))
                if self.on_shard:
                    self.on_shard(shard.first_index + len(shard.lines))

    def messages(self, shard: Shard) -> Iterator[str]:
        """The bodies of the messages of a shard: with the line itself, or with a pointer to it when it is long."""
        if self._are_first_tries(shard):
            yield from encode_first(self.at, enumerate(shard.lines, shard.first_index), self.signer)
            return
        start = 0
        for index, line in enumerate(shard.lines, shard.first_index):
            if index not in self.skip and index not in shard.taken:
                message = self._message(shard.number, index, start, line)
                if parts := self.parts.get(index):
                    yield from (
                        encode(replace(message, part=part, attempt=attempt), self.signer) for part, attempt in parts
                    )
                else:
                    yield encode(message, self.signer)
            start += len(line) + 1

    def _are_first_tries(self, shard: Shard) -> bool:
        """Whether each of the shard's messages is the ordinary one: nothing has happened, and all lines are short."""
        happened = self.attempts or self.parts or self.copies or shard.taken
        indexes = range(shard.first_index, shard.first_index + len(shard.lines))
        return not happened and max(map(len, shard.lines)) < INLINE_LIMIT and self.skip.isdisjoint(indexes)

    def _message(self, shard: int, index: int, start: int, line: str) -> Message:
        attempt = self.attempts.get(index, 0)
        if len(line) < INLINE_LIMIT:
            return Message(self.at, index, attempt, line=line, copy=self.copies)
        place = Pointer.to(keys.manifest(self.planned, shard), start, line)
        return Message(self.at, index, attempt, pointer=place, copy=self.copies)


Gate = Callable[[AsyncGenerator[Shard]], AsyncGenerator[Shard]]
"""Lets pass, of the shards of a plan, those whose messages are to be sent; asks for the next when they have been."""


async def publish(
    plan: Callable[[], PlannedInput],
    store: "ObjectStore",
    outbox: Outbox,
    gate: Gate = lambda shards: shards,
    keeper: ShardKeeper | None = None,
) -> PlanSummary:
    """Every mini-batch is in the manifests, and each that `outbox` does not skip has a message in the queue.

    `plan` is asked only while the manifests are not complete, and in a thread, since it reads input.
    """
    summary = await read_summary(store, outbox.planned)
    if summary is not None:
        await outbox.send(gate(_stored(store, outbox, summary, range(summary.shards))))
        return summary
    planned, tally = await in_thread(plan), Tally()
    await outbox.send(gate(_written(planned.batches, store, outbox, tally, keeper)))
    summary = tally.summary(planned.recipe_json)
    await write_summary(store, outbox.planned, summary)
    return summary


def sent_once(store: "ObjectStore", at: StepRound, go_on: Callable[[], bool]) -> Gate:
    """A gate for a queue that is never replaced: shards whose messages were sent are noted, and not sent again.

    Cut in between, those of one shard are sent twice. TimeIsOverError before the next shard when `go_on` says no.
    """

    async def gate(shards: AsyncGenerator[Shard]) -> AsyncGenerator[Shard]:
        sent = set(await list_names(store, keys.sent(at)))
        async with aclosing(shards):
            async for shard in shards:
                if (name := f"{shard.number:05d}") in sent:
                    continue
                if not go_on():
                    raise TimeIsOverError(f"step {at}: the messages of shard {shard.number} are sent the next time")
                yield shard
                await put(store, keys.sent(at) + name, b"{}")

    return gate


async def send_some(store: "ObjectStore", outbox: Outbox, indexes: Collection[int]) -> None:
    """The messages of these mini-batches are in the queue; only the manifests that hold them are read."""
    summary = await read_summary(store, outbox.planned)
    if summary is None:
        raise DamagedRecordError(f"{keys.plan_json(outbox.planned)}: is missing, though the plan was complete")
    numbers = sorted({index // SHARD_SIZE for index in indexes})
    others = frozenset(i for n in numbers for i in range(n * SHARD_SIZE, (n + 1) * SHARD_SIZE)) - frozenset(indexes)
    await replace(outbox, skip=others).send(_stored(store, outbox, summary, numbers))


async def _stored(
    store: "ObjectStore", outbox: Outbox, summary: PlanSummary, numbers: Iterable[int]
) -> AsyncGenerator[Shard]:
    for number in numbers:
        yield await read_shard(store, outbox.planned, number, summary)


async def _written(
    batches: Iterator["MiniBatch"], store: "ObjectStore", outbox: Outbox, tally: Tally, keeper: ShardKeeper | None
) -> AsyncGenerator[Shard]:
    """The shards of a new plan, each when it is in the store, while a thread plans the next one.

    At the end all of them are durable. Messages do not wait for that, as a plan that is not complete is made again.
    """
    stop, syncing = threading.Event(), list[asyncio.Task[None]]()
    ahead = _plan_ahead(batches, 0, stop)
    try:
        while (shard := await asyncio.shield(ahead)).lines:
            ahead = _plan_ahead(batches, shard.number + 1, stop)
            if keeper is not None:
                await keeper.note(shard)
            await write_shard(store, outbox.planned, shard)
            syncing.append(asyncio.create_task(make_shard_durable(store, outbox.planned, shard)))
            tally.add(shard)
            if keeper is not None and (taken := await keeper.take_over(shard)):
                shard = replace(shard, taken=taken)
            yield shard
        await all_of(syncing)
    finally:
        # A thread cannot be canceled: it is asked to stop, and waited for.
        stop.set()
        await asyncio.gather(ahead, *syncing, return_exceptions=True)


def _plan_ahead(batches: Iterator["MiniBatch"], number: int, stop: threading.Event) -> "asyncio.Task[Shard]":
    return asyncio.create_task(asyncio.to_thread(until, stop, lambda: next_shard(batches, number)))
