"""Pairs of queues in a store: made by one conditional create, refused where the server does not keep its promise."""

import asyncio
import json
import secrets
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.clock import Clock
from fanout.errors import DamagedRecordError, QueueError, SettingsError
from fanout.queues.base import QueuePair
from fanout.queues.bucket.known import KnownPacks
from fanout.queues.bucket.objects import PairObjects, as_queue_errors
from fanout.queues.bucket.queue import BucketQueue
from fanout.queues.bucket.state import VERSION
from fanout.records import fields
from fanout.security.redaction import redact
from fanout.storage import keys
from fanout.storage.folder import file_of
from fanout.storage.objects import create, delete, list_keys, list_names, read
from fanout.tasks import each

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(eq=False)
class BucketQueueService:
    """Queue pairs in `store`; any number of processes of any machines that reach it may use them."""

    store: "ObjectStore"
    store_uri: str
    clock: Clock
    _open: dict[str, tuple[BucketQueue, BucketQueue]] = field(default_factory=dict)

    async def check(self) -> None:
        """SettingsError when the server of the store replaces an object that it is asked to create only where there is
        none: of two receivers both would have the same messages."""
        probe = f".probe-{secrets.token_hex(8)}"
        key = keys.messages(probe) + "object"
        taken = [await create(self.store, key, body) for body in (b"1", b"2")]
        await delete(self.store, key)
        await self._remove_folder(probe)
        if all(taken):
            raise SettingsError(
                f"queue 'bucket:': the server of the store {redact(self.store_uri)} replaces an object that it is "
                "asked to create only where there is none (If-None-Match: *), so that several nodes would take the "
                "same mini-batch; name another queue, or a store on a server that keeps this"
            )

    async def create(self, name: str, *, visibility: float, max_receives: int) -> QueuePair:
        """The pair exists with these settings; QueueError when it exists with others."""
        with as_queue_errors():
            await create(self.store, keys.message_pair(name), _encode(visibility, max_receives))
        pair = await self.open(name)
        if pair is None:
            raise QueueError(f"queue {name} in the store was removed while it was being created")
        found = self._open[name][0]
        if (found.visibility, found.max_receives) != (visibility, max_receives):
            raise QueueError(
                f"queue {name} exists with visibility {found.visibility:g} s and max_receives {found.max_receives}, "
                f"not {visibility:g} s and {max_receives}; remove it first or ask for the same"
            )
        return pair

    async def open(self, name: str) -> QueuePair | None:
        with as_queue_errors():
            body = await read(self.store, keys.message_pair(name))
        if body is None:
            self._open.pop(name, None)
            return None
        if name not in self._open:
            self._open[name] = self._made(name, *_decode(body, keys.message_pair(name)))
        return QueuePair(*self._open[name])

    async def remove(self, name: str) -> None:
        with as_queue_errors():
            await delete(self.store, keys.message_pair(name))  # first: from here on nothing is sent any more
            while found := [listed.key async for listed in list_keys(self.store, keys.messages(name).rstrip("/"))]:
                await delete(self.store, *found)
        await self._remove_folder(name)
        self._open.pop(name, None)

    async def _remove_folder(self, name: str) -> None:
        """In a folder, what is left of a pair without objects."""
        if (folder := file_of(self.store, keys.messages(name).rstrip("/"))) is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def names(self, prefix: str) -> list[str]:
        with as_queue_errors():
            found = [name for name in await list_names(self.store, keys.MESSAGES) if name.startswith(prefix)]
            settings = await each(lambda name: read(self.store, keys.message_pair(name)), found)
        return [name for name, there in zip(found, settings, strict=True) if there is not None]

    async def close(self) -> None:
        for pair in list(self._open.values()):
            for queue in pair:
                await queue.close()
            await pair[0].objects.close()
        self._open.clear()

    def _made(self, name: str, visibility: float, max_receives: int) -> tuple[BucketQueue, BucketQueue]:
        place = PairObjects(self.store, name, self.clock)
        dead = BucketQueue(place, "dead", visibility, None, None, KnownPacks(place, "dead"))
        return BucketQueue(place, "main", visibility, max_receives, dead, KnownPacks(place, "main")), dead


def _encode(visibility: float, max_receives: int) -> bytes:
    return json.dumps({"v": VERSION, "visibility": visibility, "max_receives": max_receives}).encode()


def _decode(body: bytes, key: str) -> tuple[float, int]:
    try:
        record = fields.parse(body)
        if record["v"] != VERSION:
            raise ValueError(f"its version is {record['v']!r}, this fanout knows {VERSION}")
        return fields.seconds(record["visibility"], "visibility"), fields.whole(record["max_receives"], "max_receives")
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise DamagedRecordError(f"{key}: not the settings of a queue: {type(exc).__name__}: {exc}") from exc
