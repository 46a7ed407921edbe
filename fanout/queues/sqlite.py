"""The embedded queue: one SQLite database a pair, durable, shared by every process of one machine.

It keeps SQS's rules (visibility, receive count, delay, dead-lettering) with exact counts and an injected clock: the one
that only goes forward and is the same for all processes of a machine, so that setting the machine's time does no harm.
A pair lives in a folder of its own, so that making it and removing it are one rename each.
"""

import asyncio
import json
import re
import secrets
import shutil
import sqlite3
from collections.abc import Sequence
from itertools import repeat
from pathlib import Path

from fanout.backoff import QUEUE_POLLS
from fanout.clock import Clock
from fanout.errors import QueueError, QueueFullError
from fanout.queues.base import Delivery, Depth, QueuePair
from fanout.queues.sqlite_file import DATABASE, STATEMENTS, Database, build
from fanout.storage import atomic
from fanout.storage.disk_space import full, is_full

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
_Row = tuple[int, str, int]  # id, body, receive count


class SqliteQueue:
    """One queue of a pair; see `fanout.queues.base.Queue` for its promises. Oldest due message first."""

    depth_lag = 0.0

    def __init__(
        self, database: Database, table: str, clock: Clock, visibility: float, max_receives: int | None
    ) -> None:
        self._database = database
        self._sql = STATEMENTS[table]
        self._clock = clock
        self._visibility = visibility
        self._max_receives = max_receives

    async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
        due = self._clock.monotonic() + delay
        await self._database.write(lambda connection: connection.executemany(self._sql.send, zip(bodies, repeat(due))))

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        deadline = self._clock.monotonic() + wait
        for pause in QUEUE_POLLS.pauses():
            if await self._database.read(self._is_ready) and (deliveries := await self._take(limit)):
                return deliveries
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return []
            await self._clock.sleep(min(pause, left))
        raise AssertionError  # there is always another pause

    async def extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        receipts = [_split(delivery.receipt) for delivery in held]
        held_ones = json.dumps(receipts)

        def hold(connection: sqlite3.Connection) -> set[tuple[int, int]]:
            now = self._clock.monotonic()
            return set(connection.execute(self._sql.extend, (now + seconds, held_ones, now)).fetchall())

        kept = await self._database.write(hold)
        return [delivery for delivery, receipt in zip(held, receipts, strict=True) if receipt not in kept]

    async def delete(self, done: Sequence[Delivery]) -> None:
        receipts = [_split(delivery.receipt) for delivery in done]
        await self._database.write(lambda connection: connection.executemany(self._sql.delete, receipts))

    async def depth(self) -> Depth:
        now = {"now": self._clock.monotonic()}
        total, held, delayed = await self._database.read(lambda db: db.execute(self._sql.depth, now).fetchone())
        return Depth(visible=total - held - delayed, held=held, delayed=delayed)

    def _is_ready(self, connection: sqlite3.Connection) -> bool:
        """Whether a look is worth the write lock."""
        return connection.execute(self._sql.ready, (self._clock.monotonic(),)).fetchone() is not None

    async def _take(self, limit: int) -> list[Delivery]:
        """Up to `limit` messages that are due; those received too often go to the dead-letter queue on the way."""
        token = 2**62 + secrets.randbits(62)
        kept = await self._database.write(lambda connection: self._received(connection, limit, token))
        return [Delivery(body, f"{number}-{token}", count) for number, body, count in kept]

    def _received(self, connection: sqlite3.Connection, limit: int, token: int) -> list[_Row]:
        now = self._clock.monotonic()
        while rows := connection.execute(self._sql.find, (now, limit)).fetchall():
            due = now + self._visibility
            connection.executemany(self._sql.receive, [(due, token, number) for number, _, _ in rows])
            if kept := self._bury(connection, rows, token, now):
                return kept
        return []

    def _bury(self, connection: sqlite3.Connection, rows: list[_Row], token: int, now: float) -> list[_Row]:
        """Moves the rows received too often to the dead-letter queue; returns the others."""
        limit = self._max_receives
        if limit is None or not (worn := [row for row in rows if row[2] > limit]):
            return rows
        connection.executemany(self._sql.bury, [(body, now) for _, body, _ in worn])
        connection.executemany(self._sql.delete, [(number, token) for number, _, _ in worn])
        return [row for row in rows if row[2] <= limit]


