"""What a node and a slot say to each other, as values; `frames` carries them.

Imported by the slot's child process: the standard library only.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from fanout.node import frames
from fanout.plan.parts import Part
from fanout.step.results import Cause, Failure
from fanout.store import checked


@dataclass(frozen=True, slots=True)
class Start:
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
    json_records: bool = False  # mini-batches are lists of objects instead of DataFrames
    cwd: str | None = None  # where a copy of the fork server goes, with `environ` in place of the server's
    environ: Mapping[str, str] | None = None

    def frame(self) -> bytes:
        return frames.encode({"t": "start", **asdict(self)})

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "Start":
        return cls(**{name: value for name, value in header.items() if name != "t"})


def task_frame(attempt: int, line: bytes, part: Part | None = None) -> bytes:
    """One mini-batch, or a part of it, to work on; `line` is its JSON line."""
    return frames.pack(_task_head(attempt), line) if part is None else frames.encode(_task_header(attempt, part), line)


@lru_cache(maxsize=64)
def _task_head(attempt: int) -> bytes:
    return json.dumps({"t": "task", "a": attempt}, separators=(",", ":")).encode()


def _task_header(attempt: int, part: Part) -> dict[str, Any]:
    return {"t": "task", "a": attempt, "p": [part.start, part.stop]}


STOP = frames.encode({"t": "stop"})
"""Run shutdown() and leave."""

WITHDRAW = frames.encode({"t": "withdraw"})
"""Forget the mini-batches that were given before this and have not been started; `Withdrawn` says that it is done."""

WITHDRAWN = frames.encode({"t": "withdrawn"})


@dataclass(frozen=True, slots=True)
class Ready:
    """init() has returned: the slot waits for work."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Broken:
    """The script could not be loaded, or init() failed; the process leaves by itself."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Loaded:
    """The mini-batch has been read; run() starts now."""

    items: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Done:
    """run() has ended, well (`failure` None) or badly; `rows` are encoded in the step's row format."""

    items: int
    succeeded: int
    load_seconds: float
    run_seconds: float
    rows_written: int = 0
    rows: bytes = b""
    header: str | None = None
    files: tuple[str, ...] = ()
    failure: Failure | None = None

    def frame(self) -> bytes:
        numbers = (self.items, self.succeeded, self.load_seconds, self.run_seconds, self.rows_written)
        if self.header is None and self.failure is None and not self.files:  # nearly always: composed by hand
            return frames.pack(b'{"t":"done","n":[%d,%d,%r,%r,%d]}' % numbers, self.rows)
        fields: dict[str, Any] = {"t": "done", "n": numbers}
        if self.header is not None:
            fields["h"] = self.header
        if self.files:
            fields["f"] = self.files
        if self.failure is not None:
            fields["x"] = _failure_fields(self.failure)
        return frames.encode(fields, self.rows)


@dataclass(frozen=True, slots=True)
class Stopped:
    """shutdown() has run; `files` were left in the output folders after the last attempt."""

    failure: Failure | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Nothing that was withdrawn will be started any more; what had been started before has been answered."""


@dataclass(frozen=True, slots=True)
class Garbled:
    """What came was none of our words: user code has written into the channel, or read from it."""

    reason: str


Answer = Ready | Broken | Loaded | Done | Stopped | Withdrawn | Garbled


def ready_frame(seconds: float) -> bytes:
    return frames.encode({"t": "ready", "s": seconds})


def broken_frame(failure: Failure) -> bytes:
    return frames.encode({"t": "broken", "x": _failure_fields(failure)})


def loaded_frame(items: int, seconds: float) -> bytes:
    return frames.encode({"t": "loaded", "n": items, "s": seconds})


def stopped_frame(failure: Failure | None, files: Sequence[str]) -> bytes:
    return frames.encode({"t": "stopped", "x": None if failure is None else _failure_fields(failure), "f": files})


def answer(header: Mapping[str, Any], payload: bytes) -> Answer:
    """What a slot said; Garbled when it is none of our words."""
    try:
        return _answer(header, payload)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        return Garbled(f"{type(exc).__name__}: {exc}")


def _answer(header: Mapping[str, Any], payload: bytes) -> Answer:
    match header["t"]:
        case "done":
            return _done(header, payload)
        case "loaded":
            return Loaded(checked.whole(header["n"], "items"), checked.seconds(header["s"], "seconds"))
        case "ready":
            return Ready(checked.seconds(header["s"], "seconds"))
        case "broken":
            return Broken(_failure(header["x"]) or Failure(Cause.INIT, "no reason given"))
        case "stopped":
            return Stopped(_failure(header["x"]), _files(header["f"]))
        case "withdrawn":
            return Withdrawn()
        case word:
            raise ValueError(f"a slot said {word!r:.80}")


def _done(header: Mapping[str, Any], payload: bytes) -> Done:
    items, succeeded, load_seconds, run_seconds, rows_written = header["n"]
    if not (
        type(items) is type(succeeded) is type(rows_written) is int
        and 0 <= items < checked.LARGEST
        and 0 <= succeeded < checked.LARGEST
        and 0 <= rows_written < checked.LARGEST
    ):
        raise ValueError(f"items, succeeded and rows cannot be {(items, succeeded, rows_written)!r:.80}")
    return Done(
        items,
        succeeded,
        checked.seconds(load_seconds, "seconds"),
        checked.seconds(run_seconds, "seconds"),
        rows_written,
        payload,
        *_more(header),
    )


def _more(header: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...], Failure | None]:
    """What only some answers have: the header of rows, files, a failure."""
    if len(header) == 2:
        return None, (), None
    files = _files(header["f"]) if "f" in header else ()
    return _header(header.get("h")), files, _failure(header.get("x"))


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
