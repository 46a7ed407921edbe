"""What a node and a slot say to each other, as values; `frames` carries them.

The node sends `start` once, then tasks; many may be on their way. The slot answers `ready` or `broken` once, then for
each task one `done`, in order, preceded by one `loaded` where reading the mini-batch is work of its own. Headers are
JSON, but for what is said of nearly every mini-batch: tasks that share a frame, and how an ordinary one ended.

Imported by the slot's child process: the standard library only.
"""

from __future__ import annotations

import struct
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from fanout.backports import StrEnum, dataclass
from fanout.records import fields as checked
from fanout.records import value_changes
from fanout.records.parts import ItemRange
from fanout.results.codec import Cause, Failure
from fanout.slot import frames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fanout.records.mini_batch import MiniBatch
    from fanout.records.value_changes import Change


@dataclass(frozen=True, slots=True)
class StartOrder:
    """The first frame to a slot: which script, how it is called, where it may write. Paths are absolute."""

    entry_script: str
    code: str | None
    arguments: Sequence[str]
    row_format: str
    recipe: str | None
    node: str
    process: str
    logs: str  # the folder that holds `user/` and `sys/`
    outputs: Mapping[str, str]  # staging folder of each output that user code writes into
    attempts: str  # where a successful attempt's files are put aside: <attempts>/<index>-<attempt>-<process>/<output>/…
    output_dir: str
    input_dir: str
    logging_level: str
    profiling_module: str
    input_path: str | None = (
        None  # where all files of mini-batches are, unless the node brings them or a table names them
    )
    conda_file: str | None = None  # what this Python was made from, where it is the step's own
    table_server: Sequence[str] | None = None  # the command that reads tables where this Python is the step's own
    json_records: bool = False  # mini-batches are lists of objects instead of DataFrames
    cwd: str | None = None  # where a copy of the fork server goes, with `environ` in place of the server's
    environ: Mapping[str, str] | None = None
    stack: str | None = None  # the file that it writes where it is into, when it crashes or is asked

    def frame(self) -> bytes:
        return frames.encode({"t": "start", **asdict(self)})

    @classmethod
    def from_frame(cls, head: bytes) -> StartOrder:
        return cls(**{name: value for name, value in frames.header(head).items() if name != "t"})


class Task(NamedTuple):
    """One try at a mini-batch, or at a part of it: its JSON line, and the number of the try.

    `batch` is what the line says, where it has been read ahead.
    """

    line: bytes
    attempt: int
    part: ItemRange | None = None
    batch: MiniBatch | None = None


class ControlOrder(StrEnum):
    """Orders of the node other than tasks."""

    STOP = "stop"  # run shutdown() and leave
    REVOKE = "withdraw"  # forget the tasks that came before this and have not been started; `Revoked` answers

    def frame(self) -> bytes:
        return frames.encode({"t": self.value})


Order = Union[Task, ControlOrder]

_TASKS = struct.Struct(">cII")
"""The header of tasks that share a frame: `T`, the number of the try, how many; their lines are the payload."""


def task_frames(tasks: Sequence[Task]) -> bytes:
    """Tasks, to be worked on in this order: in one frame where they are alike, as they nearly always are."""
    payload, attempt = b"\n".join([task.line for task in tasks]), tasks[0].attempt
    are_alike = {task.attempt for task in tasks} == {attempt} and {task.part for task in tasks} == {None}
    if are_alike and len(tasks) == 1 + payload.count(b"\n"):
        return frames.pack(_TASKS.pack(b"T", attempt, len(tasks)), payload)
    return b"".join(map(_task_frame, tasks))


def _task_frame(task: Task) -> bytes:
    fields: dict[str, Any] = {"t": "task", "a": task.attempt}
    if task.part is not None:
        fields["p"] = [task.part.start, task.part.stop]
    return frames.encode(fields, task.line)


def orders_of(head: bytes, payload: bytes) -> Sequence[Order]:
    """The orders in a frame."""
    if head[:1] == b"T":
        _, attempt, count = _TASKS.unpack(head)
        return [Task(line, attempt) for line in (payload.split(b"\n") if count > 1 else [payload])]
    fields = frames.header(head)
    if fields["t"] == "task":
        return [Task(payload, fields["a"], ItemRange(*fields["p"]) if "p" in fields else None)]
    return [ControlOrder(fields["t"])]


@dataclass(frozen=True, slots=True)
class Ready:
    """init() has returned: the slot waits for work."""

    seconds: float


@dataclass(frozen=True, slots=True)
class StartFailed:
    """The script could not be loaded, or init() failed; the process leaves by itself.

    `permanent`: another process would fail in the same way.
    """

    failure: Failure
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """The mini-batch has been read; run() starts now."""

    items: int
    seconds: float


