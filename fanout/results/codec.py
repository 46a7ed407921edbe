"""A result object: what a node committed at once, as an index followed by rows.

Layout: `FNO2`, then index length (u32), CRC-32 of the index (u32), then the index, then the rows of its entries, one
after the other. The index is a line of JSON, with the names and the few things that only some entries have, and the
numbers of all entries column by column. It alone is readable with one ranged read, and each entry carries the length
and the CRC of its rows, so that a reader checks exactly what it uses. Pure: bytes in, values out.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import field, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, Iterable, Mapping, Sequence, overload

from fanout.backports import StrEnum, dataclass
from fanout.errors import DamagedRecordError
from fanout.records import fields as checked
from fanout.records.parts import ItemRange, read_part
from fanout.records.value_changes import Change, by_mini_batch
from fanout.results.columns import Columns, check_places, unpack

MAGIC, PREFIX, VERSION = b"FNO2", struct.Struct(">4sII"), 2
FIRST_READ = 64 * 1024
"""Bytes of a first ranged read: the whole index of an ordinary object."""


class Status(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"  # run() returned something countable; its rows are here
    RETRIED = "retried"  # failed, and the mini-batch was sent anew
    SPLIT = "split"  # failed, no try was left, and both halves of it were sent
    FAILED = "failed"  # failed, and no try was left: dead-lettered with its reason
    DEAD_LETTERED = "dead_lettered"  # no attempt ever answered: the nodes that received it vanished
    SHORT = "short"  # run() returned fewer elements than there are items, and no try was left; its rows are here

    @property
    def is_final(self) -> bool:
        """Whether nothing more was to come of what was tried."""
        return self is not Status.RETRIED and self is not Status.SPLIT


class Cause(StrEnum):
    """Why an attempt failed, as it was seen; guesses are not facts."""

    EXCEPTION = "exception"  # run() raised
    BAD_RETURN = "bad_return"  # run() returned something that is not a sized sequence
    SHORT_RETURN = "short_return"  # run() returned fewer elements than there are items, where items are checked
    TIME_LIMIT = "time_limit"  # run() took longer than retry_settings.timeout
    LOAD = "load"  # the mini-batch could not be read
    DAMAGED = "damaged"  # what the store or the queue holds of the mini-batch is damaged: no script's fault
    LOAD_TIME_LIMIT = "load_time_limit"  # reading it took longer than task_overhead_timeout
    EXIT = "exit"  # the slot's process ended by itself
    SIGNAL = "signal"  # the slot's process was killed
    MISSING = "missing"  # the node has not the data that the plan lists
    PROTOCOL = "garbled"  # the slot said what no slot says, so its process was killed
    INIT = "init"  # the script could not be loaded, or init() failed
    SHUTDOWN = "shutdown"  # shutdown() raised
    VANISHED = "vanished"  # nodes received the mini-batch and were never heard of again
    FORGED = "forged"  # messages with a missing or wrong signature: they were dropped


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed: one sentence, and the user's own traceback where there is one."""

    cause: Cause
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        return self.message


