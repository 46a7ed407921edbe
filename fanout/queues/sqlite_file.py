"""The file of an embedded queue pair: its tables, its statements, its transactions."""

# ruff: noqa: S608 - the only thing put into a statement is a table's name, one of two constants

import asyncio
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from fanout.backoff import HELD_FILES
from fanout.errors import QueueError, QueueFullError, QueueGoneError
from fanout.storage.disk_space import full, has_little, is_full

T = TypeVar("T")

DATABASE = "queue.sqlite3"
BUSY_TIMEOUT = 30.0
"""Seconds for which a transaction is tried while another process holds the file."""
PAGE_SIZE = 16 * 1024
"""Bytes: several messages each, so that fewer pages are written for a thousand of them."""
CHECKPOINT = 2048
"""Pages after which the log is taken over into the file, which is the one time when a disk is waited for."""

# `due` is when a message may next be received: after its delay, or when its visibility runs out. `token` is the latest
# receive; with the id it makes the receipt, so that a receipt is stale as soon as the message is received again. Before
# the first it is as wide as later, eight bytes: a row that does not grow stays in its place on its page. Times count
# from the start of the machine, which `user_version` tells apart from others.
_SCHEMA = """
CREATE TABLE settings (visibility REAL NOT NULL, max_receives INTEGER NOT NULL);
CREATE TABLE main (id INTEGER PRIMARY KEY, body TEXT NOT NULL, due REAL NOT NULL,
                   receive_count INTEGER NOT NULL DEFAULT 0, token INTEGER NOT NULL DEFAULT -4611686018427387904);
CREATE INDEX main_due ON main (due);
CREATE TABLE dead (id INTEGER PRIMARY KEY, body TEXT NOT NULL, due REAL NOT NULL,
                   receive_count INTEGER NOT NULL DEFAULT 0, token INTEGER NOT NULL DEFAULT -4611686018427387904);
CREATE INDEX dead_due ON dead (due);
"""


_OBJECTS = {("table", name) for name in ("settings", "main", "dead")} | {
    ("index", name) for name in ("main_due", "dead_due")
}
_COMPUTED = ("VIRTUAL", "GENERATED", "CHECK", " AS ", "AS(")
"""What a table of ours never has, and what would run when it is read or written."""


@dataclass(frozen=True, slots=True)
class Statements:
    """The SQL of one of the two tables."""

    send: str
    ready: str
    find: str
    receive: str
    extend: str
    delete: str
    depth: str
    bury: str

    @classmethod
    def of(cls, table: str) -> "Statements":
        return cls(
            send=f"INSERT INTO {table} (body, due) VALUES (?, ?)",
            ready=f"SELECT 1 FROM {table} WHERE due <= ? LIMIT 1",
            find=f"SELECT id, body, receive_count + 1 FROM {table} WHERE due <= ? ORDER BY due, id LIMIT ?",
            receive=f"UPDATE {table} SET due = ?, receive_count = receive_count + 1, token = ? WHERE id = ?",
            extend=(
                f"UPDATE {table} SET due = ? FROM json_each(?) AS held WHERE {table}.due > ? "
                f"AND {table}.id = json_extract(held.value, '$[0]') "
                f"AND {table}.token = json_extract(held.value, '$[1]') RETURNING {table}.id, {table}.token"
            ),
            delete=f"DELETE FROM {table} WHERE id = ? AND token = ?",
            depth=(  # the first is read from the pages of the index; no statement visits each of a million messages
                f"SELECT (SELECT count(*) FROM {table}), count(*) FILTER (WHERE receive_count > 0), "
                f"count(*) FILTER (WHERE receive_count = 0) FROM {table} WHERE due > :now"
            ),
            bury="INSERT INTO dead (body, due) VALUES (?, ?)",
        )


STATEMENTS: Mapping[str, Statements] = {table: Statements.of(table) for table in ("main", "dead")}