class SqliteQueueService:
    """Queue pairs in `folder`, one sub-folder each; any number of processes of this machine may use them."""

    def __init__(self, folder: Path, clock: Clock, *, durable: bool = True) -> None:
        self._folder = folder
        self._durable = durable
        self._clock = clock
        self._open: dict[str, Database] = {}

    async def create(self, name: str, *, visibility: float, max_receives: int) -> QueuePair:
        """The pair exists with these settings; QueueError when it exists with others."""
        place = self._place(name)
        if not await asyncio.to_thread(_is_there, place):
            await asyncio.to_thread(self._make, place, visibility, max_receives)
        pair = await self.open(name)
        if pair is None:
            raise QueueError(f"queue {place} was removed while it was being created")
        found = self._open[name].settings
        if found != (visibility, max_receives):
            raise QueueError(
                f"queue {place} exists with visibility {found[0]:g} s and max_receives {found[1]}, "
                f"not {visibility:g} s and {max_receives}; remove it first or ask for the same"
            )
        return pair

    async def open(self, name: str) -> QueuePair | None:
        place = self._place(name)
        if not _is_there(place):
            return None
        database = self._open.get(name)
        if database is None or not database.is_current():
            if database is not None:
                self._open.pop(name).close()
            database = await asyncio.to_thread(Database, place / DATABASE)
            if (other := self._open.get(name)) is not None:  # another task of this process has opened it meanwhile
                database.close()
                database = other
            self._open[name] = database
        visibility, max_receives = database.settings
        return QueuePair(
            main=SqliteQueue(database, "main", self._clock, visibility, max_receives),
            dead=SqliteQueue(database, "dead", self._clock, visibility, None),
        )

    async def remove(self, name: str) -> None:
        if database := self._open.pop(name, None):
            database.close()
        # A rename first: no process may open a database whose write-ahead log is already gone.
        trash = self._folder / f".removed-{secrets.token_hex(8)}"
        try:
            self._place(name).rename(trash)
        except FileNotFoundError:
            return
        shutil.rmtree(trash, ignore_errors=True)

    async def names(self, prefix: str = "") -> list[str]:
        found = (path.parent.name for path in self._folder.glob(f"[!.]*/{DATABASE}"))
        return sorted(name for name in found if name.startswith(prefix))

    async def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def _place(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise QueueError(f"queue name {name!r}: expected letters, digits, '_', '-' and '.', at most 200")
        return self._folder / name

    def _make(self, place: Path, visibility: float, max_receives: int) -> None:
        """Builds the pair aside and renames it into place; of two makers the second uses the first one's."""
        aside = self._folder / f".new-{secrets.token_hex(8)}"
        try:
            atomic.make_folder(aside, durable=self._durable)
            aside.chmod(0o700)
            build(aside / DATABASE, visibility, max_receives)
            if self._durable:
                atomic.sync(aside)
            aside.rename(place)
            if self._durable:
                atomic.sync_folder(self._folder)
        except (OSError, sqlite3.Error, QueueFullError) as exc:
            shutil.rmtree(aside, ignore_errors=True)
            if not (place / DATABASE).exists():
                if is_full(exc):
                    raise QueueFullError(f"queue {place} cannot be created: {full(place)}") from exc
                raise QueueError(f"queue {place} cannot be created: {exc}") from exc


def _is_there(place: Path) -> bool:
    """Whether the pair has its file; an empty one was torn by a power cut, and goes."""
    try:
        if (place / DATABASE).stat().st_size:
            return True
    except OSError:
        return False
    shutil.rmtree(place, ignore_errors=True)
    return False


def _split(receipt: str) -> tuple[int, int]:
    number, _, token = receipt.partition("-")
    return int(number), int(token)
