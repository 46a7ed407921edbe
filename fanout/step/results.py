"""A result object: what a node committed at once, as an index followed by rows.

Layout: `FNO1`, then index length (u32), CRC-32 of the index (u32), then the index (JSON), then the rows of its entries,
one after the other. The index alone is readable with one ranged read, and each entry carries the byte range and the CRC
of its rows, so that a reader checks exactly what it uses. Pure: bytes in, values out.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

from fanout.errors import DamagedRecordError
from fanout.plan.parts import Part, read_part
from fanout.store import checked

MAGIC = b"FNO1"
PREFIX = struct.Struct(">4sII")
FIRST_READ = 64 * 1024
"""Bytes of a first ranged read: the whole index of an ordinary object."""


class Status(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"  # run() returned something countable; its rows are here
    RETRIED = "retried"  # failed, and the mini-batch was sent anew
    SPLIT = "split"  # failed, no try was left, and both halves of it were sent
    FAILED = "failed"  # failed, and no try was left: dead-lettered with its reason
    DEAD_LETTERED = "dead_lettered"  # no attempt ever answered: the nodes that received it vanished

    @property
    def is_final(self) -> bool:
        """Whether nothing more was to come of what was tried."""
        return self is not Status.RETRIED and self is not Status.SPLIT


class Cause(StrEnum):
    """Why an attempt failed, as it was seen; guesses are not facts."""

    EXCEPTION = "exception"  # run() raised
    BAD_RETURN = "bad_return"  # run() returned something that is not a sized sequence
    TIME_LIMIT = "time_limit"  # run() took longer than retry_settings.timeout
    LOAD = "load"  # the mini-batch could not be read
    DAMAGED = "damaged"  # what the store or the queue holds of the mini-batch is damaged: no script's fault
    LOAD_TIME_LIMIT = "load_time_limit"  # reading it took longer than task_overhead_timeout
    EXIT = "exit"  # the slot's process ended by itself
    SIGNAL = "signal"  # the slot's process was killed
    GARBLED = "garbled"  # the slot said what no slot says, so its process was killed
    INIT = "init"  # the script could not be loaded, or init() failed
    SHUTDOWN = "shutdown"  # shutdown() raised
    VANISHED = "vanished"  # nodes received the mini-batch and were never heard of again


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed: one sentence, and the user's own traceback where there is one."""

    cause: Cause
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt on one mini-batch, and where its rows are (bytes from the start of the object's rows).

    With `part` it was an attempt on these items of it alone, and `items` are theirs. A `copy` ran beside the attempt of
    the same number; its failure counts as no try.
    """

    index: int
    attempt: int
    status: Status
    items: int
    succeeded: int
    process: str
    started: float  # epoch seconds
    load_seconds: float
    run_seconds: float
    rows: int = 0
    start: int = 0
    length: int = 0
    crc: int = 0
    header: str | None = None  # header line of delimited rows
    files: tuple[str, ...] = ()  # staged output files, relative: <output>/<path>
    failure: Failure | None = None
    part: Part | None = None
    copy: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something about a node rather than about a mini-batch: a failed init, the end of a slot, giving up.

    `failure` is None when nothing went wrong, and only `files` were left by shutdown().
    """

    process: str
    at: float
    failure: Failure | None
    gave_up: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResultIndex:
    """The index of one result object; `rows_at` is where the rows begin in it."""

    entries: tuple[Entry, ...]
    events: tuple[Event, ...]
    rows_at: int


def folder_of(entry: Entry) -> str:
    """Where a slot puts the output files of an attempt aside; in the store `staged_folder` says where they are."""
    return f"{attempt_name(entry.index, entry.part, entry.attempt)}-{entry.process}"


def staged_folder(folder: str, node: int, seq: int) -> str:
    """Where in the store the files are that a node has committed with its result object `seq`.

    Each object has its own, so that a second try of the same message changes nothing that was committed before.
    """
    return f"{folder}-{node:03d}-{seq:08d}"


def attempt_name(index: int, part: Part | None, attempt: int) -> str:
    """An attempt as part of a file name."""
    return f"{index}-{attempt}" if part is None else f"{index}.{part.start}.{part.stop}-{attempt}"


def encode(entries: Sequence[Entry], rows: Sequence[bytes], events: Sequence[Event] = ()) -> bytes:
    """One result object; `rows[k]` belongs to `entries[k]`, whose start, length and crc are filled in here."""
    lines, at = [], 0
    for entry, part in zip(entries, rows, strict=True):
        lines.append(_line(entry, at, len(part), zlib.crc32(part) if part else 0))
        at += len(part)
    more = f',"events":{_compose([_event_to_list(event) for event in events])}' if events else ""
    index = f'{{"v":1,"entries":[{",".join(lines)}]{more}}}'.encode()
    return b"".join((PREFIX.pack(MAGIC, len(index), zlib.crc32(index)), index, *rows))


def index_size(head: bytes, key: str) -> int:
    """Bytes from the start of the object to the end of its index, told by its first bytes."""
    if len(head) < PREFIX.size or head[:4] != MAGIC:
        raise DamagedRecordError(f"{key}: not a result object of this version of fanout")
    return PREFIX.size + int(PREFIX.unpack_from(head)[1])


def decode_index(head: bytes, key: str) -> ResultIndex:
    """The index in `head`, the object's first `index_size` bytes or more; DamagedRecordError names `key`."""
    end = index_size(head, key)
    index = head[PREFIX.size : end]
    if len(head) < end or zlib.crc32(index) != PREFIX.unpack_from(head)[2]:
        raise DamagedRecordError(f"{key}: truncated or altered")
    try:
        fields = checked.parse(index)
        if fields["v"] != 1:
            raise ValueError(f"version {fields['v']}, this fanout reads version 1")
        entries = tuple(_entries(fields["entries"]))
        events = tuple(_event_from_list(line) for line in fields.get("events", ()))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as exc:
        raise DamagedRecordError(f"{key}: {exc}") from exc
    return ResultIndex(entries, events, rows_at=end)


def check_rows(part: bytes | memoryview, crc: int, key: str, index: int) -> None:
    """`part` is what the entry for mini-batch `index` was written with; else DamagedRecordError."""
    if (zlib.crc32(part) if part else 0) != crc:
        raise DamagedRecordError(f"{key}: the rows of mini-batch {index} are truncated or altered")


# Made once: json.dumps with settings of its own makes an encoder a call.
_compose = json.JSONEncoder(separators=(",", ":")).encode
_quoted = lru_cache(maxsize=1024)(_compose)
"""Names of processes, of which there are few."""


def _line(entry: Entry, start: int, length: int, crc: int) -> str:
    """An entry as one JSON array, composed by hand: there is one for every mini-batch."""
    line = (
        f'[{entry.index},{entry.attempt},"{entry.status._value_}",{entry.items},{entry.succeeded},'
        f"{_quoted(entry.process)},{entry.started:.3f},{entry.load_seconds:.6f},{entry.run_seconds:.6f},"
        f"{entry.rows},{start},{length},{crc}"
    )
    more = _more(entry)
    return f"{line},{_compose(more)}]" if more else f"{line}]"


def _more(entry: Entry) -> dict[str, Any]:
    """What only some entries have."""
    if entry.header is None and entry.failure is None and entry.part is None and not (entry.files or entry.copy):
        return {}
    more: dict[str, Any] = {}
    if entry.header is not None:
        more["header"] = entry.header
    if entry.files:
        more["files"] = entry.files
    if entry.failure is not None:
        more["failure"] = [entry.failure.cause.value, entry.failure.message, entry.failure.traceback]
    if entry.part is not None:
        more["part"] = [entry.part.start, entry.part.stop]
    if entry.copy:
        more["copy"] = True
    return more


def _entries(lines: Sequence[Sequence[Any]]) -> Iterator[Entry]:
    """The entries in the lines of an index; checked column by column, which is several times faster than one by one."""
    if not lines:
        return
    _check_columns(lines)
    for line in lines:
        if len(line) == 13 and line[2] != "split":
            index, attempt, status, *rest = line
            yield Entry(index, attempt, _STATUSES[status], *rest)
        else:
            yield _special(line)


_STATUSES = {status.value: status for status in Status}


def _special(line: Sequence[Any]) -> Entry:
    """An entry with something that only some have."""
    index, attempt, status, items = line[:4]
    more: Mapping[str, Any] = line[13] if len(line) > 13 else {}
    part = read_part(more["part"]) if "part" in more else None
    if status == "split" and (items if part is None else part.items) < 2:
        raise ValueError(f"mini-batch {index} was split, and has one item")
    return replace(
        Entry(index, attempt, _STATUSES[status], *line[3:13]),
        header=_header(more.get("header")),
        files=_files(more.get("files", [])),
        failure=_failure(more.get("failure")),
        part=part,
        copy=more.get("copy") is True,
    )


def _check_columns(lines: Sequence[Sequence[Any]]) -> None:
    """What a ledger adds up is whole, not negative, and of a size that it can hold."""
    if set(map(type, lines)) != {list} or not set(map(len, lines)) <= {13, 14}:
        raise ValueError("not an attempt as this version writes it")
    index, attempt, _, items, succeeded, process, started, load, run, rows, start, length, crc = zip(
        *[line[:13] for line in lines], strict=True
    )
    small = {"index": index, "attempt": attempt, "items": items, "succeeded": succeeded, "rows": rows, "CRC": crc}
    for name, column in small.items():
        _check_column(name, column, {int}, 2**32)
    for name, column in {"start": start, "length": length}.items():
        _check_column(name, column, {int}, 2**63)
    for name, column in {"started": started, "load seconds": load, "run seconds": run}.items():
        _check_column(name, column, {int, float}, checked.LATEST)
    if set(map(type, process)) != {str}:
        raise ValueError("not an attempt as this version writes it")


def _check_column(name: str, column: Sequence[Any], types: set[type], limit: float) -> None:
    if not set(map(type, column)) <= types or min(column) < 0 or max(column) >= limit:
        wrong = next(value for value in column if type(value) not in types or not 0 <= value < limit)
        raise ValueError(f"{name} cannot be {wrong!r:.200}")


def _header(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError("a header is text")
    return value


def _files(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("files are a list of names")
    return tuple(value)


def _failure(fields: Sequence[str] | None) -> Failure | None:
    if fields is None:
        return None
    cause, message, traceback = fields
    if not (isinstance(message, str) and isinstance(traceback, str)):
        raise ValueError("the message and the traceback of a failure are texts")
    return Failure(Cause(cause), message, traceback)


def _event_to_list(event: Event) -> list[Any]:
    failure = event.failure
    return [
        event.process,
        round(event.at, 3),
        None if failure is None else [failure.cause.value, failure.message, failure.traceback],
        event.gave_up,
        event.files,
    ]


def _event_from_list(line: Sequence[Any]) -> Event:
    process, at, failure, gave_up, files = line
    if not isinstance(process, str) or not isinstance(gave_up, bool):
        raise ValueError("not an event as this version writes it")
    return Event(process, checked.seconds(at, "the time of an event"), _failure(failure), gave_up, _files(files))