class Database:
    """One connection to a pair's file; says so when the file is no longer there, and translates errors.

    Opening may take as long as another process holds the file, so it is done in a thread. From then on the event loop
    is never held up: who finds the file held tries again after a pause.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = str(path)
        self._connection = _connect(path)
        _check_schema(self._connection, path)
        self._identity = _identity(path.stat())
        self._forget_times_before(machine_start())
        self.settings = self._settings()
        self._connection.execute("PRAGMA busy_timeout = 0")

    async def read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """What `job` finds; QueueError when it cannot be read."""
        return await self._patiently(self.reading, job)

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """What `job` returns, done in one transaction; QueueError when another process held the file all the time."""
        return await self._patiently(self.writing, job)

    async def _patiently(
        self, opened: Callable[[], AbstractContextManager[sqlite3.Connection]], job: Callable[[sqlite3.Connection], T]
    ) -> T:
        begun = 0.0
        for pause in HELD_FILES.pauses():
            try:
                with opened() as connection:
                    return job(connection)
            except QueueError as exc:
                begun = begun or time.monotonic()
                if not _is_busy(exc.__cause__) or time.monotonic() - begun >= BUSY_TIMEOUT:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError  # there is always another pause

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, with SQLite's errors turned into QueueError."""
        self._check_present()
        try:
            yield self._connection
        except sqlite3.Error as exc:
            raise self._translated(exc) from exc

    def _translated(self, error: sqlite3.Error) -> QueueError:
        place = self.path.parent
        if is_full(error) or ("disk I/O" in str(error) and has_little(place)):
            return QueueFullError(f"queue {place}: {full(place)}")
        return QueueError(f"queue {place}: {error}")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, or nothing."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:  # a full disk rolls back by itself
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def is_current(self) -> bool:
        """Whether the path still names the file this connection works on."""
        try:
            return _identity(self.path.stat()) == self._identity
        except FileNotFoundError:
            return False

    def _settings(self) -> tuple[float, int]:
        """Visibility in seconds, and max_receives."""
        with self.reading() as connection:
            visibility, max_receives = connection.execute("SELECT visibility, max_receives FROM settings").fetchone()
        return visibility, max_receives

    def close(self) -> None:
        with suppress(sqlite3.Error):  # what is in the log may stay there
            self._connection.close()

    def _forget_times_before(self, start: int) -> None:
        """After a restart of the machine no message is in flight: all are due."""
        if self._counted_from() == start:
            return
        with self.writing() as connection:
            if self._counted_from() != start:  # no other process was faster
                connection.execute("UPDATE main SET due = 0")
                connection.execute("UPDATE dead SET due = 0")
                connection.execute(f"PRAGMA user_version = {start}")

    def _counted_from(self) -> int:
        with self.reading() as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def _check_present(self) -> None:
        # An open connection goes on working on a file that was removed: messages would vanish without a word.
        try:
            found = os.stat(self._file)  # noqa: PTH116 - in the path of every mini-batch; Path.stat is three times slower
        except FileNotFoundError:
            raise QueueGoneError(f"queue {self.path.parent} no longer exists") from None
        if _identity(found) != self._identity:
            raise QueueGoneError(f"queue {self.path.parent} no longer exists: another of the same name took its place")


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")  # of a file that is being made
        connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode NORMAL keeps the file whole whatever happens. A power cut may cost the newest transactions, which
        # need not be kept: what was deleted comes again and has its result; what was sent is missed, and sent again.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT}")
    except sqlite3.Error as exc:
        if is_full(exc) or has_little(path.parent):
            raise QueueFullError(f"queue {path.parent} cannot be opened: {full(path)}") from exc
        raise QueueError(f"queue {path.parent} cannot be opened: {exc}") from exc
    return connection


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """QueueError when the file has anything but our tables: a view in the place of one may be without end."""
    try:
        found = connection.execute("SELECT type, name, upper(sql) FROM sqlite_schema LIMIT 20").fetchall()
    except sqlite3.Error as exc:
        raise QueueError(f"queue {path.parent} cannot be opened: {exc}") from exc
    known = {(type_, name) for type_, name, _ in found} == _OBJECTS
    if not known or any(word in sql for *_, sql in found for word in _COMPUTED):
        raise QueueError(
            f"queue {path.parent}: {path.name} has been replaced, its tables are not those of a queue; remove the "
            "folder and resume the run, which sends its messages anew"
        )


def build(path: Path, visibility: float, max_receives: int) -> None:
    """Writes an empty pair with these settings; sqlite3.Error or QueueError when it cannot."""
    connection = _connect(path)
    try:
        connection.executescript(_SCHEMA)
        connection.execute("INSERT INTO settings VALUES (?, ?)", (visibility, max_receives))
        connection.execute(f"PRAGMA user_version = {machine_start()}")
    finally:
        connection.close()


@cache
def machine_start() -> int:
    """A number for this start of the machine, other than 0; the same one where the system does not tell."""
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        name = b"unknown"
    return zlib.crc32(name) % (2**31 - 1) + 1  # SQLite keeps 31 bits


def _is_busy(error: BaseException | None) -> bool:
    """Whether another process holds the file just now; all of SQLite's codes for that end alike."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
