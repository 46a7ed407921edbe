"""The packs of a queue that this process knows, as of the last listing and of what it has done itself since."""

import asyncio
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from fanout.queues.bucket.objects import Listing, PairObjects
from fanout.queues.bucket.pack import Pack


@dataclass(eq=False)
class KnownPacks:
    """Packs by name. Those whose messages are all done are not among them."""

    objects: PairObjects
    queue: str
    _packs: dict[str, Pack] = field(default_factory=dict)
    _listed: float = -math.inf
    _listing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __iter__(self) -> Iterator[Pack]:
        return iter(self._packs.values())

    def get(self, name: str) -> Pack | None:
        return self._packs.get(name)

    def add(self, pack: Pack) -> None:
        self._packs.setdefault(pack.name, pack)

    def forget(self, pack: Pack) -> None:
        """The pack is gone, or finished."""
        if self._packs.get(pack.name) is pack:
            del self._packs[pack.name]

    def age(self) -> float:
        """Seconds since the last listing was asked for."""
        return self.objects.clock.monotonic() - self._listed

    def unread(self, limit: int) -> list[Pack]:
        """Some of the packs whose newest version has not been read, chosen by chance."""
        unread = [pack for pack in self if pack.state is None]
        return random.sample(unread, min(limit, len(unread)))

    async def list(self) -> bool:
        """What there is now is known; False when the pair was removed. Who asks while another lists waits for that."""
        asked = self.objects.clock.monotonic()
        async with self._listing:
            if self._listed > asked:
                return True
            listing = await self.objects.list()
            self._listed = listing.asked
            return self._take_in(listing)

    def _take_in(self, listing: Listing) -> bool:
        if listing.pair is None:
            return False
        found = {pack: versions for (queue, pack), versions in listing.pair.items() if queue == self.queue}
        for name, versions in found.items():
            if versions.oldest == 0 and (pack := self._packs.get(name) or Pack.named(name, listing.asked)) is not None:
                pack.seen(versions.newest, listing.asked, listing.answered)
                self._packs[name] = pack
        for name, pack in list(self._packs.items()):
            # What was known after the listing was asked for is newer than what it shows.
            if (name not in found or found[name].oldest > 0) and pack.known_at <= listing.asked:
                del self._packs[name]
        return True