@dataclass(slots=True)
class Entry:
    """One attempt on one mini-batch, and where its rows are (bytes from the start of the object's rows).

    With `part` it was an attempt on these items of it alone, and `items` are theirs. A `copy` ran beside the attempt of
    the same number; its failure counts as no try. Not frozen, since each is made four times faster so; no code changes
    one.
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
    part: ItemRange | None = None
    copy: bool = False
    failed_on: tuple[int, ...] = ()  # nodes on which earlier tries have failed; kept with failures only
    changes: tuple[Change, ...] = ()  # what the types of a table's columns have made of values; not read back


@dataclass(frozen=True, slots=True)
class Event:
    """Something about a node rather than about a mini-batch: a failed init, the end of a slot, giving up."""

    process: str
    at: float
    failure: Failure | None  # None: nothing went wrong, and only `files` were left by shutdown()
    gave_up: bool = False
    files: tuple[str, ...] = ()


STATUSES = tuple(Status)
"""By the number that stands for each in the columns; successes have 0."""


class Entries(Sequence[Entry]):
    """The entries of one result object: columns of numbers, since there is an entry for every mini-batch.

    An Entry is made when one is asked for. Those in `special`, by their place, are more than numbers and names: they
    failed, were of a part, a copy, or left files.
    """

    def __init__(
        self, numbers: Columns, processes: Sequence[str], headers: Sequence[str | None], special: Mapping[int, Entry]
    ) -> None:
        self.columns, self.processes, self.headers, self.special = numbers, processes, headers, special

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Entries:
        """These entries, whose rows lie one after the other."""
        numbers = _numbers(entries, [entry.length for entry in entries], [entry.crc for entry in entries])
        special = {place: entry for place, entry in enumerate(entries) if _more(entry)}
        return cls(numbers, _processes(entries), _headers(entries), special)

    @cached_property
    def starts(self) -> Sequence[int]:
        """Where the rows of each begin: they lie one after the other."""
        return tuple(accumulate(self.columns.length, initial=0))

    @property
    def are_plain(self) -> bool:
        """Whether all are successes, and none is special."""
        return not self.special and not any(self.columns.status)

    def __len__(self) -> int:
        return len(self.columns.index)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        place = range(len(self))[place]
        return self.special.get(place) or self._plain(place)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entries) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def _plain(self, place: int) -> Entry:
        c = self.columns
        return Entry(
            index=c.index[place],
            attempt=c.attempt[place],
            status=STATUSES[c.status[place]],
            items=c.items[place],
            succeeded=c.succeeded[place],
            process=self.processes[c.process[place]],
            started=c.started[place],
            load_seconds=c.load_seconds[place],
            run_seconds=c.run_seconds[place],
            rows=c.rows[place],
            start=self.starts[place],
            length=c.length[place],
            crc=c.crc[place],
            header=self.headers[c.header[place]],
        )


@dataclass(frozen=True, slots=True)
class ResultIndex:
    """The index of one result object; `rows_at` is where the rows begin in it."""

    entries: Entries
    events: tuple[Event, ...]
    rows_at: int
    changes: Mapping[int, tuple[Change, ...]] = field(default_factory=dict)  # by mini-batch


def folder_of(entry: Entry) -> str:
    """Where a slot puts the output files of an attempt aside; in the store `staged_folder` says where they are."""
    return f"{attempt_name(entry.index, entry.part, entry.attempt)}-{entry.process}"


def staged_folder(folder: str, node: int, seq: int) -> str:
    """Where in the store the files are that a node has committed with its result object `seq`.

    Each object has its own, so that a second try of the same message changes nothing that was committed before.
    """
    return f"{folder}-{node:03d}-{seq:08d}"


def attempt_name(index: int, part: ItemRange | None, attempt: int) -> str:
    """An attempt as part of a file name."""
    return f"{index}-{attempt}" if part is None else f"{index}.{part.start}.{part.stop}-{attempt}"


def encode(entries: Sequence[Entry], rows: Sequence[bytes], events: Sequence[Event] = ()) -> bytes:
    """One result object; `rows[k]` belongs to `entries[k]`, whose start, length and crc are filled in here."""
    if len(entries) != len(rows):
        raise ValueError(f"{len(entries)} entries with the rows of {len(rows)}")
    numbers = _numbers(entries, list(map(len, rows)), list(map(zlib.crc32, rows)))
    fields: dict[str, Any] = {
        "v": VERSION,
        "entries": len(entries),
        "processes": _processes(entries),
        "headers": _headers(entries)[1:],
        "more": [(place, more) for place, entry in enumerate(entries) if (more := _more(entry))],
        "events": [_event_to_list(event) for event in events],
        "changes": [(entry.index, [c.to_list() for c in entry.changes]) for entry in entries if entry.changes],
    }
    index = _compose(fields).encode() + b"\n" + numbers.pack()
    return b"".join((PREFIX.pack(MAGIC, len(index), zlib.crc32(index)), index, *rows))


def index_size(head: bytes, key: str) -> int:
    """Bytes from the start of the object to the end of its index, read from its first bytes."""
    if len(head) < PREFIX.size or head[:4] != MAGIC:
        raise DamagedRecordError(f"{key}: not a result object of this version of fanout")
    return PREFIX.size + int(PREFIX.unpack_from(head)[1])


def decode_index(head: bytes, key: str) -> ResultIndex:
    """The index in `head`, the object's first `index_size` bytes or more; DamagedRecordError names `key`."""
    end = index_size(head, key)
    index = memoryview(head)[PREFIX.size : end]
    if len(head) < end or zlib.crc32(index) != PREFIX.unpack_from(head)[2]:
        raise DamagedRecordError(f"{key}: truncated or altered")
    try:
        line = head.index(b"\n", PREFIX.size, end)
        fields = checked.parse(head[PREFIX.size : line])
        if fields["v"] != VERSION:
            raise ValueError(f"version {fields['v']!r:.80}, this fanout reads version {VERSION}")
        numbers = unpack(memoryview(head)[line + 1 : end], checked.whole(fields["entries"], "the number of entries"))
        entries = _entries(fields, numbers)
        events = tuple(_event_from_list(line) for line in fields["events"])
        changes = by_mini_batch(fields.get("changes", ()), entries.columns.index)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as exc:
        raise DamagedRecordError(f"{key}: {exc}") from exc
    return ResultIndex(entries, events, end, changes)