class Done(NamedTuple):  # there is one for every mini-batch: made in a third of the time that a frozen dataclass needs
    """run() has ended, well (`failure` None) or badly; `rows` are encoded in the step's row format.

    `started` is when work on the mini-batch began, in epoch seconds; None when unknown.
    """

    items: int
    succeeded: int
    load_seconds: float
    run_seconds: float
    rows_written: int = 0
    rows: bytes = b""
    header: str | None = None
    files: tuple[str, ...] = ()
    failure: Failure | None = None
    started: float | None = None
    changes: tuple[Change, ...] = ()  # what the types of a table's columns have made of values

    def frame(self) -> bytes:
        items, succeeded, load_seconds, run_seconds, rows_written, rows, header, files, failure, started, changed = self
        if (
            header is None
            and failure is None
            and not files
            and not changed
            and started is not None
            and rows_written < checked.LARGEST
        ):
            numbers = (items, succeeded, rows_written, load_seconds, run_seconds, started)
            return _DONE_FRAME.pack(_DONE.size, len(rows), b"D", *numbers) + rows
        fields: dict[str, Any] = {"t": "done", "n": self[:5], "b": started}
        if header is not None:
            fields["h"] = header
        if files:
            fields["f"] = files
        if failure is not None:
            fields["x"] = _failure_fields(failure)
        if changed:
            fields["c"] = [change.to_list() for change in changed]
        return frames.encode(fields, rows)


_DONE = struct.Struct(">cIIIddd")
_DONE_FRAME = struct.Struct(frames.PREFIX.format + _DONE.format[1:])
"""The header of a success without files: `D`, items, succeeded, rows, seconds of loading, of run(), the beginning."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """shutdown() has run; `files` were left in the output folders after the last attempt."""

    failure: Failure | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revoked:
    """Answer to REVOKE: no revoked task will be started any more; tasks that were started before have been answered."""


@dataclass(frozen=True, slots=True)
class WakeUp:
    """Little or nothing is left to do: the node should poll and assign more."""


@dataclass(frozen=True, slots=True)
class ProtocolViolation:
    """The bytes received are no answer: user code has written into the channel, or read from it."""

    reason: str


Answer = Union[Ready, StartFailed, Loaded, Done, Stopped, Revoked, WakeUp, ProtocolViolation]

REVOKED = frames.encode({"t": "withdrawn"})


def ready_frame(seconds: float) -> bytes:
    return frames.encode({"t": "ready", "s": seconds})


def start_failed_frame(failure: Failure, *, permanent: bool = False) -> bytes:
    return frames.encode({"t": "broken", "x": _failure_fields(failure), "p": permanent})


def loaded_frame(items: int, seconds: float) -> bytes:
    return frames.encode({"t": "loaded", "n": items, "s": seconds})


def stopped_frame(failure: Failure | None, files: Sequence[str]) -> bytes:
    return frames.encode({"t": "stopped", "x": None if failure is None else _failure_fields(failure), "f": files})


def answer(head: bytes, payload: bytes) -> Answer:
    """The answer in a frame; ProtocolViolation when it cannot be decoded."""
    try:
        return _ordinary(head, payload) if head[:1] == b"D" else _answer(frames.header(head), payload)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as exc:
        return ProtocolViolation(f"{type(exc).__name__}: {exc}")


def _ordinary(head: bytes, payload: bytes) -> Done:
    _, items, succeeded, rows_written, load_seconds, run_seconds, started = _DONE.unpack(head)
    if not (
        items < checked.LARGEST
        and succeeded < checked.LARGEST
        and rows_written < checked.LARGEST
        and 0 <= load_seconds < checked.LATEST
        and 0 <= run_seconds < checked.LATEST
        and 0 <= started < checked.LATEST
    ):
        raise ValueError(f"an answer cannot be {_DONE.unpack(head)!r:.200}")
    return Done(items, succeeded, load_seconds, run_seconds, rows_written, payload, None, (), None, started)


def _answer(header: Mapping[str, Any], payload: bytes) -> Answer:
    word = header["t"]
    if word == "done":
        return _done(header, payload)
    if word == "loaded":
        return Loaded(checked.whole(header["n"], "items"), checked.seconds(header["s"], "seconds"))
    if word == "ready":
        return Ready(checked.seconds(header["s"], "seconds"))
    if word == "broken":
        failure = _failure(header["x"]) or Failure(Cause.INIT, "no reason given")
        return StartFailed(failure, header.get("p") is True)
    if word == "stopped":
        return Stopped(_failure(header["x"]), _files(header["f"]))
    if word == "withdrawn":
        return Revoked()
    raise ValueError(f"a slot said {word!r:.80}")


def _done(header: Mapping[str, Any], payload: bytes) -> Done:
    items, succeeded, load_seconds, run_seconds, rows_written = header["n"]
    return Done(
        checked.whole(items, "items"),
        checked.whole(succeeded, "succeeded"),
        checked.seconds(load_seconds, "seconds"),
        checked.seconds(run_seconds, "seconds"),
        checked.whole(rows_written, "rows"),
        payload,
        _header(header.get("h")),
        _files(header["f"]) if "f" in header else (),
        _failure(header.get("x")),
        None if header["b"] is None else checked.seconds(header["b"], "the time of a beginning"),
        tuple(map(value_changes.from_list, header.get("c", ()))),
    )


def _header(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{value!r:.80} is no header")
    return value


def _files(names: object) -> tuple[str, ...]:
    """Names of output files, none of which leads out of the folder they were put aside in."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("files are a list of names")
    for name in names:
        if not name or name.startswith("/") or "\0" in name or ".." in name.split("/"):
            raise ValueError(f"{name!r:.80} is no output file")
    return tuple(names)


def _failure_fields(failure: Failure) -> list[str]:
    return [failure.cause.value, failure.message, failure.traceback]


def _failure(fields: Sequence[str] | None) -> Failure | None:
    if fields is None:
        return None
    cause, message, traceback = fields
    return Failure(Cause(cause), str(message), str(traceback))
