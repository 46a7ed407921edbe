"""One queue of a pair in the store; see `fanout.queues.base.Queue` for its promises."""

import asyncio
import random
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from fanout.backoff import BUCKET_POLLS
from fanout.errors import QueueGoneError
from fanout.queues.base import Delivery, Depth
from fanout.queues.bucket.known import KnownPacks
from fanout.queues.bucket.objects import PairObjects
from fanout.queues.bucket.pack import Pack, pack_name
from fanout.queues.bucket.state import PackState, encode_bodies
from fanout.queues.bucket.writer import PackWriter
from fanout.tasks import all_of, each

LARGEST = 250
"""Messages of a pack. Receivers write one version for all that they do with it at once."""
SMALLEST = 16
PACKS = 4
"""Packs for the messages of one call, where they are enough: several receivers need not write the same ones."""
PACK_BYTES = 1 << 20
LISTED_EVERY = 5.0
"""Seconds after which a busy receiver looks around: so it knows what others hold, and since when."""
FROM_PACKS = 8
"""Packs that one receive takes from at once."""
TRIES = 8
"""Choices of other packs after other receivers were faster at all of them."""


@dataclass(eq=False)
class BucketQueue:
    """`name` is "main" or "dead"; of each message that is received too often a copy goes to `dead`, if there is one."""

    objects: PairObjects
    name: str
    visibility: float
    max_receives: int | None
    dead: "BucketQueue | None"
    known: KnownPacks
    depth_lag: float = 0.0
    process: str = field(default_factory=lambda: secrets.token_hex(6))
    writer: PackWriter = field(init=False)
    _receives: int = 0
    _empty: int = 0  # looks in a row that found nothing

    def __post_init__(self) -> None:
        self.writer = PackWriter(self.objects, self.name, self.process, self.known.forget)

    async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
        sent = await each(partial(self._send_pack, delay=delay), packed(bodies))
        # Only now: what was sent before the pair was removed has been sent.
        if sent and not await self.objects.is_there():
            await self.objects.delete(*(self.objects.key(self.name, pack.name, 0) for pack in sent))
            raise self._gone()
        for pack in sent:
            self.known.add(pack)

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        clock = self.objects.clock
        deadline = clock.monotonic() + wait
        while True:
            if self.known.age() > LISTED_EVERY:
                await self._list()
            found = await self._take(limit)
            # Over several calls: a receiver that does not wait, and asks again and again, makes no more requests.
            pause = BUCKET_POLLS.pause(self._empty, random.random())  # noqa: S311 - spreads, guards nothing
            if not found and self.known.age() >= pause:
                await self._list()
                found = await self._take(limit)
            self._empty = 0 if found else self._empty + 1
            left = deadline - clock.monotonic()
            if found or left <= 0:
                return found
            await clock.sleep(min(pause, left))

    async def extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        groups = _by_pack(held)
        changed = await each(lambda name: self._extend(name, groups[name], seconds), groups)
        kept = {receipt for receipts in changed for receipt in receipts}
        return [delivery for delivery in held if delivery.receipt not in kept]

    async def delete(self, done: Sequence[Delivery]) -> None:
        groups = _by_pack(done)
        await each(lambda name: self._delete(name, groups[name]), groups)

    async def depth(self) -> Depth:
        await self._list()
        now, visible, held, delayed = self.objects.clock.monotonic(), 0, 0, 0
        for pack, state in zip(packs := list(self.known), await each(self.writer.known, packs), strict=True):
            if state is None:
                continue
            hidden = state.hidden(partial(pack.is_over, now=now))
            received = sum(state.receives[message] > 0 for message in hidden)
            held, delayed = held + received, delayed + len(hidden) - received
            visible += pack.count - len(state.done) - len(hidden)
        return Depth(visible, held, delayed)

    async def close(self) -> None:
        """What was begun has been written."""
        await self.writer.close()

    async def _send_pack(self, bodies: Sequence[str], delay: float) -> Pack:
        clock = self.objects.clock
        asked, name = clock.monotonic(), pack_name(clock.now(), len(bodies), delay)
        await self.objects.create(self.objects.key(self.name, name, 0), encode_bodies(bodies))
        pack = Pack(name, len(bodies), delay, asked)
        pack.seen(0, asked, clock.monotonic())
        return pack

    async def _list(self) -> None:
        """Everything is known as it is now; QueueGoneError when the pair was removed."""
        if not await self.known.list():
            raise self._gone()

    def _gone(self) -> QueueGoneError:
        return QueueGoneError(f"queue {self.objects.name} in the store no longer exists")

    # Receiving.

    async def _take(self, limit: int) -> list[Delivery]:
        """Up to `limit` messages that are free; those received too often go to the dead-letter queue on the way."""
        for attempt in range(TRIES):
            if not (chosen := await self._chosen(limit)):
                return []
            late = attempt > TRIES / 2
            found = await all_of(self._claim(pack, share, shares=late or shared) for pack, share, shared in chosen)
            if deliveries := [delivery for some in found for delivery in some]:
                return deliveries
        return []

    async def _chosen(self, limit: int) -> list[tuple[Pack, int, bool]]:
        """Packs to take from, how many messages of each, and whether also when another receiver holds some of it.

        First those that this process takes from already, then those that no other takes from, then any.
        """
        mine, idle, others = self._ranked()
        chosen, left = list[tuple[Pack, int, bool]](), limit
        for pack, free, shared in (*mine, *idle) or others:
            if left > 0 and len(chosen) < FROM_PACKS:
                chosen.append((pack, min(left, free), shared))
                left -= free
        if not chosen and (unread := self.known.unread(FROM_PACKS)):
            await each(self.writer.known, unread)
            return await self._chosen(limit)
        return chosen

    def _ranked(self) -> tuple["list[tuple[Pack, int, bool]]", ...]:
        now = self.objects.clock.monotonic()
        mine, idle, others = (list[tuple[Pack, int, bool]]() for _ in range(3))
        for pack in self.known:
            if (state := pack.state) is None:
                continue
            over = partial(pack.is_over, now=now)
            if not (free := pack.count if state.is_untouched else len(state.free(over))):
                continue
            if state.others(self.process, over):
                others.append((pack, free, True))
            elif any(claim.token for claim in state.claims):
                mine.append((pack, free, True))
            else:
                idle.append((pack, free, False))
        random.shuffle(idle)
        random.shuffle(others)
        return mine, idle, others

    async def _claim(self, pack: Pack, limit: int, *, shares: bool) -> list[Delivery]:
        """Up to `limit` messages of the pack; with `shares` also when another receiver holds some of it."""
        self._receives += 1
        token = f"{self.process}.{self._receives}"

        def pick(state: PackState) -> tuple[PackState, list[tuple[int, int]]]:
            over = partial(pack.is_over, now=self.objects.clock.monotonic())
            picked = [] if not shares and state.others(self.process, over) else state.free(over)[:limit]
            if not picked:
                return state, []
            return state.claimed(token, picked, self.visibility), [(n, state.receives[n] + 1) for n in picked]

        bodies, picked = await asyncio.gather(
            self.writer.bodies(pack), self.writer.change(pack, pick, list[tuple[int, int]]())
        )
        if bodies is None:
            return await self._lost(pack, token, picked)
        worn = [n for n, count in picked if self.dead is not None and count > (self.max_receives or 0)]
        await self._bury(pack, token, worn, bodies)
        gone = set(worn)
        return [Delivery(bodies[n], _receipt(pack.name, n, token), count) for n, count in picked if n not in gone]

    async def _lost(self, pack: Pack, token: str, picked: list[tuple[int, int]]) -> list[Delivery]:
        """Messages that are not there any more are never received: their sender finds that they are missing."""
        await self.writer.change(pack, lambda state: (state.deleted(token, [n for n, _ in picked]), None), None)
        return []

    async def _bury(self, pack: Pack, token: str, worn: list[int], bodies: list[str]) -> None:
        if worn and self.dead is not None:
            await self.dead.send([bodies[n] for n in worn])
            await self.writer.change(pack, lambda state: (state.deleted(token, worn), None), None)

    # What becomes of that.

    async def _extend(self, name: str, held: dict[str, list[int]], seconds: float) -> list[str]:
        """The receipts of the pack that are still held."""
        if (pack := self.known.get(name)) is None:
            return []

        def extend(state: PackState) -> tuple[PackState, list[str]]:
            kept = list[str]()
            for token, messages in held.items():
                state, still = state.extended(token, messages, seconds)
                kept += [_receipt(name, message, token) for message in still]
            return state, kept

        return await self.writer.change(pack, extend, list[str]())

    async def _delete(self, name: str, done: dict[str, list[int]]) -> None:
        def delete(state: PackState) -> tuple[PackState, None]:
            for token, messages in done.items():
                state = state.deleted(token, messages)
            return state, None

        if (pack := self.known.get(name)) is not None:
            await self.writer.change(pack, delete, None)


def packed(bodies: Sequence[str]) -> Iterable[Sequence[str]]:
    """The messages of each pack, in order: several packs, none of them large."""
    size = max(SMALLEST, min(LARGEST, -(-len(bodies) // PACKS)))
    start = length = 0
    for at, body in enumerate(bodies):
        if at - start == size or (at > start and length + len(body) > PACK_BYTES):
            yield bodies[start:at]
            start, length = at, 0
        length += len(body)
    if start < len(bodies):
        yield bodies[start:]


def _receipt(pack: str, message: int, token: str) -> str:
    return f"{pack}:{message}:{token}"


def _by_pack(deliveries: Iterable[Delivery]) -> dict[str, dict[str, list[int]]]:
    """The messages of deliveries, by pack and token."""
    groups: dict[str, dict[str, list[int]]] = {}
    for delivery in deliveries:
        pack, message, token = delivery.receipt.split(":")
        groups.setdefault(pack, {}).setdefault(token, []).append(int(message))
    return groups