def check_rows(part: bytes | memoryview, crc: int, key: str, index: int) -> None:
    """`part` is what the entry for mini-batch `index` was written with; else DamagedRecordError."""
    if (zlib.crc32(part) if part else 0) != crc:
        raise altered_rows(key, index)


def altered_rows(key: str, index: int) -> DamagedRecordError:
    """The rows of mini-batch `index` are not what its entry was written with."""
    return DamagedRecordError(f"{key}: the rows of mini-batch {index} are truncated or altered")


def lost_object(key: str) -> DamagedRecordError:
    """A result object that a seal names is missing."""
    return DamagedRecordError(f"{key}: sealed, but not in the store any more")


_compose = json.JSONEncoder(separators=(",", ":")).encode
_SPLIT = STATUSES.index(Status.SPLIT)


def _numbers(entries: Sequence[Entry], lengths: Sequence[int], crcs: Sequence[int]) -> Columns:
    processes = {name: number for number, name in enumerate(_processes(entries))}
    headers = {name: number for number, name in enumerate(_headers(entries))}
    statuses = {status: number for number, status in enumerate(STATUSES)}
    return Columns.of(
        (
            [entry.index for entry in entries],
            [entry.attempt for entry in entries],
            [statuses[entry.status] for entry in entries],
            [entry.items for entry in entries],
            [entry.succeeded for entry in entries],
            [processes[entry.process] for entry in entries],
            [entry.started for entry in entries],
            [entry.load_seconds for entry in entries],
            [entry.run_seconds for entry in entries],
            [entry.rows for entry in entries],
            [headers[entry.header] for entry in entries],
            lengths,
            crcs,
        )
    )


def _processes(entries: Sequence[Entry]) -> list[str]:
    """Their names, each once."""
    return list(dict.fromkeys([entry.process for entry in entries]))


def _headers(entries: Sequence[Entry]) -> list[str | None]:
    """Their headers, each once; the first is None."""
    return list(dict.fromkeys([None, *[entry.header for entry in entries]]))


def _more(entry: Entry) -> dict[str, Any]:
    """What only some entries have."""
    if entry.failure is None and entry.part is None and not (entry.files or entry.copy):
        return {}
    more: dict[str, Any] = {}
    if entry.files:
        more["files"] = entry.files
    if entry.failure is not None:
        more["failure"] = [entry.failure.cause.value, entry.failure.message, entry.failure.traceback]
    if entry.part is not None:
        more["part"] = [entry.part.start, entry.part.stop]
    if entry.copy:
        more["copy"] = True
    if entry.failure is not None and entry.failed_on:
        more["failed_on"] = entry.failed_on
    return more


def _entries(fields: Mapping[str, Any], numbers: Columns) -> Entries:
    """The entries of an index, once everything that its line says of them makes sense."""
    processes, headers = _texts(fields["processes"]), [None, *_texts(fields["headers"])]
    check_places("status", numbers.status, STATUSES)
    check_places("process", numbers.process, processes)
    check_places("header", numbers.header, headers)
    plain = Entries(numbers, processes, headers, {})
    more = {checked.whole(place, "a place", below=len(plain)): fields for place, fields in fields["more"]}
    special = {place: _special(plain[place], fields) for place, fields in more.items()}
    for place in _places(numbers.status, _SPLIT):
        entry = special.get(place) or plain[place]
        if (entry.items if entry.part is None else entry.part.items) < 2:
            raise ValueError(f"mini-batch {entry.index} was split, and has one item")
    return Entries(numbers, processes, headers, special)


def _places(column: Sequence[int], number: int) -> Iterable[int]:
    """Where in the column the number stands."""
    return [place for place, found in enumerate(column) if found == number] if number in column else ()


def _special(plain: Entry, more: Mapping[str, Any]) -> Entry:
    """An entry with something that only some have."""
    return replace(
        plain,
        files=_texts(more.get("files", [])),
        failure=_failure(more.get("failure")),
        part=read_part(more["part"]) if "part" in more else None,
        copy=more.get("copy") is True,
        failed_on=checked.numbers(more.get("failed_on", []), "failed_on"),
    )


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("expected a list of names")
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
    return Event(process, checked.seconds(at, "the time of an event"), _failure(failure), gave_up, _texts(files))
